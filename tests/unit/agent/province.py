"""One gateway host of a `tests.unit.agent.realm`: what its agent decides with, and what it holds."""

from collections.abc import Mapping
from random import Random

from onehop.agent.herald import Published
from onehop.agent.permit import Permits, Wanted
from onehop.agent.reach import Reach, Verdict
from onehop.agent.seat import Seat
from onehop.agent.succession import Succession
from onehop.net.identifier import HostName, RouterId
from onehop.objects import Key
from tests.worlds import uid

ROUTER = RouterId(uid(1))
BRIDGE, ADDRESS = "br-ex", "203.0.113.10"
KEY: Key = ("address", "qrouter", "qg", ADDRESS)


def mac(host: str) -> str:
    """Of a host's leg."""
    return f"02:00:00:00:00:{int(host[-1]):02x}"


class Place:
    """One gateway host."""

    def __init__(self, name: HostName, order: tuple[HostName, ...], random: Random) -> None:
        self.name = name
        self.alive = self.underlay = self.carrier = True
        self.segment = 0
        self.heard_of_controller = float("-inf")
        self.connects_at = 0.0
        self.view = (1, order[0], order)
        self._random = random
        self._order = order
        self.boot()

    def boot(self) -> None:
        """Begin anew, with the view that was kept and nothing on any leg."""
        self.succession = Succession(self.name, self._random.random)
        self.permits = Permits(self._random.random)
        self.reach = Reach()
        self.verdict = Verdict()
        self.held = False
        self.announce: list[float] = []
        self.heard_of_controller = float("-inf")

    def seat(self) -> Seat:
        """What the view says."""
        generation, owner, candidates = self.view
        return Seat(
            router=ROUTER,
            generation=generation,
            owner=owner,
            candidates=candidates,
            hosts=frozenset(self._order) - {self.name},
            bridge=BRIDGE if self.carrier else "",
            address=ADDRESS,
            mac=mac(self.name),
            peers=frozenset(mac(host) for host in self._order if host != self.name),
        )

    def wanted(self) -> Mapping[Key, Wanted]:
        """The router's address, while this host acts."""
        if self.succession.owner(ROUTER) != self.name or not self.carrier:
            return {}
        peers = self.seat().peers
        return {KEY: Wanted(Published("qrouter", "qg", mac(self.name), ADDRESS), BRIDGE, True, True, peers)}
