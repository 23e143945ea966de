"""The door of the stream: a listening socket that counts whoever has come in and has not shown who they are.

TLS comes before anything else, and costs its server more than its client. So whoever has not shown a certificate of a
host takes one of a few places, from TCP on; beyond them, of everybody or of one address, a connection is closed before
a word is said. Whoever has shown one is no stranger any more and has no place. asyncio asks nobody before it begins
TLS; that is why this is a socket.
"""

import socket
from collections import Counter
from collections.abc import Callable
from typing import Any

from onehop.log import logger

LOG = logger("stream")
STRANGERS = 1024
"""Of everybody at a time: as many agents may come back at once; the others try again."""

STRANGERS_PER_SOURCE = 256
"""Of one address at a time; hosts behind one translated address are few."""

Peer = tuple[Any, ...]


class Guest(socket.socket):
    """A connection that tells when it is closed."""

    farewell: Callable[[], None] | None = None

    def close(self) -> None:
        """End it."""
        farewell, self.farewell = self.farewell, None
        super().close()
        if farewell is not None:
            farewell()


class Door(socket.socket):
    """A listening socket with few places for strangers.

    Args:
        listener: bound and listening; it is closed, and this takes its place.
        strangers: places for everybody.
        per_source: places for one address.
    """

    def __init__(
        self, listener: socket.socket, strangers: int = STRANGERS, per_source: int = STRANGERS_PER_SOURCE
    ) -> None:
        family, type_, protocol = listener.family, listener.type, listener.proto
        super().__init__(family, type_, protocol, fileno=listener.detach())
        self._most, self._most_of_one = strangers, per_source
        self._strangers: dict[Peer, str] = {}
        self._sources: Counter[str] = Counter()
        self.refused = 0

    @property
    def strangers(self) -> int:
        """How many are in and have not shown who they are."""
        return len(self._strangers)

    def accept(self) -> tuple[socket.socket, Peer]:
        """The next one who comes in.

        Raises:
            ConnectionAbortedError: there is no place; it was closed. For asyncio that is one who left by itself.
        """
        accepted, peer = super().accept()
        source = str(peer[0])
        if len(self._strangers) >= self._most or self._sources[source] >= self._most_of_one:
            accepted.close()
            self.refused += 1
            if self.refused & (self.refused - 1) == 0:  # the first, second, fourth: a flood is no flood of lines
                LOG.warning("no place for strangers: connections are closed", source=source, so_far=self.refused)
            raise ConnectionAbortedError
        guest = Guest(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach())
        guest.farewell = lambda: self.known(peer)
        self._strangers[peer] = source
        self._sources[source] += 1
        return guest, peer

    def known(self, peer: Peer) -> None:
        """Whoever this is has shown a certificate, or has gone; harmless to say twice."""
        source = self._strangers.pop(peer, None)
        if source is not None:
            self._sources[source] -= 1
            if not self._sources[source]:
                del self._sources[source]
