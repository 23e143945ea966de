"""North-south: a floating IP, SNAT, and SNAT whose answers come by a steering owner, against the same built by hand.

Two hosts, an upstream router and an outside, as the tests of packets have them; ours is what the compiler yields. The
baseline is what one would build with `ip` and two rules of `nft`: veth, bridge, veth, a namespace that translates to
one address, veth, provider bridge. Where the owner steers, the baseline's answers also come in on the other host, by a
namespace that forwards them over a VXLAN link. Pairs are interleaved, and the order within a pair alternates.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path as File

from benchmarks import path
from benchmarks.east_west import PAIRS, PINGS, SECONDS, interleaved
from benchmarks.path import Path
from benchmarks.report import Row, main, pairs, say
from benchmarks.sandbox import RUN, mount
from tests.dataplane_north.places import Place
from tests.dataplane_north.site import BRIDGE, OUTSIDE, Site
from tests.northern import UPSTREAM, Northern

MS_BIND = 4096
HERE, THERE = "host-1", "host-2"
FLOATING, BY_HAND = "203.0.113.101", "203.0.113.240"
INNER, LEG = "10.9.0.10", "10.9.0.1"
LEG_MAC = "02:00:00:00:09:{:02x}"


class Stage:
    """Both ways on the same hosts.

    Attributes:
        site: ours; its instances have names in ``/run/netns`` as the baseline's do.
        stack: what is to be closed.
    """

    def __init__(self, owner: int, stack: ExitStack) -> None:
        world = Northern(hosts=2)
        world.network(1, six=False)
        world.router(1, [1])
        world.gateway(1, owner)
        ports = {"floating": world.port(1, 1), "plain": world.port(1, 1)}
        for port in ports.values():
            # As by hand: what protection costs has rows of its own.
            world.change(port.id, port_security_enabled=False)
        world.floating_ip(101, ports["floating"])
        self.site = stack.enter_context(Site(world))
        for port in ports.values():
            self.site.plug(port)
        self.site.apply()
        for machine in self.site.machines.values():
            machine.kernel.settle_ways()
        for name, port in ports.items():
            self.site.boot(port)
            _name(self.site.instances[port.id], name)
        self.stack = stack
        _name(self.site.outside, "outside")

    def by_hand(self, steered: bool) -> None:
        """Build the baseline: an instance ``hand``, translated to `BY_HAND` on its host."""
        host = self.site.machines[HERE].place
        instance, router = self._place("hand"), self._place("hand-router")
        host.run("ip link add handbr type bridge", "ip link set handbr mtu 1450 up")
        _pair(host, "handtap", instance, "eth0", "handbr")
        _pair(host, "handleg", router, "leg", "handbr")
        self._outward(host, router, 1)
        instance.run(f"ip addr add {INNER}/24 dev eth0", f"ip route add default via {LEG}")
        router.run(f"ip addr add {LEG}/24 dev leg", f"ip addr add {BY_HAND}/32 dev out")
        rule = f"ip daddr {BY_HAND} ct state new dnat to {INNER}"
        hooks = {"prerouting": ("-100", rule), "postrouting": ("100", f'oifname "out" snat to {BY_HAND}')}
        for hook, (priority, line) in hooks.items():
            chain = f"{{ type nat hook {hook} priority {priority}; }}"
            router.run(
                "nft add table ip hand",
                f"nft 'add chain ip hand {hook} {chain}'",
                f"nft 'add rule ip hand {hook} {line}'",
            )
        if steered:
            self._by_the_other(host, router)
        mac = LEG_MAC.format(2 if steered else 1)
        self.site.upstream.run(f"ip neigh replace {BY_HAND} lladdr {mac} dev ext0 nud permanent")

    def _by_the_other(self, host: Place, router: Place) -> None:
        """Answers come in on the other host and go on over a VXLAN link."""
        other, owner = self.site.machines[THERE].place, self._place("hand-owner")
        self._outward(other, owner, 2)
        ends = {HERE: (host, router), THERE: (other, owner)}
        vteps = {name: self.site.world.topology().hosts[name].vtep for name in ends}  # type: ignore[index]  # its names
        for name, (place, inner) in ends.items():
            far = vteps[THERE if name == HERE else HERE]
            place.run(
                f"ip link add handvx type vxlan id 999 dstport 4790 local {vteps[name]} remote {far}",
                f"ip link set handvx netns {inner.path}",
            )
            inner.run(
                f"ip addr add 172.20.0.{1 if name == HERE else 2}/24 dev handvx", "ip link set handvx mtu 1450 up"
            )
        owner.run(f"ip route add {BY_HAND}/32 via 172.20.0.1")

    def _outward(self, host: Place, router: Place, number: int) -> None:
        router.write(
            (("ipv4/conf/all/forwarding", "1"), ("ipv4/conf/all/rp_filter", "0"), ("ipv4/conf/default/rp_filter", "0"))
        )
        _pair(host, "handout", router, "out", BRIDGE)
        router.run(f"ip link set out address {LEG_MAC.format(number)}", "ip link set out mtu 1450")
        router.run("ip route add 203.0.113.0/24 dev out", f"ip route add default via {UPSTREAM} dev out onlink")

    def _place(self, name: str) -> Place:
        place = Place.new()
        self.stack.callback(place.close)
        _name(place, name)
        return place


def _name(place: Place, name: str) -> None:
    (RUN / name).touch()
    mount(place.path, RUN / name, "none", MS_BIND)


def _pair(host: Place, near: str, inner: Place, far: str, bridge: str) -> None:
    host.run(
        f"ip link add {near} mtu 1450 type veth peer name {far} mtu 1450 netns {inner.path}",
        f"ip link set {near} master {bridge} up",
    )
    inner.run(f"ip link set {far} up")


def measure() -> Iterator[Row]:
    """Three numbers for each of three ways."""
    File("/proc/sys/net/bridge/bridge-nf-call-iptables").write_text("0")
    yield from _way("floating IP, called from outside", 1, "floating", FLOATING, 0.95)
    yield from _way("SNAT out", 1, "plain", None, 0.95)
    yield from _way("SNAT, answers by a steering owner", 2, "plain", None, 0.90)


def _way(what: str, owner: int, instance: str, called: str | None, reach: float) -> Iterator[Row]:
    with ExitStack() as stack:
        stage = Stage(owner, stack)
        stage.by_hand(steered=owner == 2)
        if called is not None:
            sides = {"ours": Path("outside", instance, called), "by hand": Path("outside", "hand", BY_HAND)}
        else:
            sides = {"ours": Path(instance, "outside", OUTSIDE), "by hand": Path("hand", "outside", OUTSIDE)}
        for called_side in {side.right: side for side in sides.values()}.values():
            stack.enter_context(path.server(called_side))
        # What the owner steers are answers: so they are the ones that carry the data.
        back = owner == 2
        numbers: tuple[tuple[str, str, Callable[[Path], float], float], ...] = (
            ("TCP throughput", "Gbit/s", partial(path.throughput, seconds=SECONDS, reverse=back), reach),
            ("round trip", "µs", partial(path.round_trip, count=PINGS), -round(2 - reach, 2)),
            ("small packets", "kpps", partial(path.packet_rate, seconds=SECONDS, reverse=back), reach),
        )
        for name, unit, one, goal in numbers:
            say(f"{what}: {name}: {PAIRS} pairs")
            yield pairs(f"{what}: {name}", unit, *interleaved(sides, one), goal)
    for left in RUN.iterdir():
        path.run("umount", str(left))
        left.unlink()


if __name__ == "__main__":
    main("benchmarks.north_south", measure)
