"""The one stage for most tests: a router on three hosts, eight instances of every kind, forwarded ports, a VIP.

| host | external leg | with floating IP | without |
|---|---|---|---|
| A (host-1) | yes | a1 (.101), a3 (.102, the other subnet) | a2 |
| B (host-2) | yes | b1 (.103, the other subnet) | b2, who holds the VIP (.110) |
| C (host-3) | no | c1 (.104), c3 (.105) | c2 |
"""

from collections.abc import Iterator
from contextlib import contextmanager

from onehop.model.port import Port
from tests.dataplane_north.echo import PORT, Echo
from tests.dataplane_north.places import Place
from tests.dataplane_north.site import OUTSIDE, Site
from tests.northern import BLOCK, Northern, forward, gateway_ip

A, B, C = 1, 2, 3
GATEWAY = gateway_ip(1)
FLOATING = {"a1": 101, "a3": 102, "b1": 103, "c1": 104, "c3": 105}
FORWARDED = "203.0.113.150"
VIRTUAL = "203.0.113.110"
VIRTUAL_INSIDE = "10.0.1.18"
MAY_HOLD = ("a2", "b2", "c1")
FORWARDS = (("tcp", 8000), ("tcp", 8001), ("tcp", 9000), ("tcp", PORT), ("udp", PORT), ("udp", 8000))
"""Protocol and port on `FORWARDED`: to b2, b2, a2, c2, c2, b2."""
OUT = "outside"
INSTANCES = ("a1", "a2", "a3", "b1", "b2", "c1", "c2", "c3")
HOSTS = {"a": A, "b": B, "c": C}


class Stage(Site):
    """A site with instances that have names."""

    def __init__(self, owner: int | None = A, **settings: object) -> None:
        world = Northern()
        world.network(1, six=False)
        world.network(2, six=False)
        world.router(1, [1, 2])
        world.gateway(1, owner, **settings)  # type: ignore[arg-type]  # the keywords of gateway
        nets = {"a3": 2, "b1": 2, "c2": 2}
        # The unbound port's address is in the pairs of those who may hold it, as for VRRP.
        pairs = {n: [(f"fa:16:3e:01:00:{k:02x}", VIRTUAL_INSIDE)] for k, n in enumerate(INSTANCES, 1) if n in MAY_HOLD}
        self.ports: dict[str, Port] = {
            n: world.port(nets.get(n, 1), HOSTS[n[0]], pairs=pairs.get(n, ())) for n in INSTANCES
        }
        for name in INSTANCES:
            if name not in MAY_HOLD:
                # What a router refuses is to be seen: their ports would have refused it before.
                world.change(self.ports[name].id, port_security_enabled=False)
        self.vip = world.port(1, None)
        assert self.vip.fixed_ips[0].ip_address == VIRTUAL_INSIDE
        self.floating = {n: world.floating_ip(last, self.ports[n]) for n, last in FLOATING.items()}
        world.floating_ip(110, self.vip)
        to = self.ports
        rules = (
            forward("tcp", 8000, to["b2"], PORT, 2),
            forward("tcp", 9000, to["a2"], PORT),
            forward("tcp", PORT, to["c2"], PORT),
            forward("udp", PORT, to["c2"], PORT),
            forward("udp", 8000, to["b2"], PORT),
        )
        world.floating_ip(150, None, forwards=rules)
        super().__init__(world)
        try:
            self._populate()
        except BaseException:
            self._stack.close()
            raise

    def _populate(self) -> None:
        echo = Echo()
        self._stack.callback(echo.close)
        for port in self.ports.values():
            self.plug(port)
        self.apply()
        for name in self.machines:
            # Tests ask for more errors a second than Linux gives one destination.
            self.router(name).write([("ipv4/icmp_ratelimit", "0")])
        vip = self.vip.fixed_ips[0].ip_address
        for name, port in self.ports.items():
            self.boot(port, [f"{vip}/24"] if name == "b2" else [])
            own = port.fixed_ips[0].ip_address
            for address in (own, vip) if name in MAY_HOLD else (own,):
                echo.serve(self.at(name), PORT, PORT + 1, address=address)
        echo.serve(self.outside, PORT)
        self.echo = echo

    def at(self, name: str) -> Place:
        """The namespace of an instance, or outside."""
        return self.outside if name == OUT else self.instances[self.ports[name].id]

    def own(self, owner: int) -> None:
        """Make another host the owner."""
        self.world.gateway(1, owner)
        self.apply()


def is_seen_as(caller: str, seen: str, port: int) -> bool:
    """Whether a called one sees the caller as it should: floating IP, or gateway address and a port of the block."""
    if caller == OUT:
        return seen == OUTSIDE
    if caller in FLOATING:
        return seen == f"203.0.113.{FLOATING[caller]}"
    first = BLOCK * HOSTS[caller[0]]
    return seen == GATEWAY and first <= port < first + BLOCK


@contextmanager
def staged(**settings: object) -> Iterator[Stage]:
    """A stage; on failure it says what the hosts held."""
    with Stage(**settings) as stage:  # type: ignore[arg-type]  # the keywords of gateway
        yield stage
