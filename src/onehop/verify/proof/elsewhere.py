"""What an unprotected port may not say: to a router's leg, that it comes from where the router leads by another leg.

By the API's values alone. To all else it may say what it likes: that is what `port_security_enabled` false means.
"""

from collections.abc import Iterator

from onehop.model.port import Port
from onehop.model.topology import Topology
from onehop.net import address
from onehop.net.address import pack_mac
from onehop.verify.proof.pieces import split
from onehop.verify.proof.routes import span_of
from onehop.verify.proof.spans import Box, Numbers, numbers, points, remainder, without
from onehop.verify.proof.utterance import Form

_TAGS = points([0x8100, 0x88A8])


class Elsewhere:
    """What lies elsewhere for one network: on other networks of its routers, behind instances there, and outside."""

    def __init__(self, view: Topology, port: Port) -> None:
        self.view, self.network = view, port.network_id
        self.legs = points(int.from_bytes(pack_mac(leg.mac_address)) for leg in view.legs_on(self.network))
        self.sources = {version: self._sources(version) for version in (4, 6)}

    def allowed(self, form: Form) -> list[Box]:
        """The frames of a form that the port may say, as boxes."""
        return remainder(form.box(), list(self._denied(form)))

    def _denied(self, form: Form) -> Iterator[Box]:
        if not self.legs or not any(self.sources.values()):
            return
        to: Box = {"dmac": self.legs}
        if form.name == "another type":
            yield {**to, "type": _TAGS}
        for version, field in ((4, "ip saddr"), (6, "ip6 saddr")):
            if field in form.fields and self.sources[version]:
                yield from ({**to, **box} for box in split(form.fields[field], self.sources[version]))

    def _sources(self, version: int) -> Numbers:
        found: list[str] = []
        own = [subnet.cidr for subnet in self.view.subnets_of(self.network)]
        routers = (self.view.routers.get(leg.router_id) for leg in self.view.legs_on(self.network) if leg.router_id)
        for router in (one for one in routers if one is not None):
            if router.gateway is not None:
                found += [subnet.cidr for subnet in self.view.subnets_of(router.gateway.network_id)]
            near: list[str] = []
            far: list[str] = []
            for leg in self.view.interfaces_of(router.id):
                cidrs = [s.cidr for ip in leg.fixed_ips if (s := self.view.subnets.get(ip.subnet_id)) is not None]
                (near if leg.network_id == self.network else far).extend(cidrs)
            found += far
            for route in router.routes:
                if any(address.contains(cidr, route.nexthop) for cidr in near):
                    own.append(route.destination)
                elif address.prefix_length(route.destination) and any(address.contains(c, route.nexthop) for c in far):
                    found.append(route.destination)
        return without(_of(found, version), _of(own, version))


def _of(prefixes: list[str], version: int) -> Numbers:
    return numbers(span for one in prefixes if address.version(one) == version for span in span_of(one))
