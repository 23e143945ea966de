"""Address pairs: a virtual router's MAC and address (RFC 9568), and a plain further address."""

import socket
from collections.abc import Iterator

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.layers.vrrp import VRRPv3
from scapy.packet import Packet, Raw

from onehop.net.address import link_local
from onehop.net.announcement import gratuitous_arp, unsolicited_advertisement
from tests.dataplane_north.site import Site
from tests.northern import Northern
from tests.security.range import Range, Who, heard, waiting

VIRTUAL_MAC, VIRTUAL4, VIRTUAL6 = "00:00:5e:00:01:07", "10.0.1.200", "fd00:1::200"
FURTHER4, FURTHER6 = "10.0.1.210", "fd00:1::210"


class Virtual(Site):
    """Two hosts with a port each that may hold the virtual address, one more that may not, and one that listens."""

    def __init__(self) -> None:
        world = Northern(hosts=2, six=True)
        world.network(1)
        world.router(1, [1])
        self.ports = {}
        for number, (name, host) in enumerate((("one", 1), ("two", 2), ("other", 1), ("listener", 1)), 1):
            mac = f"fa:16:3e:01:00:{number:02x}"
            virtual = [(VIRTUAL_MAC, VIRTUAL4), (VIRTUAL_MAC, VIRTUAL6), (mac, FURTHER4), (mac, FURTHER6)]
            self.ports[name] = world.port(1, host, pairs=virtual if name in ("one", "two") else [])
        super().__init__(world)
        self.start(self.ports.values())

    who = Range.who
    arrived = Range.arrived
    place = Range.place


@pytest.fixture(scope="module")
def virtual() -> Iterator[Virtual]:
    """The site."""
    with Virtual() as made:
        yield made


def _pair_frames(me: Who, to: Who) -> dict[str, Packet | bytes]:
    """By name, what a port that holds the virtual address says."""
    vmac = Ether(src=VIRTUAL_MAC, dst=to.mac)
    own = Ether(src=me.mac, dst=to.mac)
    group, group6 = "01:00:5e:00:00:12", "33:33:00:00:00:12"
    vrrp = VRRPv3(vrid=7, addrlist=[VIRTUAL4])
    udp_ = UDP(sport=4000, dport=4001)
    local = link_local(VIRTUAL_MAC)
    return {
        "vrrp from the virtual MAC": Ether(src=VIRTUAL_MAC, dst=group)
        / IP(src=me.v4, dst="224.0.0.18", ttl=255)
        / vrrp,
        "vrrp from the own MAC": Ether(src=me.mac, dst=group) / IP(src=me.v4, dst="224.0.0.18", ttl=255) / vrrp,
        "vrrp6 from the virtual MAC": Ether(src=VIRTUAL_MAC, dst=group6)
        / IPv6(src=local, dst="ff02::12", nh=112, hlim=255)
        / Raw(b"1\7d\1\0d\0\0"),
        "vrrp6 from the virtual MAC and the own link-local": Ether(src=VIRTUAL_MAC, dst=group6)
        / IPv6(src=me.local, dst="ff02::12", nh=112, hlim=255)
        / Raw(b"1\7d\1\0d\0\0"),
        "udp from the virtual address": vmac / IP(src=VIRTUAL4, dst=to.v4) / udp_,
        "udp6 from the virtual address": vmac / IPv6(src=VIRTUAL6, dst=to.v6) / udp_,
        "udp from the further address": own / IP(src=FURTHER4, dst=to.v4) / udp_,
        "udp6 from the further address": own / IPv6(src=FURTHER6, dst=to.v6) / udp_,
        "udp from the virtual address and the own MAC": own / IP(src=VIRTUAL4, dst=to.v4) / udp_,
        "gratuitous arp of the virtual address at the own MAC": gratuitous_arp(me.mac, VIRTUAL4),
        "gratuitous arp of the virtual address": gratuitous_arp(VIRTUAL_MAC, VIRTUAL4),
        "gratuitous arp of the further address": gratuitous_arp(me.mac, FURTHER4),
        "advertisement of the virtual address": unsolicited_advertisement(VIRTUAL_MAC, VIRTUAL6),
        "advertisement of the further address": unsolicited_advertisement(me.mac, FURTHER6),
    }


def _wrong_frames(me: Who, to: Who) -> dict[str, Packet | bytes]:
    """By name, what even a port with those pairs must not say: a pair's MAC goes with the pair's address."""
    udp_ = UDP(sport=4000, dport=4001)
    vmac = Ether(src=VIRTUAL_MAC, dst=to.mac)
    return {
        "the further address from the virtual MAC": vmac / IP(src=FURTHER4, dst=to.v4) / udp_,
        "the further address is at the virtual MAC": gratuitous_arp(VIRTUAL_MAC, FURTHER4),
        "the victim's address from the virtual MAC": vmac / IP(src=to.v4, dst=to.v4) / udp_,
        "the victim's address is at the virtual MAC": gratuitous_arp(VIRTUAL_MAC, to.v4),
    }


def _octets(frames: dict[str, Packet | bytes]) -> dict[str, bytes]:
    return {name: bytes(frame) for name, frame in frames.items()}


@pytest.mark.parametrize("name", ["one", "two"])
def test_a_port_with_pairs_speaks_as_they_say(virtual: Virtual, name: str) -> None:
    """Those that say that an address moved are heard on the other host too."""
    frames = _octets(_pair_frames(virtual.who(name), virtual.who("listener")))
    assert virtual.arrived(name, "listener", frames) == frames.keys()


def test_a_port_with_pairs_says_nothing_else(virtual: Virtual) -> None:
    frames = _octets(_wrong_frames(virtual.who("one"), virtual.who("listener")))
    assert virtual.arrived("one", "listener", frames) == set()


def test_a_port_without_those_pairs_is_not_believed(virtual: Virtual) -> None:
    me, to = virtual.who("other"), virtual.who("listener")
    frames = _octets({**_pair_frames(me, to), **_wrong_frames(me, to)})
    assert virtual.arrived("other", "listener", frames) == {"vrrp from the own MAC"}


def test_only_what_passes_its_port_is_copied_to_other_hosts(virtual: Virtual) -> None:
    """A claim of another's address is not made known by the copy that tells of a move."""
    claimed, me = virtual.who("other"), virtual.who("one")
    far = virtual.place("two")
    with heard(far) as sock:
        frames = {"claim": gratuitous_arp(me.mac, claimed.v4), "good": gratuitous_arp(VIRTUAL_MAC, VIRTUAL4)}
        frames["claim of a pair"] = gratuitous_arp(claimed.mac, VIRTUAL4)
        virtual.arrived("one", "two", frames)
        heard_arp = [octets for octets in waiting(sock) if octets[12:14] == b"\x08\x06"]
    assert {socket.inet_ntoa(octets[28:32]) for octets in heard_arp} <= {VIRTUAL4}


def test_the_site_holds_what_was_compiled(virtual: Virtual) -> None:
    virtual.settled()
