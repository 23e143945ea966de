"""Owner changes, moves, lost state and strangers' hands: walks 6, 9 and 12, and who owns what on a foreign bridge."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from onehop.kernel.linux import LinuxKernel
from onehop.model.port import Binding
from onehop.net import naming
from tests.dataplane_north.echo import connected, echoes, ping, tcp, udp
from tests.dataplane_north.site import BRIDGE, OUTSIDE
from tests.dataplane_north.stage import FORWARDED, GATEWAY, VIRTUAL, A, B, C, Stage
from tests.dataplane_north.wire import watched
from tests.property.laws import assert_holds

pytestmark = pytest.mark.root


class _Stream(threading.Thread):
    """A TCP connection that is never quiet."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self.sock = sock
        self.rounds = 0
        self.longest = 0.0
        self.error: Exception | None = None
        self.ended = threading.Event()
        sock.settimeout(10.0)

    def run(self) -> None:
        try:
            while not self.ended.is_set():
                begin = time.monotonic()
                assert echoes(self.sock, bytes(20_000))
                self.longest = max(self.longest, time.monotonic() - begin)
                self.rounds += 1
        except (OSError, AssertionError) as error:
            self.error = error


@contextmanager
def _streams(stage: Stage, *callers: tuple[str, str]) -> Iterator[list[_Stream]]:
    streams = [_Stream(connected(stage.at(caller), target)) for caller, target in callers]
    for stream in streams:
        stream.start()
    try:
        yield streams
    finally:
        for stream in streams:
            stream.ended.set()
        for stream in streams:
            stream.join()
            stream.sock.close()


def _go_on(streams: list[_Stream], rounds: int = 5) -> None:
    """Wait until every stream has made some more rounds, or is broken."""
    wanted = [stream.rounds + rounds for stream in streams]
    until = time.monotonic() + 15
    while any(s.rounds < w and s.error is None for s, w in zip(streams, wanted, strict=True)):
        assert time.monotonic() < until, [(s.rounds, w) for s, w in zip(streams, wanted, strict=True)]
        streams[0].ended.wait(0.02)
    assert [s.error for s in streams] == [None] * len(streams)


def test_streams_through_snat_and_steered_addresses_outlive_changes_of_the_owner(owned_by_a: Stage) -> None:
    callers = [(name, OUTSIDE) for name in ("a2", "b2", "c2", "a1", "c1")]
    callers += [("outside", "203.0.113.104"), ("outside", "203.0.113.103"), ("outside", VIRTUAL)]
    callers += [("a2", "203.0.113.104"), ("b2", "203.0.113.105"), ("c2", "203.0.113.103"), ("c1", "203.0.113.101")]
    with _streams(owned_by_a, *callers) as streams:
        for owner in (B, A) * 8:
            _go_on(streams)
            owned_by_a.own(owner)
        _go_on(streams)
    assert max(stream.longest for stream in streams) < 2.5, [stream.longest for stream in streams]


@pytest.mark.parametrize("address", [GATEWAY, "203.0.113.104", FORWARDED, VIRTUAL])
def test_what_upstream_still_sends_to_the_owner_of_yesterday_arrives(owned_by_a: Stage, address: str) -> None:
    stage = owned_by_a
    stage.upstream.run(f"ip neigh replace {address} lladdr fa:16:3e:02:01:{B:02x} dev ext0 nud permanent")
    try:
        for caller in ("a2", "b2", "c2"):
            # Of the gateway's address what comes are answers.
            place, target = (stage.at(caller), OUTSIDE) if address == GATEWAY else (stage.outside, address)
            assert tcp(place, target, octets=bytes(100_000)) is not None, caller
            assert udp(place, target, octets=bytes(4096)) is not None, caller
    finally:
        stage.upstream.run(f"ip neigh del {address} dev ext0")


@pytest.mark.parametrize("entry", ["with the connection's entry", "without"])
def test_a_packet_between_the_rules_of_before_and_of_after_a_change_breaks_no_connection(
    owned_by_a: Stage, entry: str
) -> None:
    """The host of a virtual address's instance was the owner a moment ago: `raw` has let a packet be tracked, and then
    the other rules are those of a host that steers. Without the first rules every packet is such a packet.
    """
    stage = owned_by_a
    stage.own(B)
    router = stage.router(stage.world.host(B))
    with connected(stage.outside, VIRTUAL) as sock:
        assert echoes(sock)
        stage.own(A)
        assert echoes(sock)
        rules = router.run("nft -s list table ip onehop-north")
        router.run("nft flush chain ip onehop-north from_inside")
        try:
            if entry == "without":
                stage.lose(stage.world.host(B))
            with watched(stage.at("b2"), "eth0") as seen:
                sock.sendall(bytes(1000))
                assert len(seen.wait(2)) >= 2, "the instance hears and answers"
        finally:
            router.run("nft delete table ip onehop-north")
            stage.apply()
        assert router.run("nft -s list table ip onehop-north") == rules
        _receive(sock, 1000)
        assert echoes(sock)


def _receive(sock: socket.socket, octets: int) -> None:
    while octets:
        octets -= len(sock.recv(octets))


