"""The proof that nobody is told anything by a router about what it would not have let in.

Whoever sends from outside with the last hop limit learns by an error that a router was there: only of what may come in.
"""

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from onehop.model.topology import Topology
from onehop.verify.neighbour import is_discovery
from onehop.verify.packet import Frame, Packet
from onehop.verify.proof.case import Case, Judged, Violation
from onehop.verify.proof.leaving import Leaving
from onehop.verify.proof.listener import Listener, judged
from onehop.verify.proof.promise import all_of
from onehop.verify.proof.reach import Source, probe, send
from onehop.verify.proof.routes import span_of
from onehop.verify.proof.sample import PACKETS, mac_number
from onehop.verify.proof.spans import Box, points, remainder, size
from onehop.verify.quote import is_error
from onehop.verify.route import OF_LINK
from onehop.verify.subject import Passing
from onehop.verify.world import World


class Hops:
    """Asks every external leg."""

    def __init__(self, view: Topology) -> None:
        self.view, self.leaving = view, Leaving(view)

    def cases(self) -> Iterator[Case]:
        """One for each leg and IP version."""
        for router in self.view.routers.values():
            gateway = router.gateway
            network = self.view.networks.get(gateway.network_id) if gateway is not None else None
            if gateway is None or network is None or not router.admin_state_up:
                continue
            for version in (4, 6):
                called: Box = {"destination": self.leaving.called([router.id], version)}
                known = all_of([called], self.leaving.strangers([router.id], version))
                # What is of one link is for whoever is on it.
                known += (
                    [{end: span_of(some)} for end in ("source", "destination") for some in OF_LINK]
                    if version == 6
                    else []
                )
                for place in gateway.hosts:
                    box = {**PACKETS[version], "destination_mac": points([mac_number(place.mac_address)])}
                    yield Case("hops", _Judge(str(network.physical_network), version, known), box)


class _Judge:
    def __init__(self, network: str, version: int, known: list[Box]) -> None:
        self.source, self.version, self.known = Source(None, network), version, known

    def __call__(self, world: World, box: Box) -> Iterator[Judged]:
        return judged(world, self.version, box, self._walk)

    def _walk(self, world: World, frame: Frame, listener: Listener) -> "_Found":
        walk = probe(world, listener)
        walk.tells = True
        packet = frame.payload
        assert isinstance(packet, Packet)  # noqa: S101  # what has a hop limit is IP
        last = frame if is_discovery(packet) else replace(frame, payload=replace(packet, ttl=1))
        heard, _ = send(walk, self.source, last)
        told = any(one.packet is not None and is_error(one.packet) and one.packet != packet for one in heard)
        return _Found(self, last, told=told)


class _Found:
    def __init__(self, judge: _Judge, frame: Frame, *, told: bool) -> None:
        self.judge, self.frame, self.told = judge, frame, told

    def __call__(self, _values: Mapping[str, int], box: Box) -> Violation | None:
        left = remainder(box, self.judge.known) if self.told else []
        what = "would not be let in, and its sender is told of its hop limit"
        return Violation(what, "", "", str(Passing(self.frame)), sum(map(size, left))) if left else None
