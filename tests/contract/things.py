"""Objects to put into a kernel: one small network and one router with a leg on it."""

import msgspec

from onehop.kernel.base import Kernel
from onehop.objects import (
    ALL_ZERO,
    Address,
    Bridge,
    BridgeFdb,
    BridgePort,
    KernelObject,
    Key,
    Link,
    NamedSet,
    Namespace,
    Neighbour,
    NextHop,
    Route,
    Rule,
    Ruleset,
    Sysctl,
    Tap,
    Veth,
    Vxlan,
    VxlanFdb,
)
from onehop.objects.agreement import agrees
from onehop.reconciler.plan import Create, Delete, Plan, Replace, Report, Scope

ROUTER = "qrouter-1"
NET, PART = "onehop net/1", "onehop router/1"

namespace = Namespace(namespace=ROUTER, mark=f"{PART} router/1")
forwarding = Sysctl(namespace=ROUTER, path="net/ipv4/ip_forward", value="1")
bridge = Link(namespace="", name="brq1", spec=Bridge(), alias=f"{NET} network/1", mac="fa:16:3e:00:00:b1", mtu=1450)
vxlan = Link(
    namespace="",
    name="vxlan-5",
    spec=Vxlan(vni=5, local="192.0.2.1", port=4789),
    alias=f"{NET} network/1",
    mac="fa:16:3e:00:00:05",
    mtu=1450,
    master="brq1",
    port=BridgePort(neigh_suppress=True),
)
tap = Link(
    namespace="",
    name="tap1",
    spec=Tap(),
    alias=f"{NET} port/1",
    mac="fa:16:3e:00:00:71",
    mtu=1450,
    master="brq1",
    port=BridgePort(flood=True),
)
near = Link(
    namespace=ROUTER,
    name="qr-1",
    spec=Veth("", "hr-1"),
    alias=f"{PART} port/2",
    mac="fa:16:3e:00:00:01",
    mtu=1450,
)
far = Link(
    namespace="",
    name="hr-1",
    spec=Veth(ROUTER, "qr-1"),
    alias=f"{NET} port/2",
    mac="fa:16:3e:00:00:81",
    mtu=1450,
    master="brq1",
    port=BridgePort(),
)
four = Address(namespace=ROUTER, link="qr-1", address="10.0.1.1/24")
six = Address(namespace=ROUTER, link="qr-1", address="fd00:1::1/64")
link_local = Address(namespace=ROUTER, link="qr-1", address="fe80::1/64", scope="link")
neighbour = Neighbour(namespace=ROUTER, link="qr-1", address="10.0.1.7", mac="fa:16:3e:00:00:07")
neighbour6 = Neighbour(namespace=ROUTER, link="qr-1", address="fd00:1::7", mac="fa:16:3e:00:00:07")
suppressed = Neighbour(namespace="", link="brq1", address="10.0.1.7", mac="fa:16:3e:00:00:07")
entry = BridgeFdb(namespace="", bridge="brq1", mac="fa:16:3e:00:00:07", port="vxlan-5")
tunnel = VxlanFdb(namespace="", link="vxlan-5", mac="fa:16:3e:00:00:07", vtep="192.0.2.2")
everybody = VxlanFdb(namespace="", link="vxlan-5", mac=ALL_ZERO, vtep="192.0.2.2")
everybody_else = VxlanFdb(namespace="", link="vxlan-5", mac=ALL_ZERO, vtep="192.0.2.3")
route = Route(namespace=ROUTER, destination="192.168.7.0/24", hops=(NextHop("10.0.1.7", "qr-1"),))
route6 = Route(namespace=ROUTER, destination="fd07::/64", hops=(NextHop("fd00:1::7", "qr-1"),))
several = Route(
    namespace=ROUTER,
    destination="192.168.8.0/24",
    hops=(NextHop("10.0.1.7", "qr-1"), NextHop("10.0.1.8", "qr-1", weight=3)),
)
blackhole = Route(namespace=ROUTER, destination="172.16.0.0/12", table=100, type="blackhole")
rule = Rule(namespace=ROUTER, family=4, priority=1000, table=100, mark=1, mask=255)
rule6 = Rule(namespace=ROUTER, family=6, priority=1001, table=100, source="fd00:1::/64", incoming="qr-1")
guard = Ruleset(
    namespace="",
    family="netdev",
    table="onehop-net-1",
    body=(
        "\tchain vxlan_in {\n"
        '\t\ttype filter hook ingress device "vxlan-5" priority filter; policy accept;\n'
        "\t\tarp saddr ip 10.0.1.1 counter drop\n"
        "\t}\n"
    ),
    devices=("vxlan-5",),
)
table = Ruleset(
    namespace=ROUTER,
    family="inet",
    table="onehop",
    sets=(
        NamedSet(
            "inside",
            ("ipv4_addr",),
            interval=True,
            elements=("10.0.1.0/24", "10.0.3.0/24", "10.0.5.0/24", "10.0.7.0/24", "10.0.9.0/24"),
        ),
    ),
    body=(
        "\tchain pre {\n"
        "\t\ttype filter hook prerouting priority raw; policy accept;\n"
        "\t\tip daddr @inside counter notrack\n"
        "\t}\n"
    ),
)

