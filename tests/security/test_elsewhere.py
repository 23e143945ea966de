"""A router's leg takes no source of another leg, from whoever: pairs and ports without protection are no way around."""

import os
import select
import socket
import time
from collections.abc import Iterator, Mapping

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether
from scapy.packet import Packet, Raw

from onehop.net.address import version
from tests.dataplane_north.site import Site
from tests.dataplane_north.wire import emit
from tests.northern import Northern
from tests.security.range import EVERYWHERE, PATIENCE, Range, heard, waiting

HOSTS = {"plain": 1, "paired": 1, "open": 1, "appliance": 1}
VICTIMS = {"near": 1, "far": 2}
BEHIND4, BEHIND6 = "192.168.77.0/24", "fd77::/64"


class Two(Site):
    """Two networks of a router: on one who attacks, and an appliance that others are behind; on the other victims."""

    def __init__(self) -> None:
        world = Northern(hosts=2, six=True)
        world.network(1)
        world.network(2)
        self.ports = {}
        for number, (name, host) in enumerate(HOSTS.items(), 1):
            mac = f"fa:16:3e:01:00:{number:02x}"
            pairs = {"paired": EVERYWHERE, "appliance": (BEHIND4, BEHIND6)}.get(name, ())
            self.ports[name] = world.port(1, host, pairs=[(mac, prefix) for prefix in pairs])
        for name, host in VICTIMS.items():
            self.ports[name] = world.port(2, host)
        world.change(self.ports["open"].id, port_security_enabled=False)
        hops = zip((BEHIND4, BEHIND6), (ip.ip_address for ip in self.ports["appliance"].fixed_ips), strict=True)
        world.router(1, [1, 2], routes=hops)
        super().__init__(world)
        self.start(self.ports.values())

    who = Range.who
    place = Range.place

    def routed(self, sender: str, victim: str, sources: Mapping[str, str], tag: Packet | None = None) -> set[str]:
        """Send to the leg what is for a victim, from some sources by name; the names of those that come through.

        The last is from the sender's own address. When it has come, what has not will not.
        """
        me, target = self.who(sender), self.who(victim)
        (leg,) = self.world.topology().legs_on(self.world.network_id(1))
        head = Ether(src=me.mac, dst=leg.mac_address)
        tokens = {name: os.urandom(8) for name in sources}
        last = os.urandom(8)

        def frame(source: str, token: bytes, tag: Packet | None = None) -> bytes:
            ip = IP(src=source, dst=target.v4) if version(source) == 4 else IPv6(src=source, dst=target.v6)
            under = head / tag if tag is not None else head
            return bytes(under / ip / UDP(sport=4000, dport=4001) / Raw(token))

        with heard(self.place(victim)) as sock:
            said = [frame(source, tokens[name], tag) for name, source in sources.items()]
            emit(self.place(sender), "eth0", *said, frame(me.v6, last), frame(me.v4, last))
            got: list[bytes] = []
            deadline = time.monotonic() + PATIENCE
            while sum(last in octets for octets in got) < 2:
                assert time.monotonic() < deadline, "what must pass did not pass"
                self.ready(sock, deadline)
                got += waiting(sock)
        return {name for name, token in tokens.items() if any(token in octets for octets in got)}

    @staticmethod
    def ready(sock: socket.socket, deadline: float) -> None:
        """Wait until something has come."""
        select.select([sock], [], [], max(0.0, deadline - time.monotonic()))


@pytest.fixture(scope="module")
def two() -> Iterator[Two]:
    """The site."""
    with Two() as made:
        yield made


@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize("sender", ["plain", "paired", "open", "appliance"])
def test_no_port_sends_to_another_network_with_a_source_of_that_network(two: Two, sender: str, victim: str) -> None:
    bystander = two.who("far" if victim == "near" else "near")
    spoofed = {"v4": bystander.v4, "v6": bystander.v6, "router": "10.0.2.1", "router6": "fd00:2::1"}
    assert two.routed(sender, victim, spoofed) == set()


@pytest.mark.parametrize("sender", ["paired", "open"])
def test_a_source_behind_another_instance_is_no_pairs_and_one_behind_oneself_is(two: Two, sender: str) -> None:
    behind = {"v4": "192.168.77.5", "v6": "fd77::5"}
    assert two.routed("appliance", "far", behind) == behind.keys()
    assert two.routed("plain", "far", behind) == set()
    assert two.routed(sender, "far", behind) == behind.keys()  # of the same network: its own affair


@pytest.mark.parametrize(
    "tag", [Dot1Q(vlan=0), Dot1AD(vlan=0), Dot1AD(vlan=0) / Dot1Q(vlan=0)], ids=["priority", "service", "both"]
)
def test_no_tag_hides_the_source_from_the_tap_and_not_from_the_leg(two: Two, tag: Packet) -> None:
    bystander = two.who("near")
    assert two.routed("open", "far", {"v4": bystander.v4, "v6": bystander.v6}, tag) == set()


def test_neighbours_on_a_network_hear_what_an_open_port_says(two: Two) -> None:
    """The check is about legs: between instances of one network an open port is as free as it was."""
    me, to, absent = two.who("open"), two.who("plain"), two.who("near")
    token = os.urandom(8)
    frame = Ether(src=me.mac, dst=to.mac) / IP(src=absent.v4, dst=to.v4) / UDP(sport=4000, dport=4001) / Raw(token)
    with heard(two.place("plain")) as sock:
        emit(two.place("open"), "eth0", bytes(frame))
        got: list[bytes] = []
        deadline = time.monotonic() + PATIENCE
        while not any(token in octets for octets in got):
            assert time.monotonic() < deadline
            two.ready(sock, deadline)
            got += waiting(sock)


def test_the_site_holds_what_was_compiled(two: Two) -> None:
    two.settled()
