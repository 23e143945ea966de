"""What happened: operations with start and end as clients saw them, and what agents were told at which revision.

An operation whose answer never came (a cut connection, 503, a time-out) may have been done or not, now or later: its
end is infinite. One that was refused (4xx) did nothing and is not kept.
"""

import math
import threading
import time
from collections.abc import Mapping

import msgspec

NEVER = math.inf


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One operation on one port, in seconds of one clock.

    Attributes:
        kind: ``create``, ``rename``, ``delete`` or ``read``.
        port: its id; empty for a creation without an answer.
        name: that it wrote, or read (empty: there was no such port); no two writes have the same.
        begin, end: when it was sent and when its answer came; `NEVER` where none came.
        addresses: of a creation, pairs of subnet and address that the port was given.
        network, host: of a creation, where the port is.
    """

    kind: str
    port: str
    name: str = ""
    begin: float
    end: float = NEVER
    addresses: tuple[tuple[str, str], ...] = ()
    network: str = ""
    host: str = ""

    @property
    def acknowledged(self) -> bool:
        """Whether its answer came."""
        return self.end < NEVER


class Block(msgspec.Struct, frozen=True):
    """Source ports of an address, that a host may use."""

    address: str
    first: int
    size: int
    host: str


class Reign(msgspec.Struct, frozen=True):
    """Who owns a router, since which generation."""

    router: str
    generation: int
    owner: str


class Sight(msgspec.Struct, frozen=True):
    """What an agent was told to be whole at one revision.

    Attributes:
        host: the agent's.
        revision: as the controller said.
        ports: ids of all instances' ports in its view; None of a gateway host, which also has those of routers that it
            may own.
        reigns: owners of all routers with a gateway in its view.
        blocks: router → its port blocks.
    """

    host: str
    revision: int
    ports: frozenset[str] | None
    reigns: tuple[Reign, ...] = ()
    blocks: Mapping[str, tuple[Block, ...]] = {}


class Logged(msgspec.Struct, frozen=True):
    """A port's entry in the change log."""

    revision: int
    port: str
    deleted: bool


class Final(msgspec.Struct, frozen=True):
    """What the database holds in the end.

    Attributes:
        names: port → name.
        addresses: port → pairs of subnet and address.
        places: port → network and host.
        log: the change log's entries about ports, in order.
    """

    names: Mapping[str, str]
    addresses: Mapping[str, tuple[tuple[str, str], ...]]
    places: Mapping[str, tuple[str, str]]
    log: tuple[Logged, ...] = ()


class History:
    """Collects operations from several threads, and lets one wait for them to get on."""

    def __init__(self) -> None:
        self._operations: list[Operation] = []
        self._progress = threading.Condition()

    def add(self, operation: Operation) -> None:
        """One more."""
        with self._progress:
            self._operations.append(operation)
            self._progress.notify_all()

    def all(self) -> tuple[Operation, ...]:
        """Every one so far."""
        with self._progress:
            return tuple(self._operations)

    def acknowledged(self) -> int:
        """How many have an answer."""
        return sum(one.acknowledged for one in self.all())

    def goes_on(self, more: int, seconds: float) -> bool:
        """Wait until so many more operations are there, but no longer than some seconds; whether they are."""
        deadline = time.monotonic() + seconds
        with self._progress:
            goal = len(self._operations) + more
            while len(self._operations) < goal:
                left = deadline - time.monotonic()
                if left <= 0 or not self._progress.wait(left):
                    return False
            return True
