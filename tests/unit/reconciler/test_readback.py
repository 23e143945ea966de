"""Which objects tell, read one by one, whether a plan did all that it should."""

import msgspec
import pytest

from onehop.objects import ALL_ZERO, BridgePort, KernelObject, Link, Neighbour, Sysctl, Tap, VxlanFdb
from onehop.reconciler.plan import Create, Delete, Op, Plan, Replace
from onehop.reconciler.readback import FEW, by_namespace, named_alone
from tests.unit.reconciler.host import MARK, bridge, entry, four, guard, namespace, neighbour, route

tap = Link(namespace="", name="tap1", spec=Tap(), alias=MARK, mtu=1450, up=False, master="brq1", port=BridgePort())
risen = msgspec.structs.replace(tap, up=True)
tunnel = VxlanFdb(namespace="", link="vxlan-5", mac="02:00:00:00:00:07", vtep="192.0.2.2")
setting = Sysctl(namespace="", path="net/ipv4/conf/tap1/forwarding", value="0", link="tap1")


def test_a_new_port_is_told_by_what_its_plan_names_and_by_its_bridge() -> None:
    plan = Plan((Create(tap), Create(setting), Replace(tap, risen), Create(neighbour), Create(entry), Create(tunnel)))
    named = (tap, setting, neighbour, entry, tunnel)
    assert named_alone(plan) == {bridge.key, *(found.key for found in named)}


@pytest.mark.parametrize("gone", [neighbour, entry, tunnel, guard])
def test_a_withdrawn_entry_is_told_by_itself(gone: KernelObject) -> None:
    assert named_alone(Plan((Delete(gone),))) == {gone.key}


@pytest.mark.parametrize(
    "op",
    [
        Delete(tap),
        Replace(tap, risen),
        Create(setting),
        Create(namespace),
        Create(four),
        Delete(route),
        Create(msgspec.structs.replace(tunnel, mac=ALL_ZERO)),
    ],
)
def test_what_may_have_more_consequences_is_not_told_by_what_its_plan_names(op: Op) -> None:
    assert named_alone(Plan((Create(neighbour), op))) is None


def test_many_objects_are_not_read_one_by_one() -> None:
    many = [Neighbour(namespace="", link="brq1", address=f"10.0.2.{n}", mac="02:00:00:00:00:07") for n in range(FEW)]
    assert named_alone(Plan(tuple(map(Create, many)))) == {found.key for found in many}
    assert named_alone(Plan((*map(Create, many), Create(entry)))) is None


def test_keys_are_asked_for_where_they_are() -> None:
    keys = frozenset({neighbour.key, entry.key, tunnel.key})
    assert list(by_namespace(keys).items()) == [
        ("", {entry.key, tunnel.key}),
        ("qrouter-1", {neighbour.key}),
    ]
