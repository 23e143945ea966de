"""What MemoryKernel does beyond the contract: failures on demand, counting, foreign hands."""

import errno

import msgspec
import pytest

from onehop.kernel.memory import MemoryKernel, PowerCutError
from onehop.objects import Address, Bridge, Link, Namespace, Rule, Ruleset, Veth
from onehop.reconciler import Create, Delete, Plan, Replace, Scope

HOST = Scope(namespace="")
bridge = Link(namespace="", name="brq1", spec=Bridge(), alias="onehop net/1 network/1", mtu=1450)
ports = [
    Link(namespace="", name=f"tap{n}", spec=Veth("vm", f"eth{n}"), alias=bridge.alias, mtu=1450, master="brq1")
    for n in (1, 2)
]
instance = Namespace(namespace="vm", mark="")


def host() -> MemoryKernel:
    kernel = MemoryKernel()
    kernel.plant(instance)
    return kernel


def creates(*objects: Link | Address) -> Plan:
    return Plan(tuple(Create(wanted) for wanted in objects))


def test_writes_are_counted_and_refusals_are_not() -> None:
    kernel = host()
    kernel.execute(creates(bridge, *ports))
    assert [failure.errno for failure in kernel.execute(creates(bridge)).failed] == [errno.EEXIST]
    assert kernel.writes == 3


def test_an_op_that_a_test_picks_is_refused_as_often_as_asked() -> None:
    kernel = host()
    kernel.fail(lambda op: op.key == bridge.key, errno.ENOMEM, times=1)
    report = kernel.execute(creates(bridge, ports[0]))
    assert [(failure.op.key, failure.errno) for failure in report.failed] == [(bridge.key, errno.ENOMEM)]
    assert report.skipped == (Create(ports[0]),)
    assert kernel.execute(creates(bridge, ports[0])).done == creates(bridge, ports[0]).ops


def test_the_nth_op_is_refused() -> None:
    kernel = host()
    kernel.fail_at(1, errno.EBUSY)
    report = kernel.execute(creates(bridge, *ports))
    assert [failure.op for failure in report.failed] == [Create(ports[0])]
    assert report.done == (Create(bridge), Create(ports[1]))


def test_after_a_power_cut_what_was_done_stays_and_the_next_plan_works() -> None:
    kernel = host()
    kernel.stop_after(1)
    with pytest.raises(PowerCutError):
        kernel.execute(creates(bridge, *ports))
    assert kernel.observe(HOST).objects.keys() == {bridge.key}
    assert kernel.execute(creates(*ports)).done == creates(*ports).ops


def test_healing_ends_all_failures() -> None:
    kernel = host()
    kernel.fail(lambda _op: True, errno.EIO)
    kernel.stop_after(0)
    kernel.heal()
    assert kernel.execute(creates(bridge)).done


def test_what_was_planted_by_others_is_foreign_by_its_mark_name_or_protocol() -> None:
    kernel = host()
    rule = Rule(namespace="", family=4, priority=500, table=9)
    kernel.plant(msgspec.structs.replace(bridge, alias="somebody's"))
    kernel.plant(rule, foreign=True)
    kernel.plant(Ruleset(namespace="", family="inet", table="filter", body=""))
    found = kernel.observe(HOST)
    assert not found.objects
    assert found.foreign == {bridge.key, instance.key}
    kernel.execute(Plan((Delete(rule),)))
    assert rule.key in kernel.world.spaces[""].rules


def test_what_is_uprooted_is_gone_and_told() -> None:
    kernel = host()
    kernel.execute(creates(bridge))
    told: list[tuple[str, str | None]] = []
    stop = kernel.watch(lambda namespace, link: told.append((namespace, link)))
    kernel.uproot(bridge)
    stop()
    assert told == [("", "brq1")]
    assert not kernel.observe(HOST).objects


def test_a_netdev_ruleset_with_a_missing_device_is_refused() -> None:
    kernel = host()
    guard = Ruleset(namespace="", family="netdev", table="onehop-net-1", body="\n", devices=("tap1",))
    assert [failure.errno for failure in kernel.execute(Plan((Create(guard),))).failed] == [errno.ENOENT]


def test_on_an_older_kernel_a_chain_dies_with_its_device() -> None:
    for outlives in (True, False):
        kernel = MemoryKernel(hooks_outlive_devices=outlives)
        kernel.plant(instance)
        guard = Ruleset(namespace="", family="netdev", table="onehop-net-1", body="\n", devices=("tap1",))
        kernel.execute(Plan((Create(bridge), Create(ports[0]), Create(guard), Delete(ports[0]))))
        assert (kernel.observe(HOST).objects[guard.key] == guard) == outlives


def test_an_address_keeps_its_scope_whatever_a_replacement_says() -> None:
    kernel = host()
    address = Address(namespace="", link="brq1", address="10.0.0.1/24")
    narrower = msgspec.structs.replace(address, scope="link")
    kernel.execute(Plan((Create(bridge), Create(address), Replace(address, narrower))))
    assert kernel.observe(HOST).objects[address.key] == address


def test_an_ipv6_address_stays_on_a_link_that_goes_down_where_the_setting_says_so() -> None:
    kernel = host()
    addresses = [Address(namespace="", link="brq1", address=text) for text in ("fd00::1/64", "fe80::1/64")]
    kernel.world.spaces[""].sysctls["net/ipv6/conf/all/keep_addr_on_down"] = "1"
    down = msgspec.structs.replace(bridge, up=False)
    kernel.execute(Plan((Create(bridge), *(Create(a) for a in addresses), Replace(bridge, down))))
    assert kernel.observe(HOST).objects.keys() == {bridge.key, addresses[0].key}
