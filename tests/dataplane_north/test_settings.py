"""Routers that do not translate, or in one place only, or have hosts without a block of ports; and no owner at all."""

import socket
from collections.abc import Iterator

import pytest

from tests.dataplane_north.asking import ADDRESSES, WITHOUT, all_answer
from tests.dataplane_north.echo import PORT, connected, echoes, ping, tcp, udp
from tests.dataplane_north.site import OUTSIDE
from tests.dataplane_north.stage import (
    FLOATING,
    FORWARDED,
    FORWARDS,
    GATEWAY,
    INSTANCES,
    OUT,
    VIRTUAL,
    VIRTUAL_INSIDE,
    A,
    B,
    C,
    Stage,
    is_seen_as,
)
from tests.dataplane_north.test_errors import refused
from tests.dataplane_north.wire import ACK, RST, SYN, ipv4, raw, send, tcp_segment, udp_segment, watched

pytestmark = pytest.mark.root

BIG = bytes(4096)


@pytest.fixture(scope="module", params=[A, B], ids=["owner-a", "owner-b"])
def owner(request: pytest.FixtureRequest) -> int:
    """Who owns the addresses."""
    return int(request.param)


@pytest.fixture(scope="module")
def routed(owner: int) -> Iterator[Stage]:
    """A router with enable_snat=false, whose prefixes upstream knows."""
    with Stage(owner, enable_snat=False) as stage:
        stage.upstream.run(*(f"ip route add 10.0.{n}.0/24 via {GATEWAY}" for n in (1, 2)))
        yield stage


@pytest.fixture(scope="module")
def centralized(owner: int) -> Iterator[Stage]:
    """A router whose owner translates for all hosts."""
    with Stage(owner, distributed=False) as stage:
        yield stage


