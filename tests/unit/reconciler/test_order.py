"""The order of a plan."""

import msgspec

from onehop.objects import Address, NextHop, Route, Rule, Ruleset, Sysctl
from onehop.reconciler import Create, Delete, Replace
from tests.unit.reconciler.host import (
    ALL,
    ROUTER,
    bridge,
    far,
    four,
    guard,
    namespace,
    near,
    plan,
    route,
    six,
    steps,
    vxlan,
)

change = msgspec.structs.replace


def test_nothing_to_do_is_an_empty_plan() -> None:
    assert not plan(ALL, ALL)


def test_links_are_born_down_and_come_up_after_the_ruleset_that_hooks_them() -> None:
    made = plan([], [bridge, vxlan, guard])
    down = change(vxlan, up=False)
    assert made.ops.index(Create(down)) < made.ops.index(Create(guard)) < made.ops.index(Replace(down, vxlan))


def test_a_namespace_comes_first_and_its_settings_before_its_links() -> None:
    forwarding = Sysctl(namespace=ROUTER, path="net/ipv4/ip_forward", value="1")
    leg = Sysctl(namespace=ROUTER, path="net/ipv4/conf/qr-1/rp_filter", value="0", link="qr-1")
    table = Ruleset(namespace=ROUTER, family="inet", table="onehop", body="\tchain a {\n\t}\n")
    made = steps(plan([], [leg, near, table, forwarding, namespace]))
    assert made == [
        ("create", namespace.key),
        ("create", forwarding.key),
        ("create", table.key),
        ("create", near.key),
        ("create", leg.key),
        ("replace", near.key),
    ]


def test_one_end_of_a_pair_makes_the_other_which_is_then_changed() -> None:
    made = steps(plan([], [namespace, bridge, near, far]))
    assert [step for step in made if step[1] in (near.key, far.key)].count(("create", near.key)) == 1
    assert ("create", far.key) not in made
    assert made[-1][0] == "replace"
    assert ("replace", far.key) in made


def test_routes_through_a_gateway_come_after_those_on_the_link_and_those_after_addresses() -> None:
    on_link = Route(namespace=ROUTER, destination="203.0.113.0/24", hops=(NextHop(link="qr-1"),))
    behind = Route(namespace=ROUTER, destination="10.9.0.0/16", hops=(NextHop("203.0.113.1", "qr-1"),))
    made = steps(plan([namespace, near], [namespace, near, four, behind, on_link]))
    assert made == [("create", four.key), ("create", on_link.key), ("create", behind.key)]


def test_what_is_gone_is_withdrawn_after_what_comes() -> None:
    old, new = (Rule(namespace=ROUTER, family=4, priority=n, table=7) for n in (1000, 1001))
    made = steps(plan([namespace, old], [namespace, new]))
    assert made == [("create", new.key), ("delete", old.key)]


def test_a_ruleset_goes_after_the_link_that_it_guards() -> None:
    assert steps(plan([bridge, vxlan, guard], [bridge])) == [("delete", vxlan.key), ("delete", guard.key)]


def test_an_address_is_withdrawn_before_the_ruleset_behind_it_changes() -> None:
    old = Ruleset(namespace=ROUTER, family="ip", table="onehop", body="\tchain a {\n\t}\n")
    new = change(old, body="")
    made = steps(plan([namespace, near, four, six, old], [namespace, near, four, new]))
    assert made == [("delete", six.key), ("replace", new.key)]


def test_what_goes_with_its_namespace_is_not_deleted_one_by_one() -> None:
    assert steps(plan(ALL, [bridge, vxlan, guard])) == [("delete", namespace.key)]


def test_what_goes_with_its_link_is_not_deleted_one_by_one() -> None:
    assert plan([namespace, near, far, four, six, route], [namespace]).ops in ((Delete(near),), (Delete(far),))


def test_an_address_moves_to_another_link() -> None:
    other = change(near, name="qr-2", spec=change(near.spec, peer_name="hr-2"))
    moved = Address(namespace=ROUTER, link="qr-2", address=four.address)
    made = steps(plan([namespace, near, other, four], [namespace, near, other, moved]))
    assert sorted(made) == [("create", moved.key), ("delete", four.key)]


def test_a_vni_is_free_before_another_device_takes_it() -> None:
    other = change(vxlan, name="vxlan-6")
    made = steps(plan([bridge, vxlan], [bridge, other]))
    assert made[:2] == [("delete", vxlan.key), ("create", other.key)]


def test_a_link_of_ours_leaves_the_name_of_a_far_end_to_come() -> None:
    squatter = change(bridge, name="hr-1")
    made = steps(plan([namespace, squatter], [namespace, near]))
    assert made[:2] == [("delete", squatter.key), ("create", near.key)]
