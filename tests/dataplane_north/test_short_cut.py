"""The short cut: established flows pass by the rules, look like those that do not, and end when anything changes."""

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from onehop.net import naming
from onehop.net.address import pack
from onehop.objects.conntrack import Translations
from onehop.objects.way import Shortened, Side, Way
from tests.dataplane.capture import Frame
from tests.dataplane.site import until
from tests.dataplane_north.echo import PORT, checksum, connected, echoes
from tests.dataplane_north.site import OUTSIDE
from tests.dataplane_north.stage import OUT, A, B, C, Stage
from tests.dataplane_north.wire import RST, Watcher, emit, ipv4, send, udp_segment, watched
from tests.northern import router_of

pytestmark = pytest.mark.root


def counted(stage: Stage, host: int = A) -> Shortened:
    """What went which way on a host, once all links that should have the short cut have it."""
    kernel = stage.machines[stage.world.host(host)].kernel
    kernel.settle_ways()
    found = kernel.shortened()
    assert found is not None
    return found


@contextmanager
def asked(stage: Stage, caller: str, target: str) -> Iterator[Callable[[bytes], bytes | None]]:
    """Ask over UDP by one socket, as often as one likes; None where nobody answers within a second."""
    with stage.at(caller).inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        sock.settimeout(1.0)
        sock.connect((target, PORT))

        def ask(octets: bytes) -> bytes | None:
            sock.send(octets)
            try:
                return sock.recv(65536).partition(b"\n")[2]
            except (TimeoutError, ConnectionRefusedError):
                return None

        yield ask


HOSTS = {"a1": A, "a2": A, "b2": B, "c1": C}
WALKS = {
    "out by a floating IP": ("a1", OUTSIDE),
    "out by SNAT": ("a2", OUTSIDE),
    "in by a floating IP": ("outside", "203.0.113.101"),
    "out by SNAT, answers by the owner": ("b2", OUTSIDE),
    "to an instance of another network": ("a1", "a3"),
    "to an instance of the same network": ("a1", "a2"),
}


def called(stage: Stage, target: str) -> str:
    """An address, also where an instance is named."""
    return stage.ports[target].fixed_ips[0].ip_address if target in stage.ports else target


@pytest.mark.parametrize("walk", WALKS)
def test_all_but_few_packets_of_an_established_udp_flow_go_the_short_way(owned_by_a: Stage, walk: str) -> None:
    caller, target = WALKS[walk]
    host = HOSTS.get(caller, A)
    before = counted(owned_by_a, host)
    with asked(owned_by_a, caller, called(owned_by_a, target)) as ask:
        for number in range(200):
            word = number.to_bytes(4, "big") * 50
            assert ask(word) == word
    after = counted(owned_by_a, host)
    # Both directions; now and then one goes the long way, also because the machine stood still for a second.
    assert after.short - before.short >= 300
    assert after.learnt - before.learnt >= 2


