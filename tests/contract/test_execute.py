"""What a kernel does with single ops: each kind created, changed and deleted."""

import errno

import msgspec
import pytest

from onehop.kernel.base import Kernel
from onehop.objects import Address, Bridge, BridgePort, KernelObject, Link, NextHop, Route, Tap, Veth, Vxlan, born_rules
from onehop.reconciler.plan import Create, Delete, Replace, Scope
from tests.contract import things
from tests.contract.things import ALL, ROUTER, assert_gone, assert_there, carry_out, put, seen, take

change = msgspec.structs.replace

CHANGES: tuple[tuple[KernelObject, KernelObject], ...] = (
    (things.namespace, change(things.namespace, mark="onehop router/2 router/1")),
    (things.forwarding, change(things.forwarding, value="0")),
    (things.bridge, change(things.bridge, alias="onehop net/2 network/1")),
    (things.bridge, change(things.bridge, spec=Bridge(stp=True, mcast_snooping=True))),
    (things.bridge, change(things.bridge, spec=Bridge(tracked=True))),
    (change(things.bridge, spec=Bridge(tracked=True)), things.bridge),
    (things.tap, change(things.tap, mtu=1400)),
    (things.tap, change(things.tap, mac="fa:16:3e:00:00:99")),
    (things.tap, change(things.tap, up=False)),
    (things.tap, change(things.tap, master=None, port=None)),
    (things.tap, change(things.tap, port=BridgePort(learning=True, neigh_suppress=True))),
    (things.tap, change(things.tap, port=BridgePort(restrained=True))),
    (things.vxlan, change(things.vxlan, spec=Vxlan(vni=5, local="192.0.2.9", port=4789))),
    (things.vxlan, change(things.vxlan, spec=msgspec.structs.replace(things.vxlan.spec, learning=True))),
    (things.far, change(things.far, up=False, port=BridgePort(flood=True))),
    (things.neighbour, change(things.neighbour, mac="fa:16:3e:00:00:99")),
    (things.neighbour6, change(things.neighbour6, mac="fa:16:3e:00:00:99")),
    (things.entry, change(things.entry, port="tap1")),
    (things.tunnel, change(things.tunnel, vtep="192.0.2.9")),
    (things.route, change(things.route, hops=(NextHop("10.0.1.9", "qr-1"),))),
    (things.route6, change(things.route6, hops=(NextHop("fd00:1::9", "qr-1"),))),
    (things.several, change(things.several, hops=things.several.hops[:1])),
    (things.guard, change(things.guard, body=things.guard.body.replace("10.0.1.1", "10.0.1.2"))),
    (things.table, things.with_elements(things.table, "inside", "10.0.1.0/24", "10.0.8.0/24")),
)


def test_an_empty_host_holds_nothing(kernel: Kernel) -> None:
    assert not seen(kernel)


def test_what_was_created_is_seen_as_it_was_wanted(kernel: Kernel) -> None:
    put(kernel, *ALL)
    assert_there(kernel, *ALL)
    born = born_rules(things.ROUTER)
    assert set(seen(kernel)) == {wanted.key for wanted in (*ALL, *born)}


@pytest.mark.parametrize(("old", "new"), CHANGES, ids=[f"{o.kind}-{n}" for n, (o, _) in enumerate(CHANGES)])
def test_a_change_in_place_touches_nothing_else(kernel: Kernel, old: KernelObject, new: KernelObject) -> None:
    put(kernel, *ALL)
    report = carry_out(kernel, Replace(old, new))
    assert not report.failed, report.failed
    assert_there(kernel, new)
    leaves_bridge = isinstance(new, Link) and new.master is None and old.key == things.tap.key
    assert not leaves_bridge or new.key in seen(kernel)
    assert_there(kernel, *(other for other in ALL if other.key != old.key))


def test_a_change_back_and_forth_is_as_never_changed(kernel: Kernel) -> None:
    put(kernel, *ALL)
    before = seen(kernel)
    for old, new in CHANGES:
        report = carry_out(kernel, Replace(old, new), Replace(new, old))
        assert not report.failed, report.failed
    assert seen(kernel).keys() == before.keys()


