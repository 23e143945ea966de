"""Traces of the model alone: every kind of walk, every kind of death, and rules that are broken on purpose."""

import pytest

from onehop.errors import ConflictError, InputError, NotFoundError
from onehop.model.port import Port
from onehop.net.identifier import PortId
from onehop.objects import BridgeFdb, KernelObject, Neighbour, VxlanFdb
from onehop.verify.trace import Question, Trace, trace
from onehop.verify.world import World
from tests.northern import BLOCK, Northern, forward, gateway_ip
from tests.unit.verify.world import Change, ask, model, without_rule
from tests.worlds import uid

NORTH = "ip onehop-north"
OUTSIDE = "198.51.100.2"


class Stage:
    """Router 1 on networks 1 and 2, host 1 its owner, host 3 without an external leg; router 2 of somebody else."""

    def __init__(self) -> None:
        self.world = Northern(six=True)
        for n in (1, 2, 3):
            self.world.network(n)
        self.world.router(1, [1, 2])
        self.world.router(2, [3])
        self.world.gateway(1, 1, six=True)
        self.world.gateway(2, 2)
        self.a, self.b, self.c = self.world.port(1, 1), self.world.port(2, 2), self.world.port(2, 3)
        self.stranger = self.world.port(3, 2)
        self.world.floating_ip(101, self.a)
        self.world.floating_ip(102, self.c)
        self.world.floating_ip(103, self.stranger, r=2)
        self.world.floating_ip(150, None, forwards=[forward("tcp", 8000, self.b, 80)])

    def ask(self, *asked: object, change: Change | None = None) -> Trace:
        return ask(model(self.world, change), *asked)  # type: ignore[arg-type]  # as `ask` takes them


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage()


def four(port: Port) -> str:
    return port.fixed_ips[0].ip_address


def six(port: Port) -> str:
    return port.fixed_ips[1].ip_address


def test_east_west_is_routed_once_on_the_askers_host_untracked(stage: Stage) -> None:
    found = stage.ask(stage.a, four(stage.c))
    assert (found.outcome, found.end.port, found.seen) == ("answered", stage.c.id, four(stage.a))
    routed = {step.host for step in found.there if step.kind == "route" and step.namespace.startswith("qrouter-")}
    assert routed == {"host-1"}
    assert {step.host for step in found.back if step.namespace.startswith("qrouter-")} == {"host-3"}
    assert not [step for step in (*found.there, *found.back) if step.kind == "nat"]


def test_ipv6_goes_out_by_the_askers_host_and_comes_in_by_the_owner(stage: Stage) -> None:
    found = stage.ask(stage.b, "2001:db8:51::2", "tcp")
    assert (found.outcome, found.seen) == ("answered", six(stage.b))
    legs = [(s.host, s.device) for s in found.there if s.device.startswith("qg-")]
    assert {host for host, _ in legs} == {"host-2"}
    assert "host-1" in {step.host for step in found.back if step.device.startswith("qg-")}


@pytest.mark.parametrize("protocol", ["icmp", "tcp", "udp"])
def test_a_source_is_translated_into_the_hosts_block_and_answers_are_steered_back(stage: Stage, protocol: str) -> None:
    found = stage.ask(stage.b, OUTSIDE, protocol)
    assert (found.outcome, found.seen, found.answered_from) == ("answered", gateway_ip(1), OUTSIDE)
    assert 2 * BLOCK <= found.seen_port < 3 * BLOCK
    assert [s.host for s in found.back if "fwmark" in s.text] == ["host-1"]


@pytest.mark.parametrize("caller", ["a", "b", "c", "stranger", None])
def test_floating_ips_answer_everybody_from_the_address_called(stage: Stage, caller: str | None) -> None:
    asker = None if caller is None else getattr(stage, caller)
    for address, port in (("203.0.113.101", stage.a), ("203.0.113.102", stage.c), ("203.0.113.103", stage.stranger)):
        found = stage.ask(asker, address, "tcp")
        assert (found.outcome, found.end.port, found.answered_from) == ("answered", port.id, address), found.summary
        assert found.seen not in {ip.ip_address for ip in asker.fixed_ips} if asker else found.seen == OUTSIDE