@pytest.mark.parametrize("walk", WALKS)
def test_tcp_goes_the_short_way_unharmed_and_ends_as_it_should(owned_by_a: Stage, walk: str) -> None:
    caller, target = WALKS[walk]
    host = HOSTS.get(caller, A)
    before = counted(owned_by_a, host)
    with connected(owned_by_a.at(caller), called(owned_by_a, target)) as sock:
        for size in (1, 100, 1400, 1500, 20_000, 300_000):
            assert echoes(sock, bytes(range(256)) * (size // 256 + 1))
        sock.shutdown(socket.SHUT_WR)
        sock.settimeout(2)
        while sock.recv(65536):
            pass
    assert counted(owned_by_a, host).short - before.short >= 20


@pytest.mark.parametrize("walk", WALKS)
def test_a_reset_after_much_data_that_tracking_did_not_see_arrives(owned_by_a: Stage, walk: str) -> None:
    caller, target = WALKS[walk]
    host = HOSTS.get(caller, A)
    far = owned_by_a.at("a1") if caller == "outside" else owned_by_a.at(target if target in owned_by_a.ports else OUT)
    with connected(owned_by_a.at(caller), called(owned_by_a, target)) as sock:
        before = counted(owned_by_a, host)
        for _ in range(10):
            assert echoes(sock, bytes(1_000_000))
        assert counted(owned_by_a, host).short - before.short >= 50
        with watched(far, "eth0") as seen:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, (1).to_bytes(4, "little") + bytes(4))
            sock.close()
            assert until(lambda: any(_resets(frame) for frame in seen.read()), 2)


def _resets(frame: Frame) -> bool:
    return frame.kind == "ip" and frame.octets[23] == socket.IPPROTO_TCP and bool(frame.octets[47] & RST)


def _packet(kind: str, source: str, ttl: int = 40) -> bytes:
    """Towards the outside; all of a kind belong to one flow."""
    if kind == "echo":
        body = struct.pack("!BBHHH", 8, 0, 0, 77, 1) + b"over and over"
        body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
        packet = ipv4(source, OUTSIDE, socket.IPPROTO_ICMP, body, ttl)
    else:
        segment = udp_segment(5353, 5354, b"over and over")
        if kind == "udp":
            pseudo = pack(source) + pack(OUTSIDE) + struct.pack("!BBH", 0, socket.IPPROTO_UDP, len(segment))
            segment = segment[:6] + struct.pack("!H", checksum(pseudo + segment)) + segment[8:]
        packet = ipv4(source, OUTSIDE, socket.IPPROTO_UDP, segment, ttl)
    # Type of service and number as well: the kernel would make the number up.
    return packet[:1] + b"\xb8" + packet[2:4] + b"\x12\x34" + packet[6:]


def _towards(target: str, packet: bytes) -> bytes:
    """The same to somebody else; the kernel makes the header's checksum up."""
    packet = packet[:16] + pack(target) + packet[20:]
    if packet[9] != socket.IPPROTO_UDP or packet[26:28] == bytes(2):
        return packet
    pseudo = packet[12:20] + struct.pack("!BBH", 0, socket.IPPROTO_UDP, len(packet) - 20)
    whole = checksum(pseudo + packet[20:26] + bytes(2) + packet[28:])
    return packet[:26] + struct.pack("!H", whole) + packet[28:]


@pytest.mark.parametrize("caller", ["a1", "a2"])
@pytest.mark.parametrize("kind", ["udp", "udp without a checksum", "echo"])
def test_a_packet_looks_the_same_whichever_way_it_took(owned_by_a: Stage, caller: str, kind: str) -> None:
    source = owned_by_a.ports[caller].fixed_ips[0].ip_address
    packet = _packet(kind, source)
    with watched(owned_by_a.outside, "eth0") as seen:
        before = counted(owned_by_a)
        for number in range(1, 6):
            send(owned_by_a.at(caller), packet)
            assert until(lambda number=number: len(_from_us(seen)) == number, 2)
        after = counted(owned_by_a)
        looks = {frame.octets for frame in _from_us(seen)}
    assert after.short - before.short >= 3
    assert len(looks) == 1, [look.hex() for look in looks]
    (octets,) = looks
    assert octets[15] == 0xB8
    assert octets[22] == 38, "the router and upstream take one each"
    assert checksum(octets[14:34]) == 0
    if kind != "echo":
        pseudo = octets[26:34] + struct.pack("!BBH", 0, socket.IPPROTO_UDP, len(octets) - 34)
        assert octets[40:42] == bytes(2) or checksum(pseudo + octets[34:]) == 0
        assert (octets[40:42] == bytes(2)) == (kind == "udp without a checksum")
    else:
        assert checksum(octets[34:]) == 0


def _from_us(seen: Watcher) -> list[Frame]:
    return [f for f in seen.read() if f.kind == "ip" and f.target == OUTSIDE and b"over and over" in f.octets]


@pytest.mark.parametrize("target", ["a3", "a2"])
@pytest.mark.parametrize("kind", ["udp", "udp without a checksum", "echo"])
def test_what_goes_to_another_instance_here_looks_the_same_whichever_way_it_took(
    owned_by_a: Stage, kind: str, target: str
) -> None:
    """Routed it has lost one of its time to live, within a network it is as it was sent."""
    source, there = (called(owned_by_a, name) for name in ("a1", target))
    packet = _towards(there, _packet(kind, source))
    with watched(owned_by_a.at(target), "eth0") as seen:

        def came() -> list[Frame]:
            return [f for f in seen.read() if f.kind == "ip" and f.target == there and b"over and over" in f.octets]

        before = counted(owned_by_a)
        for number in range(1, 6):
            send(owned_by_a.at("a1"), packet)
            assert until(lambda number=number: len(came()) == number, 2)
        after = counted(owned_by_a)
        looks = {frame.octets for frame in came()}
    assert after.short - before.short >= 3
    assert len(looks) == 1, [look.hex() for look in looks]
    (octets,) = looks
    assert octets[:6].hex(":") == owned_by_a.ports[target].mac_address
    assert octets[22] == (39 if target == "a3" else 40)
    assert octets[34:] == packet[20:]
    assert checksum(octets[14:34]) == 0


@pytest.mark.parametrize("kind", ["udp", "udp without a checksum", "echo"])
def test_what_the_owner_steers_looks_the_same_whichever_way_it_took(owned_by_a: Stage, kind: str) -> None:
    """To a floating IP on a host without an external leg: in by the transit leg, out by the leg inside."""
    inside = owned_by_a.ports["c1"].fixed_ips[0].ip_address
    packet = _towards("203.0.113.104", _packet(kind, OUTSIDE))
    with watched(owned_by_a.at("c1"), "eth0") as seen:

        def came() -> list[Frame]:
            return [f for f in seen.read() if f.kind == "ip" and f.target == inside and b"over and over" in f.octets]

        before = counted(owned_by_a, C)
        for number in range(1, 6):
            send(owned_by_a.outside, packet)
            assert until(lambda number=number: len(came()) == number, 2)
        after = counted(owned_by_a, C)
        looks = {frame.octets for frame in came()}
    assert after.short - before.short >= 3
    assert len(looks) == 1, [look.hex() for look in looks]
    (octets,) = looks
    assert checksum(octets[14:34]) == 0
    if kind == "echo":
        assert checksum(octets[34:]) == 0
    else:
        pseudo = octets[26:34] + struct.pack("!BBH", 0, socket.IPPROTO_UDP, len(octets) - 34)
        assert octets[40:42] == bytes(2) or checksum(pseudo + octets[34:]) == 0
        assert (octets[40:42] == bytes(2)) == (kind == "udp without a checksum")


def test_what_lives_too_short_is_answered_although_its_flow_is_established(owned_by_a: Stage) -> None:
    source = owned_by_a.ports["a1"].fixed_ips[0].ip_address
    with watched(owned_by_a.outside, "eth0") as outside, watched(owned_by_a.at("a1"), "eth0") as inside:
        before = counted(owned_by_a)
        for number in range(1, 5):
            send(owned_by_a.at("a1"), _packet("udp", source))
            assert until(lambda number=number: len(_from_us(outside)) == number, 2)
        assert counted(owned_by_a).short > before.short
        send(owned_by_a.at("a1"), _packet("udp", source, ttl=1))
        # ICMP type 11: time exceeded, from the router's own leg.
        assert until(lambda: any(f.kind == "ip" and f.octets[23] == 1 and f.octets[34] == 11 for f in inside.read()), 2)
        assert len(_from_us(outside)) == 4


@pytest.mark.parametrize("what", ["another MAC", "another instance"])
def test_an_established_flow_opens_nothing_to_who_pretends_to_be_in_it(owned_by_a: Stage, what: str) -> None:
    port = owned_by_a.ports["a2"]
    packet = _packet("udp", port.fixed_ips[0].ip_address)
    (gateway,) = (leg for leg in owned_by_a.world.topology().legs_on(port.network_id))
    leg = gateway.mac_address
    frame = bytes.fromhex((leg + port.mac_address).replace(":", "")) + b"\x08\x00"
    whole = packet[:2] + struct.pack("!H", len(packet)) + packet[4:10] + bytes(2) + packet[12:]
    whole = whole[:10] + struct.pack("!H", checksum(whole[:20])) + whole[12:]
    with watched(owned_by_a.outside, "eth0") as seen:
        before = counted(owned_by_a)
        for number in range(1, 6):
            emit(owned_by_a.at("a2"), "eth0", frame + whole)
            assert until(lambda number=number: len(_from_us(seen)) == number, 2)
        assert counted(owned_by_a).short > before.short
        if what == "another MAC":
            emit(owned_by_a.at("a2"), "eth0", frame[:6] + bytes.fromhex("021122334455") + frame[12:] + whole)
        else:
            emit(owned_by_a.at("c1"), "eth0", frame + whole)
            emit(owned_by_a.at("b2"), "eth0", frame + whole)
        # What is sent after it and arrives is a witness that time enough was left.
        emit(owned_by_a.at("a2"), "eth0", frame + whole)
        assert until(lambda: len(_from_us(seen)) >= 6, 2)
        assert len(_from_us(seen)) == 6


@pytest.mark.parametrize(("caller", "leg"), [("a1", "qr-*"), ("b2", "qt-*")])
def test_who_changes_the_rules_by_hand_is_obeyed_by_established_flows(owned_by_a: Stage, caller: str, leg: str) -> None:
    """What goes out from an instance, and what comes back by the owner."""
    host = HOSTS[caller]
    router = owned_by_a.router(owned_by_a.world.host(host))
    with asked(owned_by_a, caller, OUTSIDE) as ask:
        before = counted(owned_by_a, host)
        for _ in range(20):
            assert ask(b"hello") == b"hello"
        assert counted(owned_by_a, host).short - before.short >= 30
        chain = "{ type filter hook forward priority 10; }"
        router.run(
            "nft add table ip stranger",
            f"nft 'add chain ip stranger no {chain}'",
            f"nft 'add rule ip stranger no iifname {leg} drop'",
        )
        try:
            assert until(lambda: ask(b"no more") is None, 3)
        finally:
            router.run("nft delete table ip stranger")
        assert until(lambda: ask(b"again") == b"again", 3)


@pytest.mark.parametrize("called", ["a1", "c1"])
def test_what_is_changed_holds_for_established_flows_at_once(owned_by_a: Stage, called: str) -> None:
    """An instance's floating IP is taken from it, and its connection is forgotten; also where the owner steers."""
    stage, host = owned_by_a, HOSTS[called]
    floating = stage.floating[called]
    with asked(stage, "outside", floating.address) as ask:
        before = counted(stage, host)
        for _ in range(20):
            assert ask(b"hello") == b"hello"
        assert counted(stage, host).short - before.short >= 10
        stage.world.change(floating.id, port_id=None, fixed_ip=None)
        stage.apply()
        namespace = naming.router_namespace(router_of(stage.world, 1).id)
        assert stage.machines[stage.world.host(host)].kernel.cut(namespace, Translations()) >= 1
        try:
            with watched(stage.at(called), "eth0") as seen:
                assert ask(b"no more") is None
                assert not [f for f in seen.read() if b"no more" in f.octets]
        finally:
            stage.world.change(floating.id, port_id=floating.port_id, fixed_ip=floating.fixed_ip)
            stage.apply()
        assert until(lambda: ask(b"again") == b"again", 5)


def test_nothing_is_learnt_between_links_that_no_router_joins(owned_by_a: Stage) -> None:
    """As if another tenant's instance had the same address, and its packet the same slot."""
    machine = owned_by_a.machines[owned_by_a.world.host(A)]
    before = counted(owned_by_a)
    tap = naming.tap(owned_by_a.ports["a1"].id)
    with asked(owned_by_a, "a1", OUTSIDE) as ask:
        for _ in range(20):
            assert ask(b"hello") == b"hello"
        joined = counted(owned_by_a)
        assert joined.short - before.short >= 10
        mac, mtu = owned_by_a.ports["a1"].mac_address, 1450
        machine.kernel.shorten({("", tap): Way(Side.TAP, mac, mtu, realm=1)})
        machine.kernel.settle_ways()
        apart = counted(owned_by_a)
        for _ in range(20):
            assert ask(b"hello") == b"hello"
        assert counted(owned_by_a).short == apart.short
        owned_by_a.apply()
        for _ in range(20):
            assert ask(b"hello") == b"hello"
        assert counted(owned_by_a).short > apart.short


def test_flows_go_on_when_the_short_cut_ends(owned_by_a: Stage) -> None:
    machine = owned_by_a.machines[owned_by_a.world.host(A)]
    with asked(owned_by_a, "a1", OUTSIDE) as ask, connected(owned_by_a.at("a2"), OUTSIDE) as sock:
        before = counted(owned_by_a)
        for _ in range(20):
            assert ask(b"hello") == b"hello"
            assert echoes(sock, bytes(100_000))
        bound = machine.kernel.settle_ways()
        assert bound
        assert counted(owned_by_a).short > before.short
        machine.kernel.shorten(dict.fromkeys(bound))
        assert not machine.kernel.settle_ways()
        ended = machine.kernel.shortened()
        for _ in range(20):
            assert ask(b"hello") == b"hello"
            assert echoes(sock, bytes(100_000))
        assert machine.kernel.shortened() == ended
    owned_by_a.apply()
    assert machine.kernel.settle_ways() == bound


def test_tcp_takes_the_long_way_where_tracking_wants_every_sequence_number(owned_by_a: Stage) -> None:
    machine = owned_by_a.machines[owned_by_a.world.host(A)]
    machine.place.write([("netfilter/nf_conntrack_tcp_be_liberal", "0")])
    try:
        owned_by_a.apply()
        before = counted(owned_by_a)
        with connected(owned_by_a.at("a1"), OUTSIDE) as sock:
            for _ in range(20):
                assert echoes(sock, bytes(100_000))
        assert counted(owned_by_a).short == before.short
        with asked(owned_by_a, "a1", OUTSIDE) as ask:
            for _ in range(20):
                assert ask(b"hello") == b"hello"
        assert counted(owned_by_a).short > before.short
    finally:
        machine.place.write([("netfilter/nf_conntrack_tcp_be_liberal", "1")])
        owned_by_a.apply()
