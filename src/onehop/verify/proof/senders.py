"""The proof that a router's questions outside disturb nobody's memory: as whom its external legs ask.

A question by ARP tells everybody who hears it where its sender is (RFC 826). So a leg asks as an address that it
carries itself, and keeps the one that it has chosen; with any other it asks as an address of its own, or as nobody
(RFC 5227, 1.1).
"""

from collections.abc import Iterator, Mapping

from onehop.model.topology import Topology
from onehop.net import naming
from onehop.net.identifier import HostName
from onehop.verify.packet import Arp, Frame
from onehop.verify.proof.case import Case, Judged, Violation
from onehop.verify.proof.hearing import Hearing
from onehop.verify.proof.listener import Listener, judged
from onehop.verify.proof.reach import probe
from onehop.verify.proof.sample import ARPS, ip_number, mac_number
from onehop.verify.proof.spans import Box, Numbers, meet, points, remainder, size
from onehop.verify.space import Space, bare
from onehop.verify.subject import Passing
from onehop.verify.world import World

_NOBODY = "0.0.0.0"  # noqa: S104  # nobody's address


class Senders:
    """Asks every external leg."""

    def __init__(self, view: Topology) -> None:
        self.view, self._published = view, Hearing(view).published

    def cases(self) -> Iterator[Case]:
        """One for each leg: every sender that a question of it may have."""
        for router in self.view.routers.values():
            gateway = router.gateway
            for place in gateway.hosts if gateway is not None else ():
                if gateway is None or place.host not in self.view.hosts:
                    continue
                leg, space = naming.external_leg(gateway.port_id), naming.router_namespace(router.id)
                mac = points([mac_number(place.mac_address)])
                box: Box = {**ARPS, "operation": points([Arp.REQUEST]), "source_mac": mac, "sender_mac": mac}
                judge = _Judge(place.host, space, leg, frozenset(self._published[place.mac_address]))
                yield Case("senders", judge, box)


class _Judge:
    """Judges the questions of one leg; `published` are the addresses that the API lets it have."""

    def __init__(self, host: HostName, namespace: str, leg: str, published: frozenset[str]) -> None:
        self.host, self.namespace, self.leg, self.published = host, namespace, leg, published

    def __call__(self, world: World, box: Box) -> Iterator[Judged]:
        here = world.spaces(self.host).get(self.namespace)
        if here is None or self.leg not in here.links:
            return
        own = carried(here, self.leg)
        used = frozenset({("addresses", self.host, self.namespace), ("link", self.host, self.namespace, self.leg)})
        for one in judged(world, 0, box, lambda world, frame, listener: self._walk(world, here, own, frame, listener)):
            yield Judged(one.box, one.used | used, one.violation, one.noticed)

    def _walk(self, world: World, here: Space, own: set[str], frame: Frame, listener: Listener) -> "_Found":
        passing = Passing(frame, outgoing=self.leg)
        death = probe(world, listener).hooks(here).arp("output", passing)
        said, asked = passing.frame.payload, frame.payload
        sender = said.sender if isinstance(said, Arp) and death is None else ""
        listener.observed("asks as", sender)
        kept = isinstance(asked, Arp) and sender == asked.sender
        mine = points(ip_number(ip) for ip in own & self.published)
        return _Found(frame, sender, mine, kept=kept, good=sender in {*(own & self.published), _NOBODY})


class _Found:
    """As whom a class of questions is asked."""

    def __init__(self, frame: Frame, sender: str, mine: Numbers, *, kept: bool, good: bool) -> None:
        self.frame, self.sender, self.mine, self.kept, self.good = frame, sender, mine, kept, good

    def __call__(self, _values: Mapping[str, int], box: Box) -> Violation | None:
        what, left = f"asks outside as {self.sender or 'nothing'}, which is not the leg's", [box]
        if self.kept:
            left = remainder(box, [{"sender": self.mine}] if self.mine else [])
        elif self.good:
            what = f"asks outside as {self.sender}, though it has chosen an address that it carries"
            others = remainder({"sender": self.mine}, [{"sender": points([ip_number(self.sender)])}])
            left = [found for one in others if (found := meet(box, one)) is not None] if self.mine else []
        return Violation(what, "", "", str(Passing(self.frame)), sum(map(size, left))) if left else None


def carried(here: Space, leg: str) -> set[str]:
    """Addresses that a leg carries for others: IPv4, and not of the link only."""
    return {bare(one) for one in here.addresses.get(leg, ()) if one.scope != "link" and ":" not in one.address}
