"""What a kernel shows: ours, foreign, and parts of it."""

import errno

import pytest
from msgspec.structs import replace as change

from onehop.kernel.base import Kernel
from onehop.objects import ALL_ZERO, Bridge, KernelObject, Key, Link, Namespace, Route, Rule, Ruleset, Vxlan
from onehop.reconciler.needs import links_of
from onehop.reconciler.plan import Create, Delete, Replace, Scope
from tests.contract import things
from tests.contract.hosts import Host
from tests.contract.things import ALL, PART, ROUTER, assert_there, carry_out, put, seen

FOREIGN_LINK = Link(namespace="", name="docker0", spec=Bridge(), alias="", mtu=1500)
FOREIGN_TUNNEL = Link(namespace=ROUTER, name="vx-1", spec=Vxlan(8, "192.0.2.1", 4789), alias="", mtu=1450)
BARE_LEG = Link(namespace=ROUTER, name="qt-1", spec=Vxlan(9, "192.0.2.1", 4789), alias="", mtu=1450, up=False)
FOREIGN_NAMESPACE = Namespace(namespace="qrouter-2", mark="")
FOREIGN_ROUTE = Route(namespace="", destination="10.99.0.0/16", metric=0, type="blackhole")
FOREIGN_RULE = Rule(namespace="", family=4, priority=500, table=9)
FOREIGN_TABLE = Ruleset(namespace="", family="inet", table="filter", body="\tchain a {\n\t}\n")
FOREIGN = (FOREIGN_LINK, FOREIGN_NAMESPACE, FOREIGN_ROUTE, FOREIGN_RULE, FOREIGN_TABLE)


def test_foreign_things_are_not_ours(host: Host) -> None:
    for found in FOREIGN:
        host.plant(found)
    put(host.kernel, *ALL)
    observed = host.kernel.observe(Scope(namespace=""))
    assert observed.objects.keys().isdisjoint(found.key for found in FOREIGN)
    assert observed.foreign == {FOREIGN_LINK.key, FOREIGN_NAMESPACE.key}


def test_the_host_lists_the_namespaces_that_are_ours(kernel: Kernel) -> None:
    put(kernel, *ALL)
    assert kernel.observe(Scope(namespace="")).objects[things.namespace.key] == things.namespace


def test_a_foreign_namespace_is_named_and_holds_nothing_of_ours(host: Host) -> None:
    host.plant(FOREIGN_NAMESPACE)
    observed = host.kernel.observe(Scope(namespace="qrouter-2"))
    assert not observed.objects
    assert observed.foreign == {FOREIGN_NAMESPACE.key}


@pytest.mark.parametrize("found", [FOREIGN_LINK, FOREIGN_NAMESPACE])
def test_the_name_of_something_foreign_cannot_be_had(host: Host, found: KernelObject) -> None:
    host.plant(found)
    wanted: KernelObject = Namespace(namespace="qrouter-2", mark=things.namespace.mark)
    if isinstance(found, Link):
        wanted = Link(namespace="", name="docker0", spec=Bridge(), alias="onehop net/1 network/1", mtu=1450)
    report = carry_out(host.kernel, Create(wanted))
    assert [failure.errno for failure in report.failed] == [errno.EEXIST]
    assert found.key in host.kernel.observe(Scope(namespace="")).foreign


def test_a_transit_leg_whose_maker_died_before_it_was_marked_is_ours(host: Host) -> None:
    put(host.kernel, things.namespace)
    host.plant(BARE_LEG)
    host.plant(FOREIGN_TUNNEL)
    observed = host.kernel.observe(Scope(namespace=ROUTER))
    assert FOREIGN_TUNNEL.key in observed.foreign
    found = observed.objects[BARE_LEG.key]
    wanted = change(BARE_LEG, alias=f"{PART} port/9", up=True)
    assert not carry_out(host.kernel, Replace(found, wanted)).failed
    assert_there(host.kernel, wanted)


def test_a_part_by_links_is_the_matching_part_of_all(kernel: Kernel) -> None:
    put(kernel, *ALL)
    for links in (["brq1", "vxlan-5", "hr-1", "tap1"], ["brq1"], ["vxlan-5"], ["tap1", "nowhere"]):
        part = kernel.observe(Scope(namespace="", links=frozenset(links), tables=frozenset())).objects
        assert part == matching(seen(kernel, ""), frozenset(links))


