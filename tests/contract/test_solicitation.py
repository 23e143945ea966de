"""Router solicitations as a guard's rule hands them over."""

from collections.abc import Iterator

import pytest
from scapy.layers.inet6 import ICMPv6ND_RA, ICMPv6ND_RS, ICMPv6NDOptSrcLLAddr, IPv6

from onehop.errors import KernelError
from onehop.kernel.solicitation import Solicitations
from onehop.net import naming
from onehop.net.address import link_local
from onehop.net.advertisement import Solicitation
from tests.advertising import NETWORK
from tests.contract.hosts import LinuxHost

pytestmark = pytest.mark.root

GUEST = "fa:16:3e:01:00:01"
TABLE = f"""table netdev onehop-test {{
    chain in {{
        type filter hook ingress device "br0" priority filter; policy drop;
        icmpv6 type nd-router-solicit log prefix "{NETWORK}" group {naming.SOLICITATIONS}
    }}
}}"""
ASKED = IPv6(src=link_local(GUEST), dst="ff02::2", hlim=255) / ICMPv6ND_RS() / ICMPv6NDOptSrcLLAddr(lladdr=GUEST)


@pytest.fixture
def linux() -> Iterator[LinuxHost]:
    """A bridge with a guest's tap, whose guard hands solicitations over."""
    host = LinuxHost()
    try:
        for command in (
            "link add br0 type bridge mcast_snooping 0",
            f"link add tap0 type veth peer name eth0 address {GUEST}",
            "link set tap0 master br0 up",
            "link set br0 up",
            "link set eth0 addrgenmode none",
            f"addr add {link_local(GUEST)}/64 dev eth0 nodad",
            "link set eth0 up",
        ):
            host.run("", "ip", *command.split())
        host.run("", "nft", "-f", "-", stdin=TABLE)
        yield host
    finally:
        host.close()


def _heard(host: LinuxHost, *packets: IPv6) -> set[Solicitation]:
    def ask() -> set[Solicitation]:
        found: set[Solicitation] = set()
        heard = Solicitations()
        try:
            for packet in packets:
                host.kernel.emit("", "eth0", [bytes(packet)])
                found |= heard.read()
            return found
        finally:
            heard.close()

    return host.inside(ask)


def test_who_asks_on_a_bridge_is_heard_at_once_with_its_network(linux: LinuxHost) -> None:
    assert _heard(linux, ASKED) == {Solicitation(NETWORK, link_local(GUEST))}


def test_many_are_heard(linux: LinuxHost) -> None:
    many = [
        IPv6(src=f"fe80::{n:x}", dst="ff02::2", hlim=255) / ICMPv6ND_RS() / ICMPv6NDOptSrcLLAddr(lladdr=GUEST)
        for n in range(1, 50)
    ]
    assert _heard(linux, *many) == {Solicitation(NETWORK, f"fe80::{n:x}") for n in range(1, 50)}


def test_what_is_not_valid_is_not_heard(linux: LinuxHost) -> None:
    routed = ASKED.copy()
    routed.hlim = 64
    assert _heard(linux, routed, IPv6(src=link_local(GUEST), dst="ff02::1", hlim=255) / ICMPv6ND_RA()) == set()


def test_a_group_that_another_process_reads_is_an_error_that_says_so(linux: LinuxHost) -> None:
    def twice() -> None:
        first = Solicitations()
        try:
            Solicitations().close()
        finally:
            first.close()

    with pytest.raises(KernelError, match="another process reads group"):
        linux.inside(twice)
