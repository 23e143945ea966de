"""Frames that announce, and connections that are cut."""

import socket
from collections.abc import Iterator

import pytest

from onehop.errors import KernelError
from onehop.kernel import syscall
from onehop.kernel.base import Kernel
from onehop.net.address import link_local
from onehop.net.advertisement import advertised
from onehop.net.announcement import gratuitous_arp
from onehop.objects.conntrack import Translations
from onehop.reconciler.plan import Create, Plan
from tests.advertising import said
from tests.contract import things
from tests.contract.hosts import LinuxHost, in_new_namespace

GUEST = "fa:16:3e:01:00:01"
ETHERTYPE_IPV6 = 0x86DD
FIP, FIXED, OUTSIDE = "203.0.113.50", "10.0.1.10", "198.51.100.10"


@pytest.fixture
def linux() -> Iterator[LinuxHost]:
    """A host that is Linux, with a router's namespace."""
    host = LinuxHost()
    try:
        host.kernel.execute(Plan((Create(things.namespace),)))
        yield host
    finally:
        host.close()


def _insert(host: LinuxHost, sport: int, *translation: str) -> None:
    """A tracked connection from outside to the floating IP."""
    begun = ["-s", OUTSIDE, "-d", FIP, "-p", "tcp", "--sport", str(sport), "--dport", "22"]
    words = ["conntrack", "-I", *begun, "--state", "ESTABLISHED", "-t", "600", *translation]
    host.run(things.ROUTER, *words)


def _tracked(host: LinuxHost) -> str:
    return host.run(things.ROUTER, "conntrack", "-L")


@pytest.mark.root
def test_a_connection_of_a_translation_that_is_gone_is_cut_and_others_go_on(linux: LinuxHost) -> None:
    _insert(linux, 4000, "--dst-nat", FIXED)
    _insert(linux, 4001, "--dst-nat", "10.0.1.11")
    _insert(linux, 4002)
    assert linux.kernel.cut(things.ROUTER, Translations(whole=frozenset({(FIP, FIXED)}))) == 1
    left = _tracked(linux)
    assert "sport=4000" in left
    assert "sport=4001" not in left
    assert "sport=4002" in left
    assert linux.kernel.cut(things.ROUTER, Translations(whole=frozenset({(FIP, FIXED)}))) == 0


@pytest.mark.root
def test_an_announcement_leaves_by_its_link_as_it_was_given(linux: LinuxHost) -> None:
    linux.run("", "ip", "link", "add", "near", "type", "veth", "peer", "name", "far")
    for name in ("near", "far"):
        linux.run("", "ip", "link", "set", name, "up")
    frame = gratuitous_arp("fa:16:3e:00:00:01", FIP)

    def listen() -> socket.socket:

        syscall.setns(linux.descriptor)
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
        raw.bind(("far", 0x0806))
        raw.settimeout(5)
        return raw

    with in_new_namespace(listen) as raw:
        linux.kernel.announce("", "near", [frame])
        assert raw.recv(2048)[:42] == frame[:42]


def test_what_cannot_be_announced_is_an_error(kernel: Kernel) -> None:
    with pytest.raises(KernelError):
        kernel.announce("qrouter-none", "qg-none", [b""])


def test_a_namespace_that_is_not_there_has_no_connections(kernel: Kernel) -> None:
    assert kernel.cut("qrouter-none", Translations()) == 0


@pytest.mark.root
def test_a_packet_leaves_by_its_link_from_the_links_mac_to_the_one_it_is_for(linux: LinuxHost) -> None:
    linux.run("", "ip", "link", "add", "near", "type", "veth", "peer", "name", "far")
    linux.run("", "ip", "link", "set", "near", "addrgenmode", "none")
    linux.run("", "ip", "addr", "add", f"{link_local(said().mac)}/64", "dev", "near", "nodad")
    for name in ("near", "far"):
        linux.run("", "ip", "link", "set", name, "up")
    linux.run("", "ip", "neigh", "replace", link_local(GUEST), "dev", "near", "lladdr", GUEST)
    everybody, one = advertised(said()), advertised(said(), link_local(GUEST))

    def heard() -> list[bytes]:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE_IPV6)) as raw:
            raw.bind(("far", ETHERTYPE_IPV6))
            raw.settimeout(5)
            linux.kernel.emit("", "near", [everybody, one])
            frames: list[bytes] = []
            while len(frames) < 2:
                frame = raw.recv(2048)
                frames += [frame] if frame[54] == 134 else []
            return frames

    found = linux.inside(heard)
    mac = linux.run("", "ip", "-o", "link", "show", "near")
    assert [frame[14:] for frame in found] == [everybody, one]
    assert [frame[:6].hex(":") for frame in found] == ["33:33:00:00:00:01", GUEST]
    assert all(frame[6:12].hex(":") in mac for frame in found)


@pytest.mark.root
def test_a_packet_by_a_link_that_is_not_there_is_an_error(linux: LinuxHost) -> None:
    with pytest.raises(KernelError, match="nothing can be sent by gone"):
        linux.kernel.emit("", "gone", [advertised(said())])
    with pytest.raises(KernelError, match="there is no namespace"):
        linux.kernel.emit("qrouter-gone", "gone", [advertised(said())])
