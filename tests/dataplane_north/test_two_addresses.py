"""A gateway with two addresses: each instance is seen from one of them, whoever the owner is and whatever is added.

| host | blocks | instance, seen from |
|---|---|---|
| A | first address, later also of the second | a3: first, a2 (came later): second |
| B | second, the same ports as A's of the first | b2: second |
| C (no external leg) | first | c2: first |
"""

import socket
from collections.abc import Iterator

import pytest

from onehop.model.gateway import PortBlock
from onehop.model.port import Binding
from onehop.net import naming
from tests.dataplane_north.agreement import Asked, disagreements, question, world_of
from tests.dataplane_north.echo import PORT, connected, echoes, ping, tcp, udp
from tests.dataplane_north.site import OUTSIDE
from tests.dataplane_north.stage import FLOATING, GATEWAY, A, B, C, Stage
from tests.dataplane_north.test_errors import learned_by_the_far_end
from tests.dataplane_north.wire import SYN, ipv4, raw, send, sent_packets, tcp_segment
from tests.northern import BLOCK, gateway_ip

pytestmark = pytest.mark.root

FIRST, SECOND, THIRD = gateway_ip(1), "203.0.113.20", "203.0.113.30"
SEEN = {"a3": (FIRST, 1024), "a2": (SECOND, 2048), "b2": (SECOND, 1024), "c2": (FIRST, 2048)}
"""Address and first port of the block."""
BLOCKS = {
    A: (PortBlock(1024, BLOCK, FIRST, 3), PortBlock(2048, BLOCK, SECOND, 9)),
    B: (PortBlock(1024, BLOCK, SECOND, 4),),
    C: (PortBlock(2048, BLOCK, FIRST, 5),),
}
BIG = bytes(4096)
assert FIRST == GATEWAY


class TwoAddresses(Stage):
    """The stage, with two addresses and one instance more without a floating IP."""

    def __init__(self, owner: int = A) -> None:
        super().__init__(owner, further=[SECOND], blocks=BLOCKS)
        try:
            self.world.remove(self.floating["a3"].id)
            came = {"a3": 3, "a2": 10, "b2": 4, "c2": 5}
            for name, since in came.items():
                host = self.ports[name].bindings[0].host
                self.world.change(self.ports[name].id, bindings=(Binding(host, since=since),))
            self.apply()
        except BaseException:
            self._stack.close()
            raise

    def become(self, owner: int, *further: str, blocks: dict[int, tuple[PortBlock, ...]] = BLOCKS) -> None:
        """Another owner, other addresses."""
        self.world.gateway(1, owner, further=further, blocks=blocks)
        self.owner = owner
        self.apply()


@pytest.fixture(scope="module")
def two() -> Iterator[TwoAddresses]:
    with TwoAddresses() as made:
        yield made


@pytest.fixture(params=[A, B], ids=["owner-a", "owner-b"])
def stage(two: TwoAddresses, request: pytest.FixtureRequest) -> TwoAddresses:
    """With A and then B as the owner."""
    two.become(request.param, SECOND)
    return two


def _is_seen_right(name: str, seen: str, port: int) -> bool:
    address, first = SEEN[name]
    return seen == address and first <= port < first + BLOCK


@pytest.mark.parametrize("name", SEEN)
def test_an_instance_is_seen_from_one_address_and_answers_find_it(stage: TwoAddresses, name: str) -> None:
    place = stage.at(name)
    for target in (OUTSIDE, "203.0.113.101", "203.0.113.103", "203.0.113.104"):
        for _ in range(4):
            for answer in (tcp(place, target), udp(place, target, octets=BIG)):
                assert answer is not None, target
                assert answer.source == target
                assert _is_seen_right(name, answer.seen, answer.port), (target, answer)
        for size in (56, 4000):
            assert ping(place, target, size) == target


@pytest.mark.parametrize("name", SEEN)
def test_protocols_without_ports_are_seen_from_the_same_address(stage: TwoAddresses, name: str) -> None:
    protocol = {"a3": 47, "a2": 50, "b2": 253, "c2": 253}[name]
    with raw(stage.outside, protocol) as far, raw(stage.at(name), protocol) as near:
        near.sendto(bytes(2000), (OUTSIDE, 0))
        assert far.recvfrom(65536)[1][0] == SEEN[name][0]
        far.sendto(bytes(1000), (SEEN[name][0], 0))
        assert near.recvfrom(65536)[1][0] == OUTSIDE


@pytest.mark.parametrize("caller", [*SEEN, "c1", "outside"])
def test_the_owner_answers_echo_requests_to_each_address(stage: TwoAddresses, caller: str) -> None:
    for target in (FIRST, SECOND):
        assert ping(stage.at(caller), target, 4000) == target


@pytest.mark.parametrize("name", SEEN)
def test_the_mtu_of_a_steered_answer_is_learned_outside(stage: TwoAddresses, name: str) -> None:
    assert learned_by_the_far_end(stage, name) == 1450