@pytest.mark.parametrize("name", ["a2", "b2", "c2"])
def test_tcp_whose_translation_was_lost_is_reset_towards_the_instance_at_once(owned_by_a: Stage, name: str) -> None:
    stage = owned_by_a
    with connected(stage.at(name), OUTSIDE) as sock:
        assert echoes(sock)
        stage.lose(stage.world.host({"a": A, "b": B, "c": C}[name[0]]))
        begin = time.monotonic()
        with watched(stage.upstream, "ext0") as seen:
            with pytest.raises(ConnectionResetError):
                echoes(sock)
            assert time.monotonic() - begin < 0.2
            assert not [f for f in seen.read() if f.kind == "ip"], "the far end is not asked"
    assert tcp(stage.at(name), OUTSIDE) is not None


@pytest.mark.parametrize("name", ["a1", "b1", "c1"])
def test_tcp_of_a_floating_ip_is_picked_up_in_mid_stream(owned_by_a: Stage, name: str) -> None:
    stage = owned_by_a
    last = {"a1": 101, "b1": 103, "c1": 104}[name]
    host = stage.world.host({"a": A, "b": B, "c": C}[name[0]])
    with connected(stage.at(name), OUTSIDE) as out, connected(stage.outside, f"203.0.113.{last}") as into:
        for sock in (out, into, out):
            stage.lose(host)
            assert echoes(sock)


@pytest.mark.parametrize(("start", "end"), [(A, B), (B, C), (C, A)])
def test_connections_of_a_floating_ip_move_with_its_instance(start: int, end: int) -> None:
    with Stage() as stage:
        port, name = stage.ports["a1"], "203.0.113.101"
        _move(stage, "a1", A, start) if start != A else None
        with connected(stage.at("a1"), OUTSIDE) as out, connected(stage.outside, name) as into:
            _move(stage, "a1", start, end)
            assert echoes(into)
            assert echoes(out)
        for caller in ("a2", "b1", "c2", "outside", "a1"):
            answer = tcp(stage.at(caller), name)
            assert answer is not None, caller
            assert answer.source == name
            assert ping(stage.at(caller), name) == name
        assert port.id in stage.instances
        stage.settled()


def _move(stage: Stage, name: str, start: int, end: int) -> None:
    """Prepare there, switch, release here: as the API's port bindings do."""
    port = stage.ports[name]
    here, there = stage.world.host(start), stage.world.host(end)
    place = stage.instances[port.id]
    stage.world.change(
        port.id, bindings=tuple(sorted((Binding(here), Binding(there, active=False)), key=lambda b: b.host))
    )
    stage.apply()
    stage.world.change(
        port.id, bindings=tuple(sorted((Binding(here, active=False), Binding(there)), key=lambda b: b.host))
    )
    # The machine's device goes over: here it is unplugged, there it is plugged.
    plug = stage.machines[here].plugs.pop(port.id)
    stage.apply(here)
    stage.machines[here].shelf.lend(plug.netns or "", stage.machines[there].shelf)
    stage.machines[there].plugs[port.id] = plug
    stage.apply(there)
    stage.apply()
    stage.boot(port)
    stage.world.change(port.id, bindings=(Binding(there),))
    stage.apply()
    assert place is stage.instances[port.id]


def test_what_others_put_on_the_provider_bridge_stays_and_what_is_ours_comes_back(owned_by_a: Stage) -> None:
    stage = owned_by_a
    host = stage.machines[stage.world.host(A)]
    gateway = stage.world.topology().routers[stage.world.router_id(1)].gateway
    assert gateway is not None
    peer = naming.external_peer(gateway.port_id)
    host.place.run(
        "bridge fdb add 02:00:00:00:00:77 dev eth1 master static",
        f"bridge fdb del fa:16:3e:02:01:01 dev {peer} master",
    )
    stage.apply()
    table = host.place.run(f"bridge fdb show br {BRIDGE}")
    assert "02:00:00:00:00:77 dev eth1" in table
    assert f"fa:16:3e:02:01:01 dev {peer}" in table
    stage.settled()


def test_the_kernels_routing_rules_are_part_of_what_is_wanted(owned_by_a: Stage) -> None:
    stage = owned_by_a
    router = stage.router(stage.world.host(A))
    before = router.run("ip rule", "ip -6 rule")
    assert [line.partition(":")[0] for line in before.splitlines()[:3]] == ["40", "41", "50"]
    assert "100:\tfrom all lookup local" in before
    as_born = "ip rule add pref 0 lookup local protocol kernel"
    router.run("ip rule del pref 32766", as_born, "ip rule del pref 100", "ip -6 rule del pref 0")
    stage.apply()
    after = router.run("ip rule", "ip -6 rule")
    assert after.replace(" proto 111", "") == before.replace(" proto 111", "")
    assert ping(stage.outside, FORWARDED) == FORWARDED


def test_an_agent_that_starts_anew_finds_nothing_to_do(owned_by_a: Stage) -> None:
    for machine in owned_by_a.machines.values():
        fresh = LinuxKernel(machine.place.path, str(machine.shelf.path))
        try:
            assert_holds(fresh, machine.state)
        finally:
            fresh.close()
