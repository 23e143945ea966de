"""The model and the packets agree: random questions in random topologies."""

import random
from collections.abc import Iterator

import pytest

from onehop.model.port import Port
from tests.dataplane_north.agreement import Asked, disagreements, question, world_of
from tests.dataplane_north.echo import PORT, Echo
from tests.dataplane_north.site import OUTSIDE, OUTSIDE_V6, Site
from tests.northern import BLOCK, Northern, forward, gateway_ip, gateway_ip6

pytestmark = [pytest.mark.root, pytest.mark.slow]

QUESTIONS = 160


class Random(Site):
    """Three routers on three or four hosts: two that may share a network, and one of somebody else."""

    def __init__(self, seed: int) -> None:
        self.pick = random.Random(seed)
        pick = self.pick
        hosts = pick.choice((3, 4))
        self.reaching = pick.choice(((1, 2), (1, 3), (1, 2, 3), (2,)))
        world = Northern(hosts, reaching=self.reaching, six=True)
        for n in (1, 2, 3, 4):
            world.network(n, six=pick.random() < 0.6)
        shared = pick.random() < 0.7
        routes = {1: [("10.0.3.0/24", "10.0.2.2")], 2: [("10.0.1.0/24", "10.0.2.1")]} if shared else {}
        for r, nets in ((1, (1, 2)), (2, (3,)), (3, (4,))):
            world.router(r, nets, routes=routes.get(r, ()))
        if shared:
            world.leg(2, 2, suffix=2)
        self.gated = [r for r in (1, 2, 3) if pick.random() < 0.8]
        self.routed: list[str] = []
        for r in self.gated:
            self._gateway(world, r, hosts)
        self.ports = [world.port(pick.randint(1, 4), pick.randint(1, hosts)) for _ in range(8)]
        self._outer(world)
        super().__init__(world)
        try:
            self._populate()
        except BaseException:
            self._stack.close()
            raise

    def _gateway(self, world: Northern, r: int, hosts: int) -> None:
        pick = self.pick
        translates = pick.random() < 0.7
        world.gateway(
            r,
            pick.choice((None, *self.reaching, *self.reaching, *self.reaching)),
            candidates=self.reaching,
            blockless=[h for h in range(1, hosts + 1) if pick.random() < 0.2],
            six=True,
            enable_snat=translates,
            distributed=pick.random() < 0.8,
        )
        for n in {1: (1, 2), 2: (3,), 3: (4,)}[r]:
            self.routed.append(f"ip -6 route add fd00:{n}::/64 via {gateway_ip6(r)}")
            if not translates:
                self.routed.append(f"ip route add 10.0.{n}.0/24 via {gateway_ip(r)}")

    def _outer(self, world: Northern) -> None:
        """Floating IPs for some ports, forwardings for others."""
        self.outer: list[tuple[str, int]] = []
        self.floating: set[str] = set()
        router_of = {1: 1, 2: 1, 3: 2, 4: 3}
        for last, port in enumerate(self.ports, 101):
            n = int(port.network_id[:8], 16)
            r, draw = router_of[n], self.pick.random()
            if r in self.gated and draw < 0.4:
                world.floating_ip(last, port, r=r)
                self.outer.append((f"203.0.113.{last}", PORT))
                self.floating.add(f"203.0.113.{last}")
            elif r in self.gated and draw < 0.7:
                rules = [forward(protocol, 8000, port, PORT) for protocol in ("tcp", "udp")]
                world.floating_ip(last, None, r=r, forwards=rules)
                self.outer.append((f"203.0.113.{last}", 8000))

    def _populate(self) -> None:
        self.echo = Echo()
        self._stack.callback(self.echo.close)
        for port in self.ports:
            self.plug(port)
        self.apply()
        for machine in self.machines.values():
            for partition in machine.shelf.path.glob("qrouter-*"):
                place = machine.shelf.open(partition.name)
                place.write([("ipv4/icmp_ratelimit", "0"), ("ipv6/icmp/ratelimit", "0")])
                place.close()
        for port in self.ports:
            self.boot(port)
            for ip in port.fixed_ips:
                self.echo.serve(self.instances[port.id], PORT, address=ip.ip_address)
        for address in (OUTSIDE, OUTSIDE_V6):
            self.echo.serve(self.outside, PORT, address=address)
        self.upstream.run(*self.routed, "true")

    def questions(self) -> Iterator[Asked]:
        """Who asks whom, by lot."""
        inner = [(ip.ip_address, PORT) for port in self.ports for ip in port.fixed_ips]
        inner += [(f"10.0.{n}.1", PORT) for n in (1, 2, 3, 4)]
        outer = [*self.outer, *((gateway_ip(r), PORT) for r in self.gated), ("203.0.113.99", PORT)]
        outer += [(gateway_ip6(r), PORT) for r in self.gated]
        for _ in range(QUESTIONS):
            caller: Port | None = self.pick.choice([None, None, *self.ports])
            targets = inner + 2 * outer + ([] if caller is None else 3 * [(OUTSIDE, PORT), (OUTSIDE_V6, PORT)])
            target, number = self.pick.choice(targets)
            if caller is not None and not any((":" in ip.ip_address) == (":" in target) for ip in caller.fixed_ips):
                continue
            place = self.outside if caller is None else self.instances[caller.id]
            protocol = self.pick.choice(("icmp", "tcp", "udp"))
            yield Asked(place, question(None if caller is None else caller.id, target, protocol, number))


@pytest.mark.parametrize("seed", range(6))
def test_model_and_packets_agree_in_a_random_topology(seed: int) -> None:
    with Random(seed) as site:
        asked = list(site.questions())
        assert len(asked) > QUESTIONS / 2
        wrong = disagreements(world_of(site), asked, BLOCK)
        assert not wrong, f"{len(wrong)} of {len(asked)}:\n" + "\n".join(wrong[:6])