@pytest.mark.parametrize("unwanted", [*things.ROUTING, things.four, things.six, things.neighbour, things.neighbour6])
def test_what_was_deleted_in_a_router_is_gone(kernel: Kernel, unwanted: KernelObject) -> None:
    put(kernel, *ALL)
    take(kernel, unwanted)
    assert_gone(kernel, unwanted)


@pytest.mark.parametrize(
    "unwanted",
    [things.suppressed, things.entry, things.tunnel, things.everybody, things.guard, things.tap],
)
def test_what_was_deleted_in_a_network_leaves_the_rest(kernel: Kernel, unwanted: KernelObject) -> None:
    put(kernel, *ALL)
    take(kernel, unwanted)
    assert_gone(kernel, unwanted)
    assert_there(kernel, *(other for other in ALL if other is not unwanted))


def test_everything_can_be_deleted_in_reverse_and_made_again(kernel: Kernel) -> None:
    for _ in range(2):
        put(kernel, *ALL)
        take(kernel, *(unwanted for unwanted in reversed(ALL) if unwanted is not things.forwarding))
        assert not seen(kernel)


def test_deleting_what_is_not_there_is_done(kernel: Kernel) -> None:
    unwanted = [other for other in ALL if other is not things.forwarding]
    take(kernel, *unwanted)
    put(kernel, things.bridge, things.vxlan, things.namespace, things.near)
    take(kernel, *(other for other in unwanted if not isinstance(other, Link) and other is not things.namespace))


def test_a_link_without_a_wanted_mac_gets_one(kernel: Kernel) -> None:
    wanted = change(things.bridge, mac=None)
    put(kernel, wanted)
    assert_there(kernel, wanted)


def test_a_link_can_be_made_down_and_brought_up_later(kernel: Kernel) -> None:
    down = change(things.tap, up=False)
    put(kernel, things.bridge, down)
    assert_there(kernel, down)
    carry_out(kernel, Replace(down, things.tap))
    assert_there(kernel, things.tap)


def test_either_end_of_a_pair_makes_both(kernel: Kernel) -> None:
    put(kernel, things.namespace, things.bridge)
    for wanted in (things.near, things.far):
        put(kernel, wanted)
        end = wanted.far_end
        assert end is not None
        assert_there(kernel, wanted, end)
        take(kernel, wanted)
        assert_gone(kernel, wanted, end)


def test_an_instance_gets_its_end_with_its_mac(kernel: Kernel) -> None:
    instance = change(things.namespace, namespace="instance-1", mark="onehop test/1 instance/1")
    wanted = change(things.tap, spec=Veth("instance-1", "eth0", "fa:16:3e:00:00:aa"))
    put(kernel, instance, things.bridge, wanted)
    assert_there(kernel, wanted)
    inside = seen(kernel, "instance-1")[("link", "instance-1", "eth0")]
    assert isinstance(inside, Link)
    assert inside.mac == "fa:16:3e:00:00:aa"
    assert inside.mtu == wanted.mtu


def test_a_link_cannot_become_another_kind_in_place(kernel: Kernel) -> None:
    put(kernel, things.bridge, things.tap)
    report = carry_out(kernel, Replace(things.tap, change(things.tap, spec=Vxlan(5, "192.0.2.1", 4789))))
    assert [failure.errno for failure in report.failed] == [errno.EOPNOTSUPP]
    assert_there(kernel, things.tap)


def test_a_link_can_be_recreated_as_another_kind_in_one_plan(kernel: Kernel) -> None:
    put(kernel, things.bridge, things.vxlan)
    other = change(things.vxlan, spec=Tap())
    report = carry_out(kernel, Delete(things.vxlan), Create(other))
    assert not report.failed
    assert_there(kernel, other)


def test_a_route_through_an_unreachable_gateway_is_refused(kernel: Kernel) -> None:
    put(kernel, *things.LEG[:3], things.bridge, things.far, things.four, things.six)
    report = carry_out(
        kernel,
        Create(Route(namespace=ROUTER, destination="192.0.2.0/24", hops=(NextHop("203.0.113.1", "qr-1"),))),
        Create(Route(namespace=ROUTER, destination="fd99::/64", hops=(NextHop("fd66::1", "qr-1"),))),
    )
    assert [failure.errno for failure in report.failed] == [errno.ENETUNREACH, errno.EHOSTUNREACH]


