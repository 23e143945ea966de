"""What is ours in somebody else's place, and what the kernel puts into ours."""

from onehop.kernel.base import Kernel
from onehop.objects import Bridge, BridgeFdb, BridgePort, Link, Rule, Tap, born_rules
from onehop.reconciler.plan import Create, Delete, Scope
from tests.contract import things
from tests.contract.hosts import Host
from tests.contract.things import assert_gone, assert_there, carry_out, put, seen

PROVIDER = Link(namespace="", name="br-ex", spec=Bridge(), alias="", mtu=1500, up=False)
GUEST = Link(
    namespace="",
    name="hg-1",
    spec=Tap(),
    alias="onehop gate/1 port/1",
    mac="fa:16:3e:00:00:99",
    mtu=1500,
    master="br-ex",
    port=BridgePort(),
)
ENTRY = BridgeFdb(namespace="", bridge="br-ex", mac="fa:16:3e:00:00:98", port="hg-1")


def test_an_entry_for_a_port_of_ours_on_a_foreign_bridge_is_seen(host: Host) -> None:
    host.plant(PROVIDER)
    put(host.kernel, GUEST, ENTRY)
    assert_there(host.kernel, GUEST, ENTRY)
    for links in (frozenset({"hg-1", "br-ex"}), None):
        found = host.kernel.observe(Scope(namespace="", links=links, tables=frozenset()))
        assert found.objects[ENTRY.key] == ENTRY
        assert PROVIDER.key in found.foreign
        assert PROVIDER.key not in found.objects
    asked = host.kernel.observe(Scope(namespace="", keys=frozenset({ENTRY.key, PROVIDER.key})))
    assert asked.objects == {ENTRY.key: ENTRY}
    assert asked.foreign == {PROVIDER.key}
    report = carry_out(host.kernel, Delete(ENTRY))
    assert not report.failed
    assert_gone(host.kernel, ENTRY)


def test_a_namespace_of_ours_has_the_kernels_rules_as_ours(kernel: Kernel) -> None:
    put(kernel, things.namespace)
    rules = {key: found for key, found in seen(kernel).items() if isinstance(found, Rule)}
    assert rules == {rule.key: rule for rule in born_rules(things.ROUTER)}


def test_a_rule_of_the_kernel_moves_and_comes_back(kernel: Kernel) -> None:
    put(kernel, things.namespace)
    first = born_rules(things.ROUTER)[0]
    behind = Rule(namespace=things.ROUTER, family=4, priority=100, table=first.table)
    for ops in ((Create(behind), Delete(first)), (Create(first), Delete(behind)), (Create(behind), Delete(first))):
        report = carry_out(kernel, *ops)
        assert not report.failed, report.failed
        assert_there(kernel, ops[0].object)
        assert_gone(kernel, ops[1].object)


def test_the_hosts_own_rules_are_not_ours(kernel: Kernel) -> None:
    assert not [found for found in seen(kernel, "").values() if isinstance(found, Rule)]