@pytest.mark.parametrize("name", SEEN)
def test_the_mtu_of_the_way_out_is_learned_by_the_instance(stage: TwoAddresses, name: str) -> None:
    place = stage.at(name)
    with stage.narrow(place):
        answer = tcp(place, OUTSIDE, octets=bytes(50_000))
        assert answer is not None
        assert "mtu 1300" in place.run(f"ip route get {OUTSIDE}")


def test_strays_to_ports_of_others_go_over_the_transit_once(stage: TwoAddresses) -> None:
    transit = naming.transit_leg(stage.world.topology().routers[stage.world.router_id(1)].gateway.port_id)
    hosts = [stage.router(name) for name in sorted(stage.machines)]
    before = sum(sent_packets(host, transit) for host in hosts)
    mine = {(block.address, block.first) for block in BLOCKS[stage.owner]}
    every = {(block.address, block.first) for blocks in BLOCKS.values() for block in blocks}
    foreign = 0
    for address in (FIRST, SECOND):
        ends = (OUTSIDE, address)
        for port in range(1024, 4096, 16):
            send(stage.outside, ipv4(*ends, 6, tcp_segment(ends, (80, port), SYN)))
            foreign += (address, port // BLOCK * BLOCK) in every - mine
    assert ping(stage.outside, "203.0.113.104") == "203.0.113.104"
    assert foreign <= sum(sent_packets(host, transit) for host in hosts) - before <= foreign + 10


def test_streams_keep_their_address_while_owners_change_and_addresses_come(two: TwoAddresses) -> None:
    two.become(A, SECOND)
    more = {**BLOCKS, C: (*BLOCKS[C], PortBlock(1024, BLOCK, THIRD, 20))}
    streams: dict[str, socket.socket] = {name: connected(two.at(name), OUTSIDE) for name in SEEN}
    try:
        for step in (
            lambda: two.become(B, SECOND),
            lambda: two.become(B, SECOND, THIRD),
            lambda: two.become(A, SECOND, THIRD, blocks=more),
            lambda: two.become(B, SECOND, THIRD, blocks=more),
        ):
            step()
            for name, stream in streams.items():
                assert echoes(stream, bytes(20_000)), name
                answer = tcp(two.at(name), OUTSIDE)
                assert answer is not None, name
                assert _is_seen_right(name, answer.seen, answer.port), (name, answer)
        assert ping(two.outside, THIRD) == THIRD
    finally:
        for stream in streams.values():
            stream.close()


def test_another_address_changes_no_hook_that_packets_are_passing(two: TwoAddresses) -> None:
    two.become(A, SECOND)
    before = {name: _table(two, name) for name in two.machines}
    more = {**BLOCKS, C: (*BLOCKS[C], PortBlock(1024, BLOCK, THIRD, 20))}
    two.become(A, SECOND, THIRD, blocks=more)
    chain = two.router(two.world.host(C)).run("nft list chain ip onehop-north mine")
    assert f"ip daddr {THIRD} tcp dport 1024" in chain, "this host has ports of it"
    assert [name for name in two.machines if _table(two, name) != before[name]] == []


def _table(stage: Stage, name: str) -> str:
    """The table's line with its handle: one that is replaced has another."""
    return stage.router(name).run("nft -a list table ip onehop-north").splitlines()[0]


def test_an_address_that_goes_cuts_its_connections_and_its_instances_have_another(two: TwoAddresses) -> None:
    two.become(B, SECOND)
    streams = {name: connected(two.at(name), OUTSIDE) for name in SEEN}
    moved = {**BLOCKS, B: (PortBlock(4096, BLOCK, FIRST, 30),)}
    try:
        two.become(B, blocks=moved)
        for name, stream in streams.items():
            if SEEN[name][0] == FIRST:
                assert echoes(stream), name
            else:
                with pytest.raises((ConnectionResetError, BrokenPipeError)):
                    assert [echoes(stream) for _ in range(2)] == [], name
        for name, first in (("a2", 1024), ("b2", 4096)):
            answer = tcp(two.at(name), OUTSIDE)
            assert answer is not None, name
            assert answer.seen == FIRST
            assert first <= answer.port < first + BLOCK
        assert ping(two.outside, SECOND, patience=0.5) is None
    finally:
        for stream in streams.values():
            stream.close()
        two.become(A, SECOND)


@pytest.mark.slow
def test_the_model_agrees_with_the_packets(stage: TwoAddresses) -> None:
    targets = [OUTSIDE, FIRST, SECOND, *(f"203.0.113.{last}" for n, last in FLOATING.items() if n != "a3")]
    asked = [
        Asked(stage.at(name), question(stage.ports[name].id, target, protocol, number))
        for name in (*SEEN, "a1", "c1")
        for target in targets
        for protocol, number in (("icmp", 0), ("tcp", PORT), ("udp", PORT))
    ]
    wrong = disagreements(world_of(stage), asked, BLOCK)
    assert not wrong, f"{len(wrong)} of {len(asked)}:\n" + "\n".join(wrong[:6])


def test_hosts_hold_what_was_compiled_and_nothing_else(two: TwoAddresses) -> None:
    two.settled()
