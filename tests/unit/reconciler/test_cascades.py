"""Plans for what the kernel does by itself."""

import msgspec

from onehop.objects import Address, NextHop, Route, Sysctl, Veth, Vxlan
from onehop.reconciler import Replace
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
    neighbour,
    plan,
    route,
    six,
    steps,
    vxlan,
)

change = msgspec.structs.replace


def test_a_new_mac_puts_the_neighbours_back() -> None:
    moved = change(near, mac="02:00:00:00:00:99")
    made = steps(plan(ALL, [moved if o is near else o for o in ALL]))
    assert made == [("replace", near.key), ("create", neighbour.key)]


def test_a_new_mtu_alias_or_port_setting_touches_nothing_else() -> None:
    for new in (change(near, mtu=1400), change(near, alias=MARK_TWO), change(far, port=None, master=None)):
        kept = [o for o in ALL if o is not entry]
        assert steps(plan(kept, [new if o.key == new.key else o for o in kept])) == [("replace", new.key)]


MARK_TWO = "onehop net/2 network/2"


def test_a_port_that_changes_its_bridge_gets_its_entries_there_and_keeps_none_behind() -> None:
    second = change(bridge, name="brq2")
    moved = change(far, master="brq2")
    there = change(entry, bridge="brq2")
    before = (namespace, bridge, second, near, far, entry)
    made = steps(plan(before, (namespace, bridge, second, near, moved, there)))
    assert made == [("replace", far.key), ("create", there.key)]


def test_a_link_recreated_as_another_kind_gets_back_all_that_hung_on_it() -> None:
    other = change(near, spec=Veth("", "hr-9"))
    made = steps(plan(ALL, [other if o is near else o for o in ALL if o is not far and o is not entry]))
    assert made[:2] == [("delete", near.key), ("create", near.key)]
    assert {key for word, key in made[2:] if word == "create"} == {four.key, six.key, neighbour.key, route.key}


def test_a_vxlan_device_changes_its_local_address_in_place_and_nothing_else_of_its_kind() -> None:
    moved = change(vxlan, spec=Vxlan(5, "192.0.2.9", 4789))
    assert plan([bridge, vxlan], [bridge, moved]).ops == (Replace(vxlan, moved),)
    for spec in (Vxlan(6, "192.0.2.1", 4789), Vxlan(5, "192.0.2.1", 8472), Vxlan(5, "2001:db8::1", 4789)):
        made = steps(plan([bridge, vxlan], [bridge, change(vxlan, spec=spec)]))
        assert made == [("delete", vxlan.key), ("create", vxlan.key), ("replace", vxlan.key)]


def test_a_hooked_device_that_is_recreated_gets_its_ruleset_again_before_it_comes_up() -> None:
    made = steps(plan([bridge, vxlan, guard], [bridge, change(vxlan, spec=Vxlan(6, "192.0.2.1", 4789)), guard]))
    assert made == [("delete", vxlan.key), ("create", vxlan.key), ("create", guard.key), ("replace", vxlan.key)]


def test_the_last_ipv4_address_that_changes_puts_routes_and_neighbours_back() -> None:
    other = Address(namespace=ROUTER, link="qr-1", address="10.0.1.2/24")
    made = steps(plan(ALL, [other if o is four else o for o in ALL]))
    assert made == [
        ("delete", four.key),
        ("create", other.key),
        ("create", neighbour.key),
        ("replace", route.key),  # it may have been spared
    ]


def test_with_the_first_address_of_a_subnet_the_later_ones_are_put_back() -> None:
    later = Address(namespace=ROUTER, link="qr-1", address="10.0.1.2/24")
    made = steps(plan([namespace, near, four, later], [namespace, near, later]))
    assert made == [("delete", four.key), ("create", later.key)]
    promote = Sysctl(namespace=ROUTER, path="net/ipv4/conf/all/promote_secondaries", value="1")
    made = steps(plan([namespace, near, promote, four, later], [namespace, near, promote, later]))
    assert made == [("delete", four.key)]


def test_an_address_with_another_scope_is_made_anew() -> None:
    made = steps(plan([namespace, near, four], [namespace, near, change(four, scope="link")]))
    assert made == [("delete", four.key), ("create", four.key)]


def test_an_ipv6_address_with_another_prefix_length_is_made_anew() -> None:
    wider = change(six, address="fd00:1::1/48")
    assert steps(plan([namespace, near, six], [namespace, near, wider])) == [
        ("delete", six.key),
        ("create", wider.key),
    ]


def test_a_route_from_an_address_that_moves_to_another_link_is_put_back() -> None:
    other = change(near, name="qr-2", spec=Veth("", "hr-2"))
    source = Address(namespace=ROUTER, link="qr-1", address="10.0.3.1/32")
    moved = change(source, link="qr-2")
    wanted = change(route, source="10.0.3.1")
    recreated = change(near, spec=Veth("", "hr-9"))
    before = (namespace, near, other, four, source, wanted)
    made = steps(plan(before, (namespace, recreated, other, four, moved, wanted)))
    assert made.index(("create", moved.key)) < made.index(("replace", wanted.key))


def test_a_link_that_goes_down_gets_neighbours_and_ipv6_addresses_back() -> None:
    down = change(near, up=False)
    made = steps(plan([namespace, near, four, six, neighbour], [namespace, down, four, six, neighbour]))
    assert made == [("replace", near.key), ("create", six.key), ("create", neighbour.key)]


def test_a_setting_of_all_links_puts_the_links_own_back() -> None:
    own = Sysctl(namespace=ROUTER, path="net/ipv4/conf/qr-1/forwarding", value="0", link="qr-1")
    off, on = (Sysctl(namespace=ROUTER, path="net/ipv4/ip_forward", value=value) for value in "01")
    made = steps(plan([namespace, near, own, off], [namespace, near, own, on]))
    assert made == [("replace", on.key), ("create", own.key)]


def test_an_ipv6_route_over_two_links_that_nobody_wants_is_deleted_although_one_link_goes() -> None:
    other = change(near, name="qr-2", spec=Veth("", "hr-2"))
    hops = (NextHop("fd00:1::7", "qr-1"), NextHop("fd00:2::7", "qr-2"))
    both = Route(namespace=ROUTER, destination="fd07::/64", hops=hops)
    made = steps(plan([namespace, near, other, both], [namespace, near]))
    assert made == [("delete", both.key), ("delete", other.key)]


def test_an_ipv6_route_that_may_have_kept_one_of_its_hops_is_replaced() -> None:
    other = change(near, name="qr-2", spec=Veth("", "hr-2"))
    second = Address(namespace=ROUTER, link="qr-2", address="fd00:2::1/64")
    hops = (NextHop("fd00:1::7", "qr-1"), NextHop("fd00:2::7", "qr-2"))
    both = Route(namespace=ROUTER, destination="fd07::/64", hops=hops)
    recreated = change(other, spec=Veth("", "hr-9"))
    made = plan([namespace, near, other, six, second, both], [namespace, near, recreated, six, second, both])
    assert made.ops[-1] == Replace(both, both)