@pytest.fixture(scope="module", params=[(B,), (C,), (B, C), (A,)], ids=["b", "c", "b-c", "a"])
def blockless(owner: int, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A router some of whose hosts have no block."""
    with Stage(owner, blockless=request.param) as stage:
        yield stage


@pytest.mark.parametrize("name", WITHOUT)
def test_without_snat_instances_speak_and_are_spoken_to_as_themselves(routed: Stage, name: str) -> None:
    own = routed.ports[name].fixed_ips[0].ip_address
    for ask in (tcp, udp):
        there = ask(routed.at(name), OUTSIDE)
        assert there is not None, ask
        assert there.seen == own
        back = ask(routed.outside, own, octets=BIG)
        assert back is not None, ask
        assert back.source == own
    assert ping(routed.at(name), OUTSIDE) == OUTSIDE
    assert ping(routed.outside, own, 4000) == own


@pytest.mark.parametrize("name", [*FLOATING, "vip"])
def test_without_snat_who_has_a_floating_ip_answers_from_the_address_that_was_called(routed: Stage, name: str) -> None:
    """Both addresses of one instance: what was called answers, and what the instance begins has the floating IP."""
    own = VIRTUAL_INSIDE if name == "vip" else routed.ports[name].fixed_ips[0].ip_address
    floating = VIRTUAL if name == "vip" else f"203.0.113.{FLOATING[name]}"
    for target in (own, floating, own):
        for answer in (tcp(routed.outside, target, octets=BIG * 16), udp(routed.outside, target, octets=BIG)):
            assert answer is not None, target
            assert answer.source == target
            assert answer.seen == OUTSIDE
        assert ping(routed.outside, target, 4000) == target
    with connected(routed.outside, own) as call, connected(routed.outside, floating) as other:
        assert echoes(call)
        assert echoes(other)
        if name != "vip":
            begun = udp(routed.at(name), OUTSIDE)
            assert begun is not None
            assert begun.seen == floating
        assert echoes(call)
        assert echoes(other)


@pytest.mark.parametrize("name", FLOATING)
def test_without_snat_errors_about_a_call_to_the_inside_address_come_from_it(routed: Stage, name: str) -> None:
    own = routed.ports[name].fixed_ips[0].ip_address
    caller = routed.outside.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    with caller:
        caller.settimeout(2.0)
        caller.connect((own, 9))
        caller.send(b"x")
        with pytest.raises(ConnectionRefusedError):
            caller.recv(10)


@pytest.mark.parametrize("name", FLOATING)
def test_without_snat_nothing_but_answers_leaves_with_an_address_that_has_a_floating_ip(
    routed: Stage, name: str
) -> None:
    own = routed.ports[name].fixed_ips[0].ip_address
    with watched(routed.upstream, "ext0") as seen:
        ends = (own, OUTSIDE)
        strays = [ipv4(*ends, 6, tcp_segment(ends, (5000, 80), flags)) for flags in (ACK, RST, SYN | ACK, 0)]
        error = b"\3\3" + bytes(6) + ipv4(OUTSIDE, own, 17, udp_segment(9, 9))
        send(routed.at(name), *strays, ipv4(*ends, 1, error), ipv4(*ends, 47, bytes(8)), ipv4(*ends, 17, bytes(8)))
        assert udp(routed.at(name), OUTSIDE) is not None
        senders = {f.sender for f in seen.read() if f.kind == "ip" and f.source.startswith("fa:16:3e:02")}
    assert senders == {f"203.0.113.{FLOATING[name]}"}


def test_without_snat_what_is_routed_is_not_tracked(routed: Stage) -> None:
    for name in WITHOUT:
        assert tcp(routed.at(name), OUTSIDE) is not None
        for host in routed.machines:
            tracked = routed.router(host).run("conntrack -L 2>/dev/null")
            own = routed.ports[name].fixed_ips[0].ip_address
            lines = [line for line in tracked.splitlines() if f"src={own} dst={OUTSIDE}" in line]
            # What an instance answers from a port that is also forwarded has to be looked at.
            assert not [line for line in lines if f"dport={PORT} " in line.partition("[")[0]], lines


@pytest.mark.parametrize("caller", [*INSTANCES, OUT])
def test_without_snat_floating_ips_and_forwarded_ports_are_translated_as_ever(routed: Stage, caller: str) -> None:
    place = routed.at(caller)
    targets = [*ADDRESSES, OUTSIDE] if caller in FLOATING else ADDRESSES
    for target in targets:
        for answer in (tcp(place, target), udp(place, target, octets=BIG)):
            assert answer is not None, f"{caller} to {target}"
            assert is_seen_as(caller, answer.seen, answer.port), (caller, target, answer)
        assert ping(place, target) == target
    for protocol, port in FORWARDS:
        answer = (tcp if protocol == "tcp" else udp)(place, FORWARDED, port)
        assert answer is not None, (caller, protocol, port)
        assert is_seen_as(caller, answer.seen, answer.port)


@pytest.mark.parametrize("caller", [*INSTANCES, OUT])
def test_a_centralized_router_reaches_everything_by_its_owner(centralized: Stage, caller: str) -> None:
    all_answer(centralized, caller, GATEWAY if caller in WITHOUT else None)


@pytest.mark.parametrize("caller", [*INSTANCES, OUT])
def test_hosts_without_a_block_reach_everything_by_the_owner(blockless: Stage, caller: str) -> None:
    all_answer(blockless, caller, GATEWAY if caller in WITHOUT else None)


@pytest.mark.parametrize(("port", "name"), [(PORT, "c2"), (8000, "b2")])
def test_what_an_instance_says_of_a_forwarded_port_is_heard_where_its_host_has_no_block(
    blockless: Stage, port: int, name: str
) -> None:
    assert _refused_while_closed(blockless, port, name)


@pytest.mark.parametrize(("port", "name"), [(PORT, "c2"), (8000, "b2")])
def test_what_an_instance_says_of_a_forwarded_port_is_heard_where_its_router_does_not_translate(
    routed: Stage, port: int, name: str
) -> None:
    assert _refused_while_closed(routed, port, name)


@pytest.mark.parametrize(("port", "name"), [(PORT, "c2"), (8000, "b2")])
def test_what_an_instance_says_of_a_forwarded_port_is_heard_where_the_owner_translates(
    centralized: Stage, port: int, name: str
) -> None:
    assert _refused_while_closed(centralized, port, name)


def _refused_while_closed(stage: Stage, port: int, name: str) -> bool:
    """Whether outside hears that a forwarded UDP port is closed, while the instance that it leads to says so."""
    stage.at(name).run(
        "nft add table ip closed",
        "nft 'add chain ip closed input { type filter hook input priority 0; }'",
        f"nft add rule ip closed input udp dport {PORT} reject",
    )
    try:
        return refused(stage.outside, FORWARDED, port)
    finally:
        stage.at(name).run("nft delete table ip closed")


def test_without_an_owner_floating_ips_of_hosts_with_a_leg_work_and_nothing_else_leaves() -> None:
    with Stage(None) as stage:
        for name, last in FLOATING.items():
            if name.startswith("c"):
                continue
            answer = tcp(stage.outside, f"203.0.113.{last}")
            assert answer is not None, name
            answer = udp(stage.at(name), OUTSIDE, PORT)
            assert answer is not None, name
            assert answer.seen == f"203.0.113.{last}"
        assert ping(stage.at("a1"), stage.ports["c2"].fixed_ips[0].ip_address) is not None


@pytest.mark.parametrize(("name", "protocol"), [("b2", 47), ("c2", 50)])
def test_the_owner_translates_protocols_without_ports_of_a_centralized_router(
    centralized: Stage, name: str, protocol: int
) -> None:
    with raw(centralized.outside, protocol) as far, raw(centralized.at(name), protocol) as near:
        near.sendto(bytes(100), (OUTSIDE, 0))
        assert far.recvfrom(2000)[1][0] == GATEWAY
        far.sendto(bytes(100), (GATEWAY, 0))
        assert near.recvfrom(2000)[1][0] == OUTSIDE
