"""The base scene: one host that has every feature that there is, and what surrounds it."""

from onehop.compiler.state import Local, Plug
from onehop.model.port import Binding, Port
from onehop.model.security_group import SecurityRule
from onehop.model.topology import Topology
from onehop.net.identifier import PortId
from tests.northern import PHYSICAL, Northern, forward
from tests.worlds import World

BRIDGE, SECOND_BRIDGE = "br-ex", "br-two"
"""Foreign bridges that lead outside."""

INSTANCES = "instances"
"""A namespace of somebody else, in which containers have their ends."""

BYSTANDER = 7
"""Number of the network and the router that no change concerns."""

FLOATING = "203.0.113.57"
"""Floating IP of the instance on it."""

EVERYTHING = [SecurityRule(direction="egress", version=version) for version in (4, 6)]
HTTP = SecurityRule(direction="ingress", version=4, protocol=6, first=80, last=80, prefix="198.51.100.0/24")
PING = SecurityRule(direction="ingress", version=4, protocol=1, first=8)


class Scene(Northern):
    """Two networks of both families and a router with a gateway; its hosts' first is the one under test."""

    def __init__(self) -> None:
        super().__init__(3, six=True)
        self.plugs: dict[PortId, Plug] = {}
        self.bridges = {PHYSICAL: BRIDGE}
        for n in (1, 2, BYSTANDER):
            self.network(n)
        self.router(1, [1, 2], routes=[("10.9.0.0/24", "10.0.2.11")])
        self.gateway(1, 1, six=True)
        self.router(BYSTANDER, [BYSTANDER])
        self.gateway(BYSTANDER, 1, six=True)
        web = self.group(1, *EVERYTHING, HTTP, PING)
        mates = self.group(2)
        self.group(2, *EVERYTHING, *(SecurityRule(direction="ingress", version=v, group=mates) for v in (4, 6)))
        self.a = self.plugged(1)
        self.b = self.plugged(2, pairs=[("00:00:5e:00:01:07", "10.0.2.200"), ("fa:16:3e:01:00:02", "fd00:2::200")])
        self.c = self.plugged(1, groups=[web, mates])
        self.far = self.port(1, 2, groups=[mates])
        self.farther = self.port(2, 3)
        self.unbound = self.port(1, None)
        self.still = self.plugged(BYSTANDER)
        self.mates = mates
        self.fip = self.floating_ip(50, self.a)
        self.floating_ip(51, self.far)
        self.floating_ip(52, self.unbound)
        self.floating_ip(int(FLOATING.rpartition(".")[2]), self.still, r=BYSTANDER)
        self.forwards = self.floating_ip(
            60, None, forwards=[forward("tcp", 8000, self.a, 80, 4), forward("udp", 53, self.far, 53)]
        )

    def plugged(self, n: int, netns: str | None = None, **fields: object) -> Port:
        """A port bound to the first host, with its instance."""
        port = self.port(n, 1, **fields)  # type: ignore[arg-type]  # passed on as they came
        self.plugs[port.id] = Plug(port.id, netns)
        return port

    def local(self) -> Local:
        return Local(dict(self.plugs), dict(self.bridges))

    def view(self, revision: int = 1) -> Topology:
        return self.topology(revision)

    def move(self, port: Port, *hosts: int, active: int | None = None) -> None:
        """Bind a port to other hosts, the first of them active unless said."""
        chosen = hosts[0] if active is None and hosts else active
        bindings = tuple(Binding(World.host(h), active=h == chosen) for h in sorted(hosts))
        self.change(port.id, bindings=bindings)
