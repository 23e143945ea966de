"""A small host to plan for, and short ways to ask."""

from collections.abc import Iterable

from onehop.objects import (
    Address,
    Bridge,
    BridgeFdb,
    BridgePort,
    KernelObject,
    Key,
    Link,
    Namespace,
    Neighbour,
    NextHop,
    Route,
    Ruleset,
    Veth,
    Vxlan,
    born_rules,
)
from onehop.reconciler import Create, Delete, Plan, diff

ROUTER = "qrouter-1"
MARK = "onehop net/1 network/1"

namespace = Namespace(namespace=ROUTER, mark="onehop router/1 router/1")
bridge = Link(namespace="", name="brq1", spec=Bridge(), alias=MARK, mac="fe:00:00:00:00:01", mtu=1450)
vxlan = Link(
    namespace="",
    name="vxlan-5",
    spec=Vxlan(5, "192.0.2.1", 4789),
    alias=MARK,
    mac="02:00:00:00:00:05",
    mtu=1450,
    master="brq1",
    port=BridgePort(),
)
near = Link(namespace=ROUTER, name="qr-1", spec=Veth("", "hr-1"), alias=MARK, mac="02:00:00:00:00:01", mtu=1450)
far = Link(
    namespace="",
    name="hr-1",
    spec=Veth(ROUTER, "qr-1"),
    alias=MARK,
    mac="02:00:00:00:00:81",
    mtu=1450,
    master="brq1",
    port=BridgePort(),
)
four = Address(namespace=ROUTER, link="qr-1", address="10.0.1.1/24")
six = Address(namespace=ROUTER, link="qr-1", address="fd00:1::1/64")
neighbour = Neighbour(namespace=ROUTER, link="qr-1", address="10.0.1.7", mac="02:00:00:00:00:07")
entry = BridgeFdb(namespace="", bridge="brq1", mac="02:00:00:00:00:01", port="hr-1")
route = Route(namespace=ROUTER, destination="192.168.7.0/24", hops=(NextHop("10.0.1.7", "qr-1"),))
guard = Ruleset(namespace="", family="netdev", table="onehop-net-1", body="\tchain a {\n\t}\n", devices=("vxlan-5",))

ALL = (namespace, bridge, vxlan, near, far, four, six, neighbour, entry, route, guard)


def state(*objects: KernelObject) -> dict[Key, KernelObject]:
    """Objects by key."""
    return {found.key: found for found in objects}


def plan(before: Iterable[KernelObject], after: Iterable[KernelObject], foreign: Iterable[Key] = ()) -> Plan:
    """The plan from one state to another; namespaces keep the rules that they are born with."""
    return diff(_with_rules(before), _with_rules(after), frozenset(foreign))


def _with_rules(objects: Iterable[KernelObject]) -> dict[Key, KernelObject]:
    found = list(objects)
    places = [place.namespace for place in found if isinstance(place, Namespace)]
    return state(*found, *(rule for place in places for rule in born_rules(place)))


def steps(made: Plan) -> list[tuple[str, Key]]:
    """What a plan does: ``create``, ``replace`` or ``delete``, and the key."""
    words = {Create: "create", Delete: "delete"}
    return [(words.get(type(op), "replace"), op.key) for op in made.ops]
