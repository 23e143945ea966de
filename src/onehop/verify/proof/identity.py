"""What a port may say it is, by the API's values alone: written anew here, so that it checks what the compiler makes.

MACs and addresses of the port and of its address pairs, except what is a router's or a bound port's; link-local
addresses at will, except those that follow from somebody else's MAC and those of gateways.
"""

from collections.abc import Iterator

import msgspec

from onehop.model.port import Port
from onehop.model.topology import Topology
from onehop.net import address, naming
from onehop.verify.proof.routes import span_of
from onehop.verify.proof.sample import ip_number
from onehop.verify.proof.spans import Numbers, both, every, numbers, points, without

LINK_LOCALS = span_of("fe80::/10")
NEVER_OPENED = {4: points([0]), 6: numbers((*span_of("fe80::/10"), *span_of("ff00::/8"), (0, 0)))}


class Identity(msgspec.Struct, frozen=True):
    """Who a port may say it is.

    Attributes:
        macs: its MACs.
        own: MAC → its single addresses, by version.
        wide: by version, addresses that prefixes open under every MAC of it.
        linked: link-local addresses that it may choose.
    """

    macs: tuple[str, ...]
    own: dict[tuple[str, int], Numbers]
    wide: dict[int, Numbers]
    linked: Numbers

    def sources(self, version: int) -> Numbers:
        """Every source address of a version that it may have under some MAC, nobody's among them."""
        own = [span for (_, of), some in self.own.items() if of == version for span in some]
        more = self.linked if version == 6 else ()
        return numbers((*own, *self.wide[version], *more, (0, 0)))


def identity(view: Topology, port: Port) -> Identity:
    """Who a protected port may say it is."""
    others = [p for p in view.ports_of(port.network_id) if p.id != port.id]
    taken = _taken_macs(view, port, others)
    held = {ip.ip_address for p in others if _is_held(p) for ip in p.fixed_ips}
    held |= {address.link_local(p.mac_address) for p in others}
    macs, singles, prefixes = {port.mac_address}, set[tuple[str, str]](), set[str]()
    for pair in port.allowed_address_pairs:
        mac, (ip, slash, _) = pair.mac_address, pair.ip_address.partition("/")
        if mac != port.mac_address and (mac in taken or int(mac[:2], 16) & 1):
            continue
        macs.add(mac)
        if slash and address.prefix_length(pair.ip_address) != (128 if ":" in ip else 32):
            prefixes.add(pair.ip_address)
        elif ip not in held:
            singles.add((mac, ip))
    own_local = address.link_local(port.mac_address)
    fixed = {ip.ip_address for ip in port.fixed_ips}
    # For a virtual address Linux answers from the port's own MAC too, where two links are on one subnet.
    singles |= {(port.mac_address, ip) for _, ip in singles}
    singles |= {(mac, ip) for mac in macs for ip in (*fixed, own_local, address.link_local(mac))}
    gateways = {s.gateway_ip for s in view.subnets_of(port.network_id) if s.gateway_ip is not None}
    foreign = {ip.ip_address for p in others for ip in p.fixed_ips} | gateways - fixed
    own = {
        (mac, version): points(ip_number(ip) for m, ip in singles if m == mac and address.version(ip) == version)
        for mac in macs
        for version in (4, 6)
    }
    wide = {version: _wide(version, prefixes, foreign - fixed) for version in (4, 6)}
    linked = without(both(LINK_LOCALS, every(128)), points(ip_number(ip) for ip in gateways if ":" in ip))
    return Identity(tuple(sorted(macs)), own, wide, linked)


def _wide(version: int, prefixes: set[str], foreign: set[str]) -> Numbers:
    opened = numbers(span for prefix in prefixes if address.version(prefix) == version for span in span_of(prefix))
    closed = points(ip_number(ip) for ip in foreign if address.version(ip) == version)
    return without(without(opened, closed), NEVER_OPENED[version])


def _is_held(port: Port) -> bool:
    return bool(port.bindings) or port.device_owner.startswith("network:")


def _taken_macs(view: Topology, port: Port, others: list[Port]) -> set[str]:
    """MACs that are somebody's: ports', routers' legs outside, bridges', and of those that ask for routers."""
    taken = {p.mac_address for p in others} | {naming.bridge_mac(port.network_id)}
    taken |= {naming.probe_mac(host, leg.id) for leg in view.legs_on(port.network_id) for host in view.hosts}
    for router in view.gateways_on(port.network_id):
        taken |= set(_places(router))
    return taken


def _places(router: object) -> Iterator[str]:
    gateway = getattr(router, "gateway", None)
    yield from (place.mac_address for place in gateway.hosts) if gateway is not None else ()
