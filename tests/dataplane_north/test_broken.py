"""Rules that are broken on purpose: the model finds dead what no packet answers, and where."""

import msgspec
import pytest

from onehop.net.identifier import PortId
from onehop.objects import Ruleset
from onehop.verify.trace import trace
from tests.dataplane_north.agreement import Asked, disagreements, modelled, question, world_of
from tests.dataplane_north.echo import PORT
from tests.dataplane_north.site import OUTSIDE
from tests.dataplane_north.stage import FORWARDED, OUT, VIRTUAL_INSIDE, Stage
from tests.northern import BLOCK
from tests.property.laws import assert_done, reconcile
from tests.property.states import State

pytestmark = [pytest.mark.root, pytest.mark.slow]

HOLDERS = ("a1", "a2", "b1", "b2", "c1", "c2")


def _broken(state: State, words: str) -> State:
    """A host's state without the rules with these words."""
    found = dict(state)
    for key, one in state.items():
        if isinstance(one, Ruleset) and words in one.body:
            body = "".join(line for line in one.body.splitlines(keepends=True) if words not in line)
            found[key] = msgspec.structs.replace(one, body=body)
    assert found != state
    return found


def _questions(stage: Stage) -> list[Asked]:
    found = []
    for caller in (*HOLDERS, OUT):
        port = None if caller == OUT else stage.ports[caller].id
        targets = [("203.0.113.101", PORT), ("203.0.113.103", PORT), ("203.0.113.104", PORT), (FORWARDED, 8000)]
        targets += [] if caller == OUT else [(OUTSIDE, PORT), (stage.ports["b1"].fixed_ips[0].ip_address, PORT)]
        for target, number in targets:
            asked = (question(port, target, protocol, number) for protocol in ("tcp", "udp"))
            found += [Asked(stage.at(caller), one) for one in asked]
    return found


@pytest.mark.parametrize(
    "words",
    [
        "snat to 203.0.113.10:2048",
        "snat to ip saddr map @floating_out",
        "dnat to ip daddr map @floating_in",
        "map @forward_",
        "map @steer_service",
        "map @steer_address",
        "goto from_outside",
    ],
)
def test_without_a_rule_model_and_packets_still_agree(owned_by_a: Stage, words: str) -> None:
    stage = owned_by_a
    extra = {PortId(stage.ports["b2"].id): (f"{VIRTUAL_INSIDE}/24",)}
    whole, asked = world_of(stage, extra), _questions(stage)
    before = {
        name: machine.state
        for name, machine in stage.machines.items()
        if any(isinstance(one, Ruleset) and words in one.body for one in machine.state.values())
    }
    try:
        for name, state in before.items():
            machine = stage.machines[name]
            broken = _broken(state, words)
            assert_done(*reconcile(machine.kernel, broken, state))
            machine.state = broken
        wrong = disagreements(world_of(stage, extra), asked, BLOCK)
        now = [modelled(world_of(stage, extra), one.question) for one in asked]
    finally:
        for name, state in before.items():
            machine = stage.machines[name]
            assert_done(*reconcile(machine.kernel, state, machine.state))
            machine.state = state
    assert not wrong, f"{len(wrong)} of {len(asked)}:\n" + "\n".join(wrong[:4])
    assert now != [modelled(whole, one.question) for one in asked]


def test_the_dead_packet_is_found_at_the_host_where_the_rule_is_missing(owned_by_a: Stage) -> None:
    stage = owned_by_a
    machine = stage.machines[stage.world.host(2)]
    state = machine.state
    machine.state = _broken(state, "snat to 203.0.113.10:2048")
    try:
        found = trace(world_of(stage), question(stage.ports["b2"].id, OUTSIDE, "tcp", PORT))
    finally:
        machine.state = state
    assert (found.outcome, found.end.host) == ("dead", "host-2")
    assert found.death is not None
    assert found.death.chain == "to_outside"