NETWORK: tuple[KernelObject, ...] = (
    bridge,
    vxlan,
    tap,
    guard,
    suppressed,
    entry,
    tunnel,
    everybody,
    everybody_else,
)
LEG: tuple[KernelObject, ...] = (namespace, forwarding, near, far, four, six, link_local, neighbour, neighbour6)
ROUTING: tuple[KernelObject, ...] = (table, route, route6, several, blackhole, rule, rule6)
ALL = (*NETWORK, *LEG, *ROUTING)


def carry_out(kernel: Kernel, *ops: Create | Replace | Delete) -> Report:
    """Carry out ops as one plan."""
    return kernel.execute(Plan(ops))


def put(kernel: Kernel, *objects: KernelObject) -> None:
    """Create objects as a planner would, and see that all went well."""
    ops: list[Create | Replace | Delete] = []
    born: dict[Key, Link] = {}
    for wanted in objects:
        if wanted.key in born:
            ops.append(Replace(born[wanted.key], wanted))
            continue
        ops.append(Create(wanted))
        if isinstance(wanted, Link) and wanted.far_end is not None:
            born[wanted.far_end.key] = wanted.far_end
    report = kernel.execute(Plan(tuple(ops)))
    assert not report.failed, report.failed
    assert not report.skipped


def take(kernel: Kernel, *objects: KernelObject) -> None:
    """Delete objects, and see that all went well."""
    report = kernel.execute(Plan(tuple(Delete(unwanted) for unwanted in objects)))
    assert not report.failed, report.failed
    assert not report.skipped


def seen(kernel: Kernel, *namespaces: str) -> dict[Key, KernelObject]:
    """All of ours in some namespaces; the host and the router where none are given."""
    found: dict[Key, KernelObject] = {}
    for name in namespaces or ("", ROUTER):
        sysctls = frozenset({forwarding.path}) if name else frozenset[str]()
        found.update(kernel.observe(Scope(namespace=name, sysctls=sysctls)).objects)
    return found


def assert_there(kernel: Kernel, *objects: KernelObject) -> None:
    """See that objects are there, just so."""
    found = seen(kernel)
    for wanted in objects:
        assert wanted.key in found, f"{wanted} is missing"
        assert agrees(found[wanted.key], wanted), f"found {found[wanted.key]}, wanted {wanted}"


def assert_gone(kernel: Kernel, *objects: KernelObject) -> None:
    """See that objects are not there."""
    found = seen(kernel)
    for unwanted in objects:
        assert unwanted.key not in found, f"{unwanted} is still there"


def with_elements(found: Ruleset, name: str, *elements: str) -> Ruleset:
    """A table with other elements in one of its sets."""
    sets = tuple(
        msgspec.structs.replace(one, elements=tuple(sorted(elements))) if one.name == name else one
        for one in found.sets
    )
    return msgspec.structs.replace(found, sets=sets)
