"""What somebody does by hand to what is ours: each kind deleted wherever it stands, and changed in every way known."""

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

from onehop import objects
from onehop.net import naming
from onehop.net.identifier import RouterId
from onehop.objects import KernelObject
from tests.crash.changes import scene_of
from tests.crash.life import objects_of, wanted_of
from tests.crash.scenes import BRIDGE, Scene

BASE = scene_of()
WANTED = wanted_of(BASE)
OBJECTS = objects_of(WANTED)
PLACES = {key: name.partition("/")[0] for name, partition in WANTED.items() for key in partition.claims}
"""The kind of the partition that an object belongs to."""

ROUTER = naming.router_namespace(RouterId(Scene.router_id(1)))
BYSTANDER = naming.router_namespace(RouterId(Scene.router_id(7)))
DIRECTORY = "$DIRECTORY"
MORE = "one more"
Kind = TypeVar("Kind", bound=KernelObject)


class Hand(NamedTuple):
    """One thing that somebody does.

    Attributes:
        what: in words.
        item: the object of ours that it is done to, or beside which something is added.
        commands: each with the namespace that it runs in.
        told: the kernel tells of it.
    """

    what: str
    item: KernelObject
    commands: tuple[tuple[str, str], ...]
    told: bool = True

    @property
    def name(self) -> str:
        """For the test."""
        return f"{self.item.kind}: {self.what}"

    @property
    def destroys(self) -> str | None:
        """The namespace that goes, with all that others have in it."""
        gone = isinstance(self.item, objects.Namespace) and self.commands == deletion(self.item)
        return self.item.namespace if gone else None

    @property
    def adds(self) -> bool:
        """Whether it is another object that is put right: one that nobody wants."""
        return self.what.startswith(MORE)


def pick(kind: type[Kind], where: Callable[[Kind], bool] = lambda _: True) -> Kind:
    """The first wanted object of a kind for which something holds."""
    return next(item for item in OBJECTS.values() if isinstance(item, kind) and where(item))


def in_router(item: KernelObject) -> bool:
    """Whether it is in the router under test."""
    return item.namespace == ROUTER


def deletion(item: KernelObject) -> tuple[tuple[str, str], ...]:
    """The commands that take an object away; `DIRECTORY` stands for where namespaces are bound."""
    six = "-6 " if ":" in str(getattr(item, "destination", "")) or getattr(item, "family", 4) == 6 else ""
    match item:
        case objects.Namespace():
            path = f"{DIRECTORY}/{item.namespace}"
            return (("", f"umount {path}"), ("", f"rm {path}"))
        case objects.Link():
            command = f"ip link del {item.name}"
        case objects.Address():
            command = f"ip address del {item.address} dev {item.link}"
        case objects.Neighbour():
            command = f"ip neighbour del {item.address} dev {item.link}"
        case objects.BridgeFdb():
            command = f"bridge fdb del {item.mac} dev {item.port} master"
        case objects.VxlanFdb():
            command = f"bridge fdb del {item.mac} dev {item.link} dst {item.vtep} self"
        case objects.Route():
            command = f"ip {six}route del {item.destination} table {item.table} metric {item.metric}"
        case objects.Rule():
            command = f"ip {six}rule del priority {item.priority} table {item.table}"
        case objects.Ruleset():
            command = f"nft delete table {item.family} {item.table}"
        case _:
            raise NotImplementedError(item.kind)
    return ((item.namespace, command),)


def shape(item: KernelObject) -> tuple[object, ...]:
    """What tells objects of a kind apart when they are deleted: what they are, and where."""
    return item.kind, item.namespace == "", PLACES[item.key], type(getattr(item, "spec", None)), _family(item)


def _family(item: KernelObject) -> object:
    return (
        getattr(item, "family", None) if isinstance(item, objects.Rule | objects.Ruleset) else ":" in str(item.key[2:3])
    )


def deletions() -> Iterator[Hand]:
    """One of each shape is deleted; a setting cannot be."""
    done: set[tuple[object, ...]] = set()
    for item in OBJECTS.values():
        if not isinstance(item, objects.Sysctl) and item.namespace != BYSTANDER and shape(item) not in done:
            done.add(shape(item))
            where = f"in a {PLACES[item.key]} partition" if item.namespace == "" else "in a router"
            kind = type(getattr(item, "spec", item)).__name__.lower()
            family = f", {_family(item)}" if isinstance(item, objects.Rule | objects.Ruleset) else ""
            yield Hand(f"a {kind} {where}{family} is deleted", item, deletion(item))


