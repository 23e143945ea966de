"""What one host holds, indexed for looking up: its namespaces with links, addresses, routes and tables; its FDBs."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from onehop.errors import UnknownRuleError
from onehop.net import address, naming
from onehop.net.identifier import HostName
from onehop.objects import (
    Address,
    BridgeFdb,
    KernelObject,
    Link,
    Namespace,
    Neighbour,
    Route,
    Rule,
    Ruleset,
    Sysctl,
    Vxlan,
    VxlanFdb,
    born_rules,
)
from onehop.verify.nft.parse import parse
from onehop.verify.nft.value import Chain, Table


class Space:
    """A network namespace.

    Attributes:
        host: whose it is.
        name: under ``/run/netns``; ``""`` is the host's own.
        links: by name.
        addresses: with prefix length, by link, in the order of their declaration.
        neighbours: (link, address) → MAC, those that are declared.
        routes: by table; `Space` adds those that come with addresses.
        rules: by priority.
        tables: of nftables.
        forwards: IP versions that it forwards.
        outer: it stands for somebody else: an instance, or the outside.
        known_routes: by table, with those of addresses: kept by `onehop.verify.route`, which first asks for them when
            nothing is added any more.
        everything: any address is its own: it is the rest of the world.
    """

    def __init__(self, host: HostName, name: str, objects: Iterable[KernelObject] = ()) -> None:
        self.host = host
        self.name = name
        self.links: dict[str, Link] = {}
        self.addresses: dict[str, list[Address]] = defaultdict(list)
        self.neighbours: dict[tuple[str, str], str] = {}
        self.routes: dict[int, list[Route]] = defaultdict(list)
        self.tables: list[Table] = []
        self.forwards: set[int] = set()
        self.outer = False
        self.everything = False
        self._sysctls: dict[str, str] = {}
        self._tracks: dict[int, bool] = {}
        self.known_routes: dict[int, list[Route]] = {}
        rules: list[Rule] = []
        for one in objects:
            self._add(one, rules)
        self.rules = sorted(rules or born_rules(name), key=lambda rule: rule.priority)

    def _add(self, one: KernelObject, rules: list[Rule]) -> None:
        if isinstance(one, Link):
            self.links[one.name] = one
        elif isinstance(one, Address):
            self.addresses[one.link].append(one)
        elif isinstance(one, Neighbour):
            self.neighbours[one.link, one.address] = one.mac
        elif isinstance(one, Route):
            self.routes[one.table].append(one)
        elif isinstance(one, Rule):
            rules.append(one)
        elif isinstance(one, Ruleset):
            self.tables.append(parse(one))
        elif isinstance(one, Sysctl):
            self._sysctls[one.path] = one.value
            for version, path in ((4, "net/ipv4/ip_forward"), (6, "net/ipv6/conf/all/forwarding")):
                if one.path == path and one.value == "1":
                    self.forwards.add(version)

    def setting(self, path: str, link: str) -> int:
        """The larger of a setting of a link and of ``all``: ``net/ipv4/conf/{}/rp_filter``."""
        return max(int(self._sysctls.get(path.format(name), "0")) for name in (link, "all"))

    def said(self, path: str) -> str:
        """A setting as it is declared; empty where it is not."""
        return self._sysctls.get(path, "")

    @property
    def owned(self) -> list[str]:
        """Every address of its own."""
        return [bare(one) for links in self.addresses.values() for one in links]

    def own(self, ip: str, link: str | None = None) -> bool:
        """Whether an address is one of this namespace, or of one of its links."""
        links = self.addresses if link is None else (link,)
        return any(bare(one) == ip for name in links for one in self.addresses.get(name, ()))

    def chains(self, families: frozenset[str], hook: str, device: str = "") -> list[tuple[Table, Chain]]:
        """Base chains of a hook (of a device), by priority."""
        found = [
            (table, chain)
            for table in self.tables
            if table.family in families
            for chain in table.chains.values()
            if chain.hook and chain.hook.name == hook and (not device or device in chain.hook.devices)
        ]
        return sorted(found, key=lambda pair: pair[1].hook.priority if pair[1].hook else 0)

    def tracks(self, version: int) -> bool:
        """Whether a rule asks for connection tracking of an IP version: only then there is any."""
        if version not in self._tracks:
            families = {"inet", "ip" if version == 4 else "ip6"}
            self._tracks[version] = any(
                table.reads("ct ") or any(c.hook and c.hook.type == "nat" for c in table.chains.values())
                for table in self.tables
                if table.family in families
            )
        return self._tracks[version]


class Machine:
    """A host.

    Attributes:
        name: the host's.
        spaces: namespaces by name.
        fdb: by bridge: MAC → port.
        vxlan_fdb: by (namespace, device): MAC → VTEPs.
        physical: bridge → physical network that it leads to.
    """

    def __init__(self, name: HostName, objects: Iterable[KernelObject], physical: Mapping[str, str]) -> None:
        objects = list(objects)
        self.name = name
        self.physical = dict(physical)
        self.fdb: dict[str, dict[str, str]] = defaultdict(dict)
        self.vxlan_fdb: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        found: dict[str, list[KernelObject]] = {naming.HOST: []}
        for one in objects:
            if isinstance(one, BridgeFdb):
                self.fdb[one.bridge][one.mac] = one.port
            elif isinstance(one, VxlanFdb):
                self.vxlan_fdb[one.namespace, one.link][one.mac].append(one.vtep)
            elif isinstance(one, Namespace):
                found.setdefault(one.namespace, [])
            else:
                found.setdefault(one.namespace, []).append(one)
        known = {one.namespace for one in objects if isinstance(one, Namespace)} | {naming.HOST}
        strange = sorted(found.keys() - known)
        if strange:
            raise UnknownRuleError(f"something is to be in the namespace {strange[0]} on {name}, which nobody makes")
        self.spaces = {space: Space(name, space, objects) for space, objects in found.items()}
        self._ports: dict[str, list[Link]] = defaultdict(list)
        for link in self.spaces[naming.HOST].links.values():
            if link.master is not None:
                self._ports[link.master].append(link)

    def ports(self, bridge: str) -> list[Link]:
        """Ports of a bridge that are ours."""
        return self._ports[bridge]

    def vxlans(self, vni: int) -> list[tuple[Space, Link, Vxlan]]:
        """VXLAN devices of a VNI, in whatever namespace they are (they receive in the host's)."""
        return [
            (space, link, link.spec)
            for space in self.spaces.values()
            for link in space.links.values()
            if isinstance(link.spec, Vxlan) and link.spec.vni == vni
        ]


def bare(one: Address) -> str:
    """The address without its prefix length."""
    return one.address.partition("/")[0]


def prefix(one: Address) -> str:
    """The prefix of an address: ``10.0.0.0/24``."""
    return address.parse_prefix(one.address, strict=False)
