"""What belongs to somebody else, or to nobody's plan."""

import msgspec

from onehop.objects import Sysctl, Veth
from onehop.reconciler import diff
from tests.unit.reconciler.host import (
    ALL,
    ROUTER,
    bridge,
    entry,
    far,
    four,
    guard,
    namespace,
    near,
    plan,
    state,
    steps,
    vxlan,
)


def test_a_foreign_link_blocks_what_needs_its_name_and_nothing_else() -> None:
    made = plan([], [bridge, vxlan, guard, namespace], foreign=[bridge.key])
    assert steps(made) == [("create", namespace.key)]
    assert made.blocked[bridge.key] == "link brq1 on the host is there already and not onehop's: remove or rename it"
    assert made.blocked[vxlan.key].startswith("it needs link brq1 on the host, but link brq1")
    assert made.blocked.keys() == {bridge.key, vxlan.key, guard.key}


def test_a_foreign_namespace_blocks_all_that_is_to_be_in_it() -> None:
    made = plan([], ALL, foreign=[namespace.key])
    assert {key[1] for _, key in steps(made)} == {""}
    assert {namespace.key, near.key, four.key, far.key, entry.key} <= made.blocked.keys()


def test_a_foreign_link_with_the_name_of_a_far_end_blocks_the_pair() -> None:
    made = plan([namespace], [namespace, near, four], foreign=[far.key])
    assert not made.ops
    assert made.blocked.keys() == {near.key, four.key}


def test_the_unmarked_far_end_of_our_own_pair_is_not_foreign() -> None:
    made = plan([namespace, bridge, near], [namespace, bridge, near, far], foreign=[far.key])
    assert steps(made) == [("replace", far.key)]
    assert not made.blocked


def test_what_is_blocked_and_there_is_left_alone() -> None:
    changed = msgspec.structs.replace(vxlan, mtu=1400)
    made = plan([vxlan], [bridge, changed], foreign=[bridge.key])
    assert not made.ops


def test_a_setting_is_never_deleted() -> None:
    forwarding = Sysctl(namespace=ROUTER, path="net/ipv4/ip_forward", value="1")
    assert not plan([namespace, forwarding], [namespace])


def test_the_far_end_of_a_pair_of_ours_is_not_deleted_for_itself() -> None:
    tap = msgspec.structs.replace(near, namespace="", name="tap1", spec=Veth(ROUTER, "eth0"))
    end = tap.far_end
    assert end is not None
    marked = msgspec.structs.replace(end, alias=tap.alias)
    assert not plan([tap, marked], [tap])
    assert len(plan([tap, marked], []).ops) == 1


def test_a_plan_does_not_depend_on_the_order_of_what_was_observed() -> None:
    after = [bridge, vxlan]
    assert set(diff(state(*ALL), state(*after)).ops) == set(diff(state(*reversed(ALL)), state(*after)).ops)


def test_any_mac_will_do_where_none_is_wanted() -> None:
    assert not plan([bridge], [msgspec.structs.replace(bridge, mac=None)])