TOLD_SETTINGS = ("ip_forward", "rp_filter", "forwarding")
"""Names of settings of which the kernel tells (RTM_NEWNETCONF)."""


def settings() -> Iterator[Hand]:
    """Each setting of a router gets another value."""
    for item in OBJECTS.values():
        if isinstance(item, objects.Sysctl) and in_router(item):
            other = "0" if item.value != "0" else "1"
            told = item.path.rpartition("/")[2] in TOLD_SETTINGS
            yield Hand(f"{item.path} is {other}", item, ((ROUTER, f"sysctl -qw {item.path}={other}"),), told)


def changes() -> Iterator[Hand]:
    """What is changed otherwise than by deleting it, or added beside it."""
    yield from _links()
    yield from _entries()
    yield from _routing()
    yield from _rulesets()


def _links() -> Iterator[Hand]:
    space = pick(objects.Namespace, in_router)
    yield Hand("its loopback is taken down", space, ((ROUTER, "ip link set lo down"),))
    tap = pick(objects.Link, lambda link: isinstance(link.spec, objects.Tap))
    bridge = pick(objects.Link, lambda link: isinstance(link.spec, objects.Bridge) and link.name == tap.master)
    vxlan = pick(objects.Link, lambda link: isinstance(link.spec, objects.Vxlan) and link.master == bridge.name)
    leg = pick(
        objects.Link,
        lambda link: in_router(link) and isinstance(link.spec, objects.Veth) and link.name.startswith("qr-"),
    )
    outer = pick(objects.Link, lambda link: link.name == "hr-" + leg.name.removeprefix("qr-"))
    for item, what, command in (
        (tap, "a port is taken down", f"ip link set {tap.name} down"),
        (tap, "a port leaves its bridge", f"ip link set {tap.name} nomaster"),
        (tap, "a port goes to another bridge", f"ip link set {tap.name} master {BRIDGE}"),
        (tap, "a port learns", f"bridge link set dev {tap.name} learning on"),
        (tap, "a port has another MTU", f"ip link set {tap.name} mtu 1280"),
        (bridge, "a bridge snoops", f"ip link set {bridge.name} type bridge mcast_snooping 1"),
        (bridge, "a bridge is taken down", f"ip link set {bridge.name} down"),
        (vxlan, "a tunnel device learns", f"ip link set {vxlan.name} type vxlan learning"),
        (vxlan, "a tunnel device asks everywhere", f"bridge link set dev {vxlan.name} neigh_suppress off"),
        (leg, "a leg is taken down", f"ip link set {leg.name} down"),
        (leg, "a leg has another MAC", f"ip link set {leg.name} address fa:16:3e:77:77:77"),
        (leg, "a leg has another MTU", f"ip link set {leg.name} mtu 1280"),
        (outer, "the outer end of a leg is renamed", f"ip link set {outer.name} down name hr-elsewhere"),
    ):
        yield Hand(what, item, ((item.namespace, command),))


def _entries() -> Iterator[Hand]:
    near = pick(objects.Neighbour, lambda item: in_router(item) and item.link.startswith("qr-"))
    address = pick(objects.Address, lambda item: in_router(item) and item.link == near.link and "." in item.address)
    learned = f"ip neighbour replace {near.address} dev {near.link}"
    here = pick(objects.BridgeFdb, lambda item: PLACES[item.key] == "net" and item.port.startswith("tap"))
    other = pick(objects.Link, lambda item: item.master == here.bridge and item.name != here.port)
    far = pick(objects.VxlanFdb, lambda item: item.namespace == "" and item.mac != "00:00:00:00:00:00")
    for item, what, command, told in (
        (address, MORE, f"ip address add 198.51.100.9/32 dev {address.link}", True),
        (address, "its connected route is deleted", f"ip route del {_subnet(address)} dev {address.link}", True),
        (near, "it has another MAC", f"{learned} lladdr fa:16:3e:77:77:77 nud permanent", True),
        (near, "it counts as learned", f"{learned} lladdr {near.mac} nud reachable", False),
        (
            near,
            MORE,
            f"ip neighbour add {_beside(near)} dev {near.link} lladdr fa:16:3e:7:7:7 nud permanent",
            True,
        ),
        (
            here,
            "it leads to another port",
            f"bridge fdb replace {here.mac} dev {other.name} master static sticky",
            True,
        ),
        (here, "it is not sticky", f"bridge fdb replace {here.mac} dev {here.port} master static", True),
        (here, MORE, f"bridge fdb add fa:16:3e:77:77:77 dev {here.port} master static", True),
        (far, "it leads to another host", f"bridge fdb replace {far.mac} dev {far.link} dst 192.0.2.77 self", True),
        (far, MORE, f"bridge fdb add fa:16:3e:77:77:77 dev {far.link} dst 192.0.2.77 self", True),
    ):
        yield Hand(what, item, ((item.namespace, command),), told)


