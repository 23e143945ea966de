"""Links of guests, and what they cannot take away."""

from collections.abc import Iterator

import pytest

from onehop.objects import BridgeFdb, BridgePort, Link, Veth
from onehop.reconciler.plan import Create, Plan
from tests.contract.hosts import LinuxHost

pytestmark = pytest.mark.root

GATEWAY = "fa:16:3e:00:00:01"
GUEST = "fa:16:3e:01:00:01"
LEARNING = BridgePort(learning=True, flood=True)


def _end(name: str, far: str, mac: str | None, port: BridgePort) -> Link:
    return Link(
        namespace="",
        name=name,
        spec=Veth(peer_namespace="", peer_name=far, peer_mac=mac),
        alias=f"onehop net/1 port/{name}",
        mtu=1450,
        master="br0",
        port=port,
    )


@pytest.fixture
def linux() -> Iterator[LinuxHost]:
    """A bridge with a leg, and with a guest on a port that learns."""
    host = LinuxHost()
    try:
        host.run("", "ip", "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        host.run("", "ip", "link", "set", "br0", "up")
        leg, tap = _end("hr0", "qr0", None, BridgePort()), _end("tap0", "eth0", GUEST, LEARNING)
        entry = BridgeFdb(namespace="", bridge="br0", mac=GATEWAY, port="hr0")
        report = host.kernel.execute(Plan((Create(leg), Create(tap), Create(entry))))
        assert not report.failed, report.failed
        yield host
    finally:
        host.close()


def test_an_entry_stays_though_somebody_else_sends_with_its_mac_on_a_port_that_learns(linux: LinuxHost) -> None:
    for name in ("qr0", "eth0"):
        linux.run("", "ip", "link", "set", name, "up")
    linux.run("", "ip", "link", "set", "eth0", "address", GATEWAY)
    linux.run("", "ip", "addr", "add", "192.0.2.1/24", "dev", "eth0")
    linux.run("", "arping", "-c", "2", "-w", "1", "-A", "-I", "eth0", "192.0.2.1")
    assert int(linux.run("", "cat", "/proc/net/dev").partition("tap0:")[2].split()[1]) > 0
    entries = [line for line in linux.run("", "bridge", "fdb", "show", "br", "br0").splitlines() if GATEWAY in line]
    assert [line.split()[2] for line in entries if "master br0" in line] == ["hr0"]


def test_a_guests_end_makes_its_own_ipv6_addresses_and_a_legs_does_not(linux: LinuxHost) -> None:
    assert "addrgenmode eui64" in linux.run("", "ip", "-d", "link", "show", "eth0")
    for name in ("tap0", "hr0", "qr0"):
        assert "addrgenmode none" in linux.run("", "ip", "-d", "link", "show", name)
