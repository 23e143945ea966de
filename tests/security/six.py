"""Two IPv6 routers with an outside, for attacks from there."""

import json
import os
from collections.abc import Iterable

from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from onehop.model.port import Port
from tests.dataplane_north.echo import PORT, Echo, ping, udp
from tests.dataplane_north.places import Place
from tests.dataplane_north.site import BRIDGE, OUTSIDE_V6, Site
from tests.dataplane_north.wire import emit
from tests.northern import Northern, gateway_ip6
from tests.security.ears import STRANGER, Ears

A, B = 1, 2
OTHER = 9
"""The second router, of another project."""
GATEWAY = gateway_ip6(1)
NET = {1: 1, OTHER: 3}
"""Router → its network."""
ALL_NODES, EVERYBODY = "ff02::1", "33:33:00:00:00:01"
HERE = {"a": (1, A), "b": (1, B), "x-a": (OTHER, A), "x-b": (OTHER, B)}
"""Instance → router and host."""


class Six(Site):
    """Two routers of two projects, each with an instance on both hosts; upstream routes their prefixes to them."""

    def __init__(self) -> None:
        world = Northern(hosts=2, six=True)
        for router, network in NET.items():
            world.network(network)
            world.router(router, [network])
            world.gateway(router, A, six=True)
        self.ports: dict[str, Port] = {name: world.port(NET[router], host) for name, (router, host) in HERE.items()}
        super().__init__(world)
        try:
            # The bridges' own ends are no part of this: they are not to believe or answer what routers are sent.
            for place, bridge in ((self.fabric, "external"), *((m.place, BRIDGE) for m in self.machines.values())):
                place.write([(f"ipv6/conf/{bridge}/disable_ipv6", "1")])
            echo = Echo()
            self._stack.callback(echo.close)
            self.start(self.ports.values())
            for name in self.ports:
                echo.serve(self.at(name), PORT, address="::")
            echo.serve(self.outside, PORT, address="::")
            self.upstream.run(
                *(f"ip -6 route add fd00:{net}::/64 via {gateway_ip6(r)}" for r, net in NET.items()),
                "sysctl -qw net.ipv6.icmp.ratelimit=0",
            )
        except BaseException:
            self._stack.close()
            raise

    def own(self, owner: int) -> None:
        """Make a host the owner of both routers."""
        for router in NET:
            self.world.gateway(router, owner, six=True)
        self.apply()

    def at(self, name: str) -> Place:
        """An instance's namespace."""
        return self.instances[self.ports[name].id]

    def address(self, name: str) -> str:
        """An instance's IPv6 address."""
        return self.ports[name].fixed_ips[1].ip_address

    def ears(self) -> Ears:
        """Everybody hears; what passes last are pings to every instance."""
        return Ears(self, {name: self.at(name) for name in self.ports}, self.passes)

    def passes(self) -> None:
        """Legitimate traffic in both directions."""
        for name in self.ports:
            assert ping(self.outside, self.address(name)) == self.address(name)
            there = udp(self.at(name), OUTSIDE_V6)
            assert there is not None
            assert there.seen == self.address(name)

    def send(self, *frames: bytes) -> None:
        """Put frames on the external network."""
        emit(self.upstream, "ext0", *frames)

    def upstream_mac(self) -> str:
        """The MAC of upstream's router."""
        return str(json.loads(self.upstream.run("ip -j link show dev ext0"))[0]["address"])

    def learned(self) -> dict[str, list[str]]:
        """What the routers hold that a message from outside could change: addresses, routes, settings."""
        settings = ("forwarding", "hop_limit", "mtu", "accept_ra", "accept_redirects")
        timers = ("base_reachable_time_ms", "retrans_time_ms")
        found = {}
        for machine in self.machines:
            for router in NET:
                place = self.router(machine, router)
                read = "; ".join(f"grep -H . /proc/sys/net/ipv6/conf/*/{setting}" for setting in settings)
                near = "; ".join(f"grep -H . /proc/sys/net/ipv6/neigh/*/{setting}" for setting in timers)
                text = place.run("ip -6 -o addr", "ip -6 route show table all", f"sh -c '{read}; {near}'")
                text += place.run(f"ip -6 route get {OUTSIDE_V6}")
                found[f"{router} on {machine}"] = text.splitlines()
        return found


def leg_mac(router: int, host: int) -> str:
    """The MAC of a router's external leg on a host."""
    return f"fa:16:3e:02:{router:02x}:{host:02x}"


def framed(mac: str, packet: Packet, token: bytes = b"") -> bytes:
    """A packet as the stranger sends it to a MAC, and what it is known again by."""
    return bytes(Ether(src=STRANGER, dst=mac) / packet / Raw(token))


def tokens_of(names: Iterable[str]) -> dict[str, bytes]:
    """Something to know each packet again by, whatever becomes of its headers."""
    return {name: os.urandom(8) for name in names}
