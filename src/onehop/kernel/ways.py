"""Which links have the short cut: what is wished for by namespace and name is carried out by index.

When a program is bound to a link the kernel waits for its readers, some 25 ms, and nobody can change a link of any
namespace meanwhile (net/core, RTNL). So it is done in a thread of its own, one by one with pauses, and only once a link
has been there for a while: whoever boots or moves instances is not held up by it. Until then, and where it fails,
packets take the long way, which is right and slower.
"""

import threading
import time
from collections.abc import Callable, Mapping
from socket import AF_INET, SOCK_CLOEXEC, SOCK_DGRAM, socket

from onehop.errors import KernelError
from onehop.kernel import syscall
from onehop.kernel.shortcut.cut import Device, Shortcut
from onehop.kernel.surroundings import LIBERAL, read_setting
from onehop.log import logger
from onehop.objects.way import Shortened, Way

LOG = logger("kernel")
QUIET_SECONDS = 3.0
"""How long a link is left alone first."""
PAUSES = 4
"""Times as long as binding took, nothing is bound afterwards."""


Place = tuple[str, str]
"""A link's namespace ("" is the host's) and its name."""


class Ways:
    """The short cut of a host.

    Args:
        shortcut: from now on this closes it.
        enter: moves the calling thread into a namespace by name; FileNotFoundError where there is none.
        quiet: seconds for which a link is left alone before it gets the short cut; with 0 there are no pauses either.
    """

    def __init__(self, shortcut: Shortcut, enter: Callable[[str], None], quiet: float = QUIET_SECONDS) -> None:
        self._shortcut = shortcut
        self._enter = enter
        self._quiet = quiet
        self._bound: dict[Place, Device] = {}
        self._refused: dict[Place, str] = {}
        """Links that could not be bound, and why."""
        self._pending: dict[Place, tuple[float, Way | None]] = {}
        """What is to be done for a link, and from when on."""
        self._busy = False
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="onehop-ways", daemon=True)
        self._thread.start()

    def wish(self, links: Mapping[Place, Way | None]) -> None:
        """Say of some links how they are; None, or a link that is not there, has none. Returns at once."""
        ripe = time.monotonic() + self._quiet
        with self._changed:
            for place, way in links.items():
                before = self._pending.get(place)
                if way is None:
                    self._pending[place] = (0.0, None)
                elif before is None or before[1] != way:
                    self._pending[place] = (ripe, way)
            self._changed.notify_all()

    def forget(self) -> None:
        """Something changed: every flow takes the long way once."""
        self._shortcut.forget()

    def counts(self) -> Shortened:
        """What went which way since the start."""
        return self._shortcut.counts()

    def settle(self, seconds: float = 30.0) -> frozenset[Place]:
        """Wait until all that was wished for is carried out, at most so long; the links that have it."""
        with self._changed:
            self._changed.wait_for(lambda: not self._pending and not self._busy, seconds)
            return frozenset(self._bound)

    def close(self) -> None:
        """Everything takes the long way."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()
        self._shortcut.close()

    def _run(self) -> None:
        while (found := self._next()) is not None:
            place, way = found
            begun = time.monotonic()
            bound = False
            try:
                bound = self._carry_out(place, way)
            except Exception:  # a bug must not take the short cut from all others
                LOG.exception("the short cut of a link could not be set up", namespace=place[0], link=place[1])
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                if bound and self._quiet:
                    pause = PAUSES * (time.monotonic() - begun)
                    self._changed.wait_for(lambda: self._closed, pause)

    def _next(self) -> tuple[Place, Way | None] | None:
        """What is to be done, when it is; None at the end."""
        with self._changed:
            while not self._closed:
                soonest = min(self._pending.items(), key=lambda item: item[1][0], default=None)
                if soonest is None:
                    self._changed.wait()
                    continue
                place, (ripe, way) = soonest
                wait = ripe - time.monotonic()
                if wait <= 0:
                    del self._pending[place]
                    self._busy = True
                    return place, way
                self._changed.wait(wait)
        return None

    def _carry_out(self, place: Place, way: Way | None) -> bool:
        """Whether a link was bound."""
        index = self._index(place) if way is not None else 0
        if way is None or not index:
            return self._make(place, None)
        # Otherwise connection tracking would call invalid what it sees only now and then.
        return self._make(place, Device(index, way, read_setting(LIBERAL) == "1"))

    def _index(self, place: Place) -> int:
        """A link's, 0 where there is none; the thread is in its namespace afterwards."""
        namespace, link = place
        try:
            self._enter(namespace)
        except FileNotFoundError:
            return 0
        with socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC) as handle:
            return syscall.link_index(handle, link)

    def _make(self, place: Place, device: Device | None) -> bool:
        before = self._bound.get(place)
        if before is not None and device is not None and before.same_link(device) and self._shortcut.holds(before):
            if before != device:
                self._shortcut.alter(before, device)
                self._bound[place] = device
            return False
        if before is not None:
            del self._bound[place]
            self._shortcut.unbind(before)
        if device is None:
            self._refused.pop(place, None)
            return False
        try:
            self._shortcut.bind(device)
        except KernelError as error:
            self._shortcut.unbind(device)
            if self._refused.get(place) != str(error):
                # It is tried again with each look at everything, and said once.
                LOG.warning("established flows of a link take the long way", link=place[1], why=str(error))
            self._refused[place] = str(error)
            return False
        self._refused.pop(place, None)
        self._bound[place] = device
        return True
