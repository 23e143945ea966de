"""ICMP errors find their way, and come from addresses that the receiver may know: walks 6 and 8."""

import errno
import socket
import struct

import pytest

from onehop.net.address import unpack
from tests.dataplane_north.echo import PORT, ping, tcp
from tests.dataplane_north.places import Place
from tests.dataplane_north.site import FAR, OUTSIDE
from tests.dataplane_north.stage import FLOATING, FORWARDED, GATEWAY, INSTANCES, OUT, VIRTUAL, A, B, Stage
from tests.dataplane_north.wire import ipv4, send, udp_segment
from tests.northern import UPSTREAM

pytestmark = pytest.mark.root

_DO, _MTU_DISCOVER, _MTU = 2, 10, 14
_RECVERR = 11


def refused(place: Place, target: str, port: int) -> bool:
    """Whether a closed UDP port is said to be closed."""
    sock = place.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    with sock:
        sock.settimeout(2.0)
        sock.connect((target, port))
        sock.send(b"x")
        try:
            sock.recv(10)
        except OSError as error:
            return error.errno == errno.ECONNREFUSED
        return False


def _hops(place: Place, own: str, target: str, longest: int = 6, protocol: int = 17) -> list[tuple[str, str, str]]:
    """By time to live: who said that it was over, and of which packet (source and destination that it quoted)."""
    found = []
    with place.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)) as sock:
        sock.settimeout(1.0)
        for ttl in range(1, longest + 1):
            body = udp_segment(40000 + ttl, 33434) if protocol == 17 else _echo(ttl)
            send(place, ipv4(own, target, protocol, body, ttl))
            try:
                while True:
                    packet, peer = sock.recvfrom(2000)
                    kind, quoted = packet[20], packet[28:]
                    if kind == 0 and protocol == 1 and packet[24:28] == body[4:8]:
                        return [*found, (peer[0], own, target)]
                    if kind in (3, 11) and quoted[20:22] == body[:2] and unpack(quoted[16:20]) == target:
                        break
            except TimeoutError:
                found.append(("*", "", ""))
                continue
            found.append((peer[0], unpack(quoted[12:16]), unpack(quoted[16:20])))
            if peer[0] == target or kind == 3:
                break
    return found


def _echo(number: int) -> bytes:
    return struct.pack("!BBHHH", 8, 0, 0xF7FF - 7000 - number, 7000, number)


@pytest.fixture(params=[A, B], ids=["owner-a", "owner-b"])
def owned(stage: Stage, request: pytest.FixtureRequest) -> Stage:
    """The stage, owned by A and then by B."""
    stage.own(request.param)
    return stage


@pytest.mark.parametrize("caller", [*INSTANCES, OUT])
def test_a_closed_port_is_refused_at_once(owned: Stage, caller: str) -> None:
    targets = [*(f"203.0.113.{last}" for last in FLOATING.values()), VIRTUAL]
    if caller != OUT:
        targets.append(OUTSIDE)
    for target in targets:
        assert refused(owned.at(caller), target, 9), f"{caller} to {target}"


@pytest.mark.parametrize("target", [*FLOATING.values(), 110])
def test_a_trace_from_outside_sees_only_external_addresses(owned: Stage, target: int) -> None:
    address = f"203.0.113.{target}"
    hops = _hops(owned.outside, OUTSIDE, address)
    assert hops[-1] == (address, OUTSIDE, address), hops
    assert hops[0][0] == FAR
    assert {hop for hop, _, _ in hops[1:]} <= {address, GATEWAY}, hops
    assert {(source, quoted) for _, source, quoted in hops} == {(OUTSIDE, address)}, hops


@pytest.mark.parametrize("protocol", [1, 17])
@pytest.mark.parametrize("caller", INSTANCES)
def test_a_trace_from_an_instance_sees_every_hop(owned: Stage, caller: str, protocol: int) -> None:
    own = owned.ports[caller].fixed_ips[0].ip_address
    hops = _hops(owned.at(caller), own, OUTSIDE, protocol=protocol)
    gateway = own.rpartition(".")[0] + ".1"
    middle = [GATEWAY] if caller.startswith("c") else []
    assert [hop for hop, _, _ in hops] == [gateway, *middle, UPSTREAM, OUTSIDE]
    assert {(source, target) for _, source, target in hops} == {(own, OUTSIDE)}


@pytest.mark.parametrize("caller", INSTANCES)
def test_tcp_learns_the_mtu_of_a_path_behind_translation(owned: Stage, caller: str) -> None:
    place = owned.at(caller)
    with owned.narrow(place):
        answer = tcp(place, OUTSIDE, octets=bytes(100_000))
        assert answer is not None
        assert len(answer.octets) == 100_000
        assert "mtu 1300" in place.run(f"ip route get {OUTSIDE}")


def _mtu_towards(place: Place, target: str, port: int, bound: int = 0) -> int:
    """What is known of a path's MTU after datagrams that must not be fragmented."""
    sock = place.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    with sock:
        sock.setsockopt(socket.IPPROTO_IP, _MTU_DISCOVER, _DO)
        sock.settimeout(0.5)
        sock.connect((target, port))
        for _ in range(10):
            try:
                sock.send(bytes(sock.getsockopt(socket.IPPROTO_IP, _MTU) - 28))
                sock.recv(65536)
                return sock.getsockopt(socket.IPPROTO_IP, _MTU)
            except TimeoutError:
                continue
            except OSError as error:
                if error.errno != errno.EMSGSIZE:
                    raise
        return 0


@pytest.mark.parametrize(
    "target", [(f"203.0.113.{last}", PORT) for last in (*FLOATING.values(), 110)] + [(FORWARDED, PORT)]
)
def test_the_mtu_towards_an_instance_is_learned_outside(owned: Stage, target: tuple[str, int]) -> None:
    owned.outside.run("ip route flush cache")
    assert _mtu_towards(owned.outside, *target) == 1450


@pytest.mark.parametrize("caller", ["a2", "b2", "c2", "a1", "c1"])
def test_the_mtu_of_an_answer_that_is_steered_is_learned_outside(owned: Stage, caller: str) -> None:
    assert learned_by_the_far_end(owned, caller) == 1450


def learned_by_the_far_end(stage: Stage, caller: str) -> int:
    """The far end sends more than a transit leg carries to an address and port of somebody's block: its path's MTU."""
    stage.outside.run("ip route flush cache")
    server = stage.outside.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    client = stage.at(caller).inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    with server, client:
        server.bind((OUTSIDE, 0))
        server.settimeout(2.0)
        client.settimeout(0.5)
        server.setsockopt(socket.IPPROTO_IP, _MTU_DISCOVER, _DO)
        client.sendto(b"more", server.getsockname())
        _, peer = server.recvfrom(100)
        server.connect(peer)
        for _ in range(5):
            try:
                server.send(bytes(server.getsockopt(socket.IPPROTO_IP, _MTU) - 28))
                assert len(client.recv(65536)) == 1422
                break
            except TimeoutError:
                continue
            except OSError as error:
                if error.errno != errno.EMSGSIZE:
                    raise
        return server.getsockopt(socket.IPPROTO_IP, _MTU)


def test_everything_still_answers(owned: Stage) -> None:
    assert ping(owned.outside, VIRTUAL) == VIRTUAL