def test_a_forwarded_port_leads_to_the_instance_and_others_to_nobody(stage: Stage) -> None:
    found = stage.ask(None, "203.0.113.150", "tcp", 8000)
    assert (found.outcome, found.end.port, found.reached, found.reached_port) == (
        "answered",
        stage.b.id,
        four(stage.b),
        80,
    )
    assert stage.ask(None, "203.0.113.150", "tcp", 8001).outcome == "refused"
    assert stage.ask(None, "203.0.113.150", "udp", 8000).outcome == "refused"


def test_a_router_answers_echoes_and_refuses_the_rest(stage: Stage) -> None:
    assert stage.ask(stage.b, gateway_ip(1)).outcome == "answered"
    assert stage.ask(stage.a, "10.0.1.1").answered_from == "10.0.1.1"
    assert stage.ask(stage.a, "10.0.1.1", "tcp").outcome == "refused"


def test_projects_do_not_reach_each_other_but_by_floating_ips(stage: Stage) -> None:
    found = stage.ask(stage.a, four(stage.stranger), "tcp")
    assert found.outcome == "dead"
    assert found.end.host == "outside"
    assert stage.ask(stage.stranger, four(stage.a)).outcome == "dead"


@pytest.mark.parametrize(
    ("asker", "destination", "chain", "advice"),
    [
        ("a", "169.254.9.9", "from_inside", "RFC 3927"),
        (None, "10.0.1.10", "", "nobody outside knows a way"),
        ("a", "203.0.113.77", "", "no port has that address"),
        ("a", "10.0.2.99", "", "no port has that address"),
    ],
)
def test_a_death_says_where_why_and_what_to_do(
    stage: Stage, asker: str | None, destination: str, chain: str, advice: str
) -> None:
    found = stage.ask(None if asker is None else getattr(stage, asker), destination, "tcp")
    assert found.outcome == "dead"
    assert found.death is not None
    assert found.death.chain == chain
    assert advice in found.advice
    assert found.summary.startswith("dies in ")


def test_an_address_that_roams_is_asked_for_and_the_pairs_are_named() -> None:
    stage = Stage()
    pair = [("fa:16:3e:01:00:09", "10.0.1.200")]
    holder = stage.world.port(1, 2, pairs=pair)
    found = stage.ask(stage.a, "10.0.1.200")
    assert found.outcome == "dead"
    assert holder.id in found.advice


@pytest.mark.parametrize(
    ("change", "asked", "outcome", "host"),
    [
        (without_rule(NORTH, "snat to 203.0.113.10:2048"), ("b", OUTSIDE), "dead", "host-2"),
        (without_rule(NORTH, "@steer_service"), ("b", OUTSIDE), "unanswered", "host-1"),
        (without_rule(NORTH, "dnat to ip daddr map @floating_in"), (None, "203.0.113.101"), "refused", "host-1"),
        (without_rule("ip6 onehop-north", "ip6 daddr @inside accept"), (None, "fd00:2::b"), "dead", "host-1"),
    ],
    ids=["snat", "steering", "dnat", "inside6"],
)
def test_a_rule_that_is_missing_is_found_where_it_is_missed(
    stage: Stage, change: Change, asked: tuple[str | None, str], outcome: str, host: str
) -> None:
    asker = None if asked[0] is None else getattr(stage, asked[0])
    assert stage.ask(asker, asked[1], "tcp").outcome == "answered"
    broken = stage.ask(asker, asked[1], "tcp", change=change)
    assert broken.outcome == outcome
    ended = broken.answer_end if outcome == "unanswered" else broken.end
    assert ended is not None
    assert ended.host == host


def test_a_packet_that_nothing_translated_dies_in_the_chain_that_lets_leave(stage: Stage) -> None:
    broken = stage.ask(stage.b, OUTSIDE, "tcp", change=without_rule(NORTH, "snat to 203.0.113.10:2048"))
    assert broken.death is not None
    assert (broken.death.table, broken.death.chain) == (NORTH, "to_outside")
    assert broken.death.rule == "counter drop"
    assert "leave set" in broken.advice
    # Another translation is seen, where it is not a death.
    other = stage.ask(stage.a, OUTSIDE, "tcp", change=without_rule(NORTH, "@floating_out"))
    assert (other.outcome, other.seen) == ("answered", gateway_ip(1))


