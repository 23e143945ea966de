"""What no walk shows: settings of routers' namespaces, and that a host's own traffic is nobody's matter."""

from collections import Counter
from collections.abc import Iterator

from onehop.model.network import Network
from onehop.model.topology import Topology
from onehop.net import address, naming
from onehop.net.identifier import HostName
from onehop.objects import BridgePort
from onehop.verify.hook import Hooks
from onehop.verify.packet import Arp, Frame, Packet, solicitation
from onehop.verify.proof.case import Case, Judged, Violation
from onehop.verify.proof.listener import Listener
from onehop.verify.proof.spans import Box
from onehop.verify.space import Space
from onehop.verify.subject import Passing
from onehop.verify.world import World

_ROUTER = {
    "net/ipv4/ip_forward": "1",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv4/conf/all/arp_ignore": "1",
    "net/ipv4/conf/all/arp_announce": "2",
    "net/ipv4/conf/all/send_redirects": "0",
    "net/ipv4/conf/default/send_redirects": "0",
    "net/ipv4/conf/all/accept_redirects": "0",
    "net/ipv6/conf/all/forwarding": "1",
    "net/ipv6/conf/all/keep_addr_on_down": "1",
    "net/ipv6/conf/default/accept_ra": "0",
    "net/ipv6/conf/default/accept_redirects": "0",
}
_NORTH = {
    "net/ipv4/ip_early_demux": "0",
    "net/netfilter/nf_conntrack_tcp_be_liberal": "1",
    "net/netfilter/nf_conntrack_tcp_loose": "1",
}
_MACS = "02:00:00:00:00:01", "02:00:00:00:00:02"
_FRAMES = (
    Frame(*_MACS, Packet(source="192.0.2.1", destination="192.0.2.2", protocol=17)),
    Frame(*_MACS, solicitation("fe80::1", _MACS[0], "fe80::2")),
    Frame(*_MACS, Arp(operation=1, sender_mac=_MACS[0], sender="192.0.2.1", target_mac=_MACS[1], target="192.0.2.2")),
)
_ANCHORS = "169.254.0.0/16"


class Settings:
    """Asks every namespace of every router."""

    def __init__(self, view: Topology) -> None:
        self.view = view

    def cases(self) -> Iterator[Case]:
        """One for each host."""
        for host in self.view.hosts:
            yield Case("settings", _Judge(self.view, host), {})


class _Judge:
    def __init__(self, view: Topology, host: HostName) -> None:
        self.view, self.host = view, host

    def __call__(self, world: World, box: Box) -> Iterator[Judged]:
        for network in self.view.networks.values():
            yield from self._silent(world, naming.bridge(network.id), box)
            yield from self._switched(world, network, box)
        yield from self._untouched(world, box)
        for name, space in sorted(world.spaces(self.host).items()):
            if not name.startswith("qrouter-"):
                continue
            kinds = ("setting", "addresses")
            used = frozenset((kind, self.host, name) for kind in kinds)
            wrong = next(self._wrong(name, space), "")
            yield Judged(box, used, Violation(f"{name} on {self.host} {wrong}", "") if wrong else None)

    def _silent(self, world: World, bridge: str, box: Box) -> Iterator[Judged]:
        """The host's own stack says nothing into a network, and hears nothing."""
        host = world.spaces(self.host).get(naming.HOST)
        if host is None or bridge not in host.links:
            return
        for frame in _FRAMES:
            for hook in ("ingress", "egress"):
                listener = Listener({}, 0)
                death, _, _ = Hooks(host, listener).device(hook, bridge, Passing(frame))
                wrong = None if death else Violation(f"{bridge} on {self.host} lets the host take part, by {hook}", "")
                yield Judged(box, frozenset(listener.seen | {("link", self.host, naming.HOST, bridge)}), wrong)

    def _switched(self, world: World, network: Network, box: Box) -> Iterator[Judged]:
        """Bridges know who is where: only for MACs that several ports may use do their ports learn, and flood."""
        host = world.spaces(self.host).get(naming.HOST)
        if host is None or network.vni is None:
            return
        ports = self.view.ports_of(network.id)
        own = {port.mac_address for port in ports}
        claims = Counter(mac for port in ports for mac in {p.mac_address for p in port.allowed_address_pairs} - own)
        shared = {mac for mac, count in claims.items() if count > 1}
        wanted = {naming.vxlan(network.vni): BridgePort(neigh_suppress=True, flood=bool(shared), learning=bool(shared))}
        for port in ports:
            roams = not shared.isdisjoint(pair.mac_address for pair in port.allowed_address_pairs)
            learns = BridgePort(flood=bool(shared), learning=roams)
            is_leg = port.router_id is not None
            wanted[naming.leg_peer(port.id) if is_leg else naming.tap(port.id)] = learns
        bridge = host.links.get(naming.bridge(network.id))
        if bridge is not None:
            # One that it chooses itself changes with its ports, and with it all that it answers for them is forgotten.
            mine = frozenset({("link", self.host, naming.HOST, bridge.name)})
            good = bridge.mac == naming.bridge_mac(network.id)
            text = f"{bridge.name} on {self.host} has not the MAC that is kept for it"
            yield Judged(box, mine, None if good else Violation(text, ""))
        for name, behaviour in wanted.items():
            link = host.links.get(name)
            if link is not None:
                used = frozenset({("link", self.host, naming.HOST, name)})
                text = f"{name} on {self.host} learns, floods or suppresses as it should not"
                yield Judged(box, used, None if link.port == behaviour else Violation(text, ""))

    def _untouched(self, world: World, box: Box) -> Iterator[Judged]:
        """What is none of our networks goes through the host's own hooks as if we were not there."""
        host = world.spaces(self.host).get(naming.HOST)
        if host is None:
            return
        listener, passing = Listener({}, 0), Passing(_FRAMES[0], incoming="foreign0")
        passing.mark = 5
        death, _ = Hooks(host, listener).ip("prerouting", passing)
        touched = death is not None or passing.mark != 5 or passing.untracked or passing.zone
        wrong = Violation(f"what is others' on {self.host} is touched", "") if touched else None
        yield Judged(box, frozenset(listener.seen), wrong)

    def _wrong(self, name: str, space: Space) -> Iterator[str]:
        router = next(r for r in self.view.routers.values() if naming.router_namespace(r.id) == name)
        wanted = dict(_ROUTER)
        places = router.gateway.hosts if router.gateway is not None else ()
        wanted["net/ipv4/conf/all/accept_local"] = str(int(any(place.host == self.host for place in places)))
        for leg in self.view.interfaces_of(router.id):
            wanted[f"net/ipv4/conf/{naming.leg(leg.id)}/rp_filter"] = "0"
        if router.gateway is not None:
            wanted |= _NORTH
            legs = (naming.external_leg(router.gateway.port_id), naming.transit_leg(router.gateway.port_id))
            for link in (one for one in legs if one in space.links):
                wanted[f"net/ipv4/conf/{link}/rp_filter"] = "0"
            if legs[0] in space.links:
                anchors = [a for a in space.addresses.get(legs[0], ()) if a.scope == "link" and ":" not in a.address]
                if not any(address.contains(_ANCHORS, a.address.partition("/")[0]) for a in anchors):
                    yield f"would lose its routes with the last address of {legs[0]}"
        for path, value in wanted.items():
            if space.said(path) != value:
                yield f"has {path} {space.said(path) or 'unset'}, not {value}"
