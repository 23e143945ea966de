"""Whom of several controllers to call, and when. Pure but for the chance that its caller gives it.

Every host has an order of its own, so that agents spread over the controllers and those of a lost one over all others.
Waits are spread too: a controller that comes back is not called by everybody at once. An agent that ended up elsewhere
goes home to the first of its order in the end, or after a restart of each controller in turn the last one would have
all agents.
"""

from collections.abc import Callable, Sequence
from hashlib import blake2b

FIRST_SECONDS = 0.2
HOME_SECONDS = 120.0
"""About how long an agent stays elsewhere before it looks whether its first controller is there."""


class Roster:
    """The controllers in one host's order, and how long to wait between calls.

    Args:
        host: its name.
        controllers: their addresses, at least one.
        longest: seconds, the longest wait.
        chance: gives numbers from 0 to less than 1.

    Attributes:
        order: every address once, the one to be preferred first.
        address: whom to call now.
        failures: calls in a row that came to nothing, the end of a session among them.
    """

    def __init__(self, host: str, controllers: Sequence[str], longest: float, chance: Callable[[], float]) -> None:
        self.order = sorted(dict.fromkeys(controllers), key=lambda address: _rank(host, address))
        self.address = self.order[0]
        self.failures = 0
        self._longest = longest
        self._chance = chance
        self._wait = FIRST_SECONDS

    @property
    def away(self) -> bool:
        """Whether another controller would be preferred to the present one."""
        return self.address != self.order[0]

    def failed(self) -> float:
        """The call came to nothing: the next one is for the next; seconds until then, longer from time to time."""
        self.address = self.order[(self.order.index(self.address) + 1) % len(self.order)]
        self.failures += 1
        wait, self._wait = self._wait, min(self._wait * 2, self._longest)
        return wait * (0.5 + self._chance())

    def ended(self) -> float:
        """A session that was whole has ended: as `failed`, with the shortest wait."""
        self.failures, self._wait = 0, FIRST_SECONDS
        return self.failed()

    def home(self) -> float:
        """The first answers: the next call is for it, at once."""
        self.address, self.failures, self._wait = self.order[0], 0, FIRST_SECONDS
        return 0.0

    def patience(self) -> float:
        """Seconds until it is looked whether the first is there."""
        return HOME_SECONDS * (0.5 + self._chance())


def _rank(host: str, address: str) -> bytes:
    return blake2b(f"{host} {address}".encode(), digest_size=8).digest()