def _without(kind: type[KernelObject], **fields: str) -> Change:
    def change(one: KernelObject) -> KernelObject | None:
        gone = isinstance(one, kind) and all(getattr(one, name) == value for name, value in fields.items())
        return None if gone else one

    return change


def test_a_missing_fdb_entry_neighbour_or_vtep_is_found(stage: Stage) -> None:
    mac, ip = stage.c.mac_address, four(stage.c)
    for change, reason in (
        (_without(BridgeFdb, mac=mac), "no FDB entry"),
        (_without(VxlanFdb, mac=mac), "vxlan-1002"),
        (_without(Neighbour, address=ip, link="qr-00003102-00"), ""),
    ):
        found = stage.ask(stage.a, ip, change=change)
        if reason == "no FDB entry":
            assert found.outcome == "dead"
            assert found.death is not None
            assert reason in found.death.reason
        else:
            # Head-end replication, or asking, finds it all the same: the bridge's neighbours answer.
            assert found.outcome == "answered"


def test_what_is_asked_for_is_answered_on_the_askers_own_host(stage: Stage) -> None:
    found = stage.ask(stage.a, six(stage.c))
    assert found.outcome == "answered"
    asked = [step for step in found.there if "asked by ND" in step.text]
    assert [step.host for step in asked] == ["host-1"]


def test_a_port_without_a_host_or_of_a_router_cannot_ask(stage: Stage) -> None:
    world = Northern()
    world.network(1, six=False)
    unbound = world.port(1, None)
    world.router(1, [1])
    leg = next(p for p in world.topology().ports.values() if p.router_id is not None)
    for port, error in ((unbound.id, ConflictError), (PortId(uid(0x9999)), NotFoundError), (leg.id, InputError)):
        with pytest.raises(error):
            trace(model(world), Question(port=port, destination="10.0.1.1"))


def test_a_question_that_cannot_be_asked_is_refused(stage: Stage) -> None:
    world: World = model(stage.world)
    with pytest.raises(InputError, match="protocol"):
        trace(world, Question(port=stage.a.id, destination=OUTSIDE, protocol="carrier-pigeon"))
    with pytest.raises(InputError, match="family"):
        trace(world, Question(port=stage.a.id, destination=OUTSIDE, source=six(stage.a)))
    alone = Northern()
    alone.network(1, six=False)
    port = alone.port(1, 1)
    with pytest.raises(InputError, match="IPv6"):
        trace(model(alone), Question(port=port.id, destination="2001:db8::1"))
    found = ask(model(alone), port, OUTSIDE)
    assert found.death is not None
    assert f"answers ARP for {alone.topology().subnets_of(port.network_id)[0].gateway_ip}" in found.death.reason


def test_without_translation_an_instance_with_a_floating_ip_is_reached_at_its_own_address_too() -> None:
    world, port = _untranslated()
    assert ask(model(world), None, four(port), "tcp").outcome == "answered"
    world.floating_ip(101, port)
    for protocol in ("icmp", "tcp", "udp"):
        found = ask(model(world), None, four(port), protocol)
        assert (found.outcome, found.answered_from) == ("answered", four(port))
    assert ask(model(world), port, OUTSIDE, "tcp").seen == "203.0.113.101"


def test_a_handshake_that_goes_through_is_no_answer_where_the_next_segment_would_be_translated() -> None:
    world, port = _untranslated()
    world.floating_ip(101, port)
    unsteered, unguarded = without_rule(NORTH, "map @called_inside"), without_rule(NORTH, "ct state ! established")

    def change(one: KernelObject) -> KernelObject | None:
        left = unsteered(one)
        return None if left is None else unguarded(left)

    found = ask(model(world, change), None, four(port), "tcp")
    assert found.outcome == "unanswered"
    assert found.death is not None
    assert "203.0.113.101" in found.death.reason


def _untranslated() -> tuple[Northern, Port]:
    """A router without SNAT, and an instance on a host without an external leg."""
    world = Northern()
    world.network(1, six=False)
    world.router(1, [1])
    world.gateway(1, 1, enable_snat=False)
    return world, world.port(1, 3)