def matching(objects: dict[Key, KernelObject], links: frozenset[str]) -> dict[Key, KernelObject]:
    """The links by name, with what hangs on them."""
    part: dict[Key, KernelObject] = {}
    for key, found in objects.items():
        hangs_on = found.name if isinstance(found, Link) else next(iter(links_of(found)), "")
        if hangs_on in links and not isinstance(found, Ruleset):
            part[key] = found
    return part


def test_single_objects_are_the_matching_part_of_all(kernel: Kernel) -> None:
    put(kernel, *ALL)
    for name in ("", ROUTER):
        whole = {key: found for key, found in seen(kernel, name).items() if key[1] == name}
        assert kernel.observe(Scope(namespace=name, keys=frozenset(whole))).objects == whole
        for key, found in whole.items():
            assert kernel.observe(Scope(namespace=name, keys=frozenset({key}))).objects == {key: found}


def test_what_is_not_there_is_not_among_single_objects(kernel: Kernel) -> None:
    put(kernel, *ALL)
    absent = frozenset(
        {
            ("link", "", "tap2"),
            ("neighbour", "", "brq1", "10.0.1.8"),
            ("neighbour", "", "tap2", "10.0.1.7"),
            ("bridge_fdb", "", "brq1", "fa:16:3e:00:00:08"),
            ("vxlan_fdb", "", "vxlan-5", "fa:16:3e:00:00:08"),
            ("vxlan_fdb", "", "vxlan-5", ALL_ZERO, "192.0.2.9"),
            ("sysctl", "", "net/ipv4/conf/tap2/forwarding"),
            ("ruleset", "", "inet", "onehop-none"),
        }
    )
    for keys in (absent, *(frozenset({key}) for key in absent)):
        assert not kernel.observe(Scope(namespace="", keys=keys)).objects


def test_a_foreign_link_is_named_among_single_objects(host: Host) -> None:
    host.plant(FOREIGN_LINK)
    put(host.kernel, *ALL)
    observed = host.kernel.observe(Scope(namespace="", keys=frozenset({FOREIGN_LINK.key, things.bridge.key})))
    assert observed.objects == {things.bridge.key: things.bridge}
    assert observed.foreign == {FOREIGN_LINK.key}


def test_nothing_is_told_of_single_objects_in_a_foreign_namespace(host: Host) -> None:
    host.plant(FOREIGN_NAMESPACE)
    key = ("neighbour", "qrouter-2", "lo", "10.0.0.1")
    observed = host.kernel.observe(Scope(namespace="qrouter-2", keys=frozenset({key})))
    assert not observed.objects
    assert observed.foreign == {FOREIGN_NAMESPACE.key}


def test_a_part_by_tables_holds_those_tables_only(kernel: Kernel) -> None:
    put(kernel, *ALL)
    none = kernel.observe(Scope(namespace=ROUTER, tables=frozenset({("inet", "other")}))).objects
    assert things.table.key not in none
    one = kernel.observe(Scope(namespace=ROUTER, tables=frozenset({("inet", "onehop")}))).objects
    assert one[things.table.key] == things.table


def test_settings_are_read_where_somebody_asks(kernel: Kernel) -> None:
    put(kernel, *ALL)
    assert things.forwarding.key not in kernel.observe(Scope(namespace=ROUTER)).objects
    asked = frozenset({things.forwarding.path, "net/ipv4/conf/nowhere/rp_filter"})
    found = kernel.observe(Scope(namespace=ROUTER, sysctls=asked)).objects
    assert found[things.forwarding.key] == things.forwarding
    assert ("sysctl", ROUTER, "net/ipv4/conf/nowhere/rp_filter") not in found


def test_observing_changes_nothing(kernel: Kernel) -> None:
    put(kernel, *ALL)
    assert seen(kernel) == seen(kernel)


def test_a_foreign_route_of_the_same_key_is_left_alone(host: Host) -> None:
    host.plant(FOREIGN_ROUTE)
    carry_out(host.kernel, Delete(FOREIGN_ROUTE))
    report = carry_out(host.kernel, Create(FOREIGN_ROUTE))
    assert [failure.errno for failure in report.failed] == [errno.EEXIST]