def _routing() -> Iterator[Hand]:
    route = pick(objects.Route, lambda item: in_router(item) and bool(item.hops) and "." in item.destination)
    where = f"{route.destination} table {route.table} metric {route.metric}"
    born = pick(objects.Rule, lambda item: in_router(item) and item.family == 4 and item.priority == 32766)
    rule = pick(objects.Rule, lambda item: in_router(item) and item.family == 4 and not item.is_born)
    for item, what, command in (
        (route, "it leads nowhere", f"ip route replace blackhole {where} proto {naming.PROTOCOL}"),
        (route, f"{MORE} with our number", f"ip route add blackhole 10.66.0.0/16 proto {naming.PROTOCOL}"),
        (born, "one that the kernel made is deleted", "ip rule del priority 32766"),
        (rule, f"{MORE} with our number", f"ip rule add priority 7 lookup 7 protocol {naming.PROTOCOL}"),
    ):
        yield Hand(what, item, ((ROUTER, command),))


def _rulesets() -> Iterator[Hand]:
    north = pick(objects.Ruleset, lambda item: in_router(item) and item.family == "ip")
    secure = pick(objects.Ruleset, lambda item: item.family == "bridge")
    guard = pick(objects.Ruleset, lambda item: item.family == "netdev" and "-tap" in item.table)
    tap = guard.devices[0]
    hook = f"type filter hook ingress device {tap} priority filter; policy accept;"
    mapped = next(one for one in north.sets if one.name == "floating_in").elements[0]
    for item, what, command in (
        (north, "an element is deleted", f"delete element {{}} floating_in {{{{ {mapped.partition(' : ')[0]} }}}}"),
        (north, "an element is added", "add element {} here {{ 203.0.113.99 }}"),
        (north, "a set is emptied", "flush set {} inside"),
        (north, "a set is added", "add set {} extra {{ type ipv4_addr; }}"),
        (north, "a rule is added", "insert rule {} steer accept"),
        (north, "a chain is emptied", "flush chain {} from_outside"),
        (north, "a chain is added", "add chain {} extra"),
        (north, "the table sleeps", "add table {} {{ flags dormant; }}"),
        (secure, "a chain is emptied", "flush chain {} forward"),
        (secure, "the table is emptied", "flush table {}"),
        (guard, "the policy of a hook is changed", f"add chain {{}} from-{tap} {{{{ {hook} }}}}"),
        (guard, "a counter is added", "add counter {} extra"),
    ):
        nft = command.format(f"{item.family} {item.table}")
        yield Hand(f"{item.family}: {what}", item, ((item.namespace, f"nft '{nft}'"),))
    position = f"$(nft -a list chain ip {north.table} steer_ports | grep -o 'handle [0-9]*$' | tail -1)"
    yield Hand("ip: a rule is deleted", north, ((ROUTER, f"nft delete rule ip {north.table} steer_ports {position}"),))


def _subnet(address: objects.Address) -> str:
    return next(s.cidr for s in BASE.values if getattr(s, "gateway_ip", None) == address.address.partition("/")[0])


def _beside(near: objects.Neighbour) -> str:
    head, _, _ = near.address.rpartition("." if "." in near.address else ":")
    return f"{head}.250" if "." in near.address else f"{head}:250"