def test_a_route_on_a_link_that_is_down_is_refused(kernel: Kernel) -> None:
    put(kernel, things.namespace, change(things.near, up=False), things.four)
    report = carry_out(kernel, Create(things.route))
    assert [failure.op for failure in report.failed] == [Create(things.route)]
    assert report.failed[0].errno in (errno.ENETDOWN, errno.ENETUNREACH)


def test_addresses_and_neighbours_are_taken_by_a_link_that_is_down(kernel: Kernel) -> None:
    down = change(things.near, up=False)
    put(kernel, things.namespace, down, things.four, things.six, things.neighbour, things.neighbour6)
    assert_there(kernel, down, things.four, things.six, things.neighbour, things.neighbour6)


def test_each_failure_names_its_object_and_the_others_are_done(kernel: Kernel) -> None:
    put(kernel, things.namespace, things.near, things.bridge, things.far)
    bad = Address(namespace=ROUTER, link="qr-9", address="10.9.9.1/24")
    stray = change(things.route, destination="192.168.99.0/24", hops=(NextHop("203.0.113.1", "qr-1"),))
    report = carry_out(kernel, Create(things.four), Create(bad), Create(stray), Create(things.neighbour))
    assert [failure.op for failure in report.failed] == [Create(bad), Create(stray)]
    assert [failure.errno for failure in report.failed] == [errno.ENODEV, errno.ENETUNREACH]
    assert report.done == (Create(things.four), Create(things.neighbour))
    assert_there(kernel, things.four, things.neighbour)


def test_what_needs_something_that_failed_is_skipped(kernel: Kernel) -> None:
    lost = change(things.near, namespace="qrouter-9")
    address = change(things.four, namespace="qrouter-9")
    report = carry_out(kernel, Create(lost), Create(address), Create(things.bridge))
    assert [failure.op for failure in report.failed] == [Create(lost)]
    assert report.skipped == (Create(address),)
    assert report.done == (Create(things.bridge),)


def test_a_link_stays_down_when_its_ruleset_failed(kernel: Kernel) -> None:
    down = change(things.vxlan, up=False)
    body = things.guard.body.replace("ip 10.0.1.1", "ip @nowhere")
    bad = change(things.guard, devices=("vxlan-5", "nowhere"), body=body)
    put(kernel, things.bridge)
    report = carry_out(kernel, Create(down), Create(bad), Replace(down, things.vxlan))
    assert [failure.op for failure in report.failed] == [Create(bad)]
    assert report.skipped == (Replace(down, things.vxlan),)
    assert_there(kernel, down)


def test_one_refused_ruleset_takes_no_other_along(kernel: Kernel) -> None:
    good = [change(things.table, table=f"onehop-{number}") for number in range(3)]
    body = things.guard.body.replace("ip 10.0.1.1", "ip @nowhere")
    bad = change(things.guard, namespace=ROUTER, devices=("nowhere",), body=body)
    put(kernel, things.namespace)
    report = carry_out(kernel, *map(Create, (good[0], bad, *good[1:])))
    assert [failure.op for failure in report.failed] == [Create(bad)]
    assert report.done == tuple(map(Create, good))
    assert_there(kernel, *good)


def test_rulesets_that_are_there_and_new_ones_go_together(kernel: Kernel) -> None:
    put(kernel, things.namespace, things.table)
    changed = things.with_elements(things.table, "inside", "10.0.1.0/24", "10.0.11.0/24")
    new = [change(things.table, table=f"onehop-{number}") for number in range(2)]
    report = carry_out(kernel, Create(new[0]), Replace(things.table, changed), Create(new[1]))
    assert not report.failed
    assert_there(kernel, changed, *new)


def test_two_vxlan_devices_cannot_have_one_vni_and_port(kernel: Kernel) -> None:
    put(kernel, things.bridge, things.vxlan)
    report = carry_out(kernel, Create(change(things.vxlan, name="vxlan-6")))
    assert [failure.errno for failure in report.failed] == [errno.EEXIST]


def test_a_namespace_that_does_not_exist_holds_nothing(kernel: Kernel) -> None:
    found = kernel.observe(Scope(namespace="qrouter-9"))
    assert not found.objects
    assert not found.foreign
