"""Reading one namespace, or what hangs on some of its links, into values.

Filtered dumps keep the reading of one network cheap on a host with thousands of links.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from onehop.kernel import setting
from onehop.kernel.connected import with_lost_routes
from onehop.kernel.links import Links
from onehop.kernel.neighbourhood import Neighbourhood
from onehop.kernel.rulesets import Rulesets
from onehop.kernel.single import Singles, can_be_asked
from onehop.kernel.space import Space, Spaces
from onehop.net.naming import HOST, PROTOCOL
from onehop.objects import KernelObject, Key, Link, Namespace, Sysctl, link_codec, netlink
from onehop.objects.address import IFADDRMSG, Address
from onehop.objects.fdb import BridgeFdb, VxlanFdb
from onehop.objects.link_codec import LinkRecord
from onehop.objects.neighbour import NDA_MASTER, NDMSG, NTF_SELF
from onehop.objects.netlink import Found
from onehop.objects.route import RTMSG, Route
from onehop.objects.rule import FIB_RULE, Rule
from onehop.reconciler.plan import Observation, Scope

_FEW = 24
"""Up to so many links are asked one by one; for more, everything is read and the rest left out."""


class Observer:
    """Reads namespaces; belongs to the thread of its `Spaces`."""

    def __init__(self, spaces: Spaces, rulesets: Rulesets, neighbourhood: Neighbourhood) -> None:
        self._spaces = spaces
        self._links = Links(spaces)
        self._neighbourhood = neighbourhood
        self._rulesets = rulesets

    def observe(self, scope: Scope) -> Observation:
        """What `onehop.kernel.base.Kernel.observe` says."""
        space = self._spaces.open(scope.namespace)
        if space is None:
            return Observation()
        if scope.keys is not None and not all(map(can_be_asked, scope.keys)):
            return self._part(scope.namespace, scope.keys)
        objects: dict[Key, KernelObject] = {}
        foreign: set[Key] = set()
        found = None
        if scope.namespace != HOST:
            found = space.found()
            if found is None:
                return Observation(foreign=frozenset({(Namespace.kind, scope.namespace)}))
            if scope.keys is None or found.key in scope.keys:
                objects[found.key] = found
        if scope.keys is not None:
            singles = Singles(space, self._links, self._rulesets, scope.namespace != HOST)
            objects.update((item.key, item) for item in singles.read(scope.keys, foreign))
            return Observation(objects, frozenset(foreign))
        for item in self._read(space, scope, found is not None, foreign):
            objects[item.key] = item
        if scope.namespace == HOST and scope.links is None:
            for named in self._namespaces(foreign):
                objects[named.key] = named
        return Observation(objects, frozenset(foreign))

    def _part(self, namespace: str, keys: frozenset[Key]) -> Observation:
        """The objects of some keys, of which the kernel does not tell one by one: all are read."""
        paths = frozenset(str(key[2]) for key in keys if key[0] == Sysctl.kind)
        whole = self.observe(Scope(namespace=namespace, sysctls=paths))
        foreign = whole.foreign & (keys | {(Namespace.kind, namespace)})
        return Observation({key: whole.objects[key] for key in keys & whole.objects.keys()}, foreign)

    def _read(self, space: Space, scope: Scope, inside: bool, foreign: set[Key]) -> Iterator[KernelObject]:
        records = list(self._links.records(space, scope.links))
        names = {record.ifindex: record.name for record in records}
        ours: dict[int, LinkRecord] = {}
        for record, link in self._links.judged(space, records, names):
            if link is None:
                foreign.add((Link.kind, space.name, record.name))
            else:
                ours[record.ifindex] = record
                yield link
        hosts = {record.ifindex for record in records} - ours.keys()
        guests = {index for index, record in ours.items() if record.master in hosts}
        hanging = _hanging(space, scope, ours, guests, names, inside, self._neighbourhood)
        if scope.links is None:
            routes = _routes(space, inside)
            yield from with_lost_routes(routes, hanging, ours) if inside else hanging
            yield from _decoded(space, routes, Route.decode, names)
            rules = space.route.dump(netlink.GETRULE, FIB_RULE.pack(0, 0, 0, 0, 0, 0, 0, 0, 0))
            yield from _decoded(space, rules, Rule.decode, names)
        else:
            yield from hanging
        if scope.tables is None or scope.tables:
            yield from self._rulesets.observe(space, scope.tables)
        if scope.sysctls:
            space.enter()
            yield from setting.read(space.name, scope.sysctls)

    def _namespaces(self, foreign: set[Key]) -> Iterator[Namespace]:
        for name in self._spaces.names():
            space = self._spaces.open(name)
            if space is None:
                continue
            found = space.found()
            if found is None:
                foreign.add((Namespace.kind, name))
            else:
                yield found


def _hanging(
    space: Space,
    scope: Scope,
    ours: Mapping[int, LinkRecord],
    guests: set[int],
    names: dict[int, str],
    inside: bool,
    neighbourhood: Neighbourhood,
) -> Iterator[KernelObject]:
    """Addresses, neighbours and FDB entries of links that are ours.

    `guests` are ports of ours on bridges of others: what those know of them is ours, and nothing else there.
    """
    mine = {index: record.name for index, record in ours.items()}
    # A bridge's port has no part in IP: what somebody puts there has no effect.
    ends = {index: record.name for index, record in ours.items() if not record.master}
    if inside and scope.links is None:
        ends[link_codec.LOOPBACK] = "lo"
    each: Iterable[int] = ends if scope.links is not None and len(ends) <= _FEW else (0,) if ends else ()
    for index in each:
        found = space.route.dump(netlink.GETADDR, IFADDRMSG.pack(0, 0, 0, 0, index))
        yield from _decoded(space, found, Address.decode, ends)
    if ends:
        yield from neighbourhood.of(space, ends)
    bridges = {index for index, record in ours.items() if record.kind == "bridge"}
    vxlans = {index for index, record in ours.items() if record.kind == "vxlan"}
    if not bridges and not vxlans and not guests:
        return
    if scope.links is None:
        dumps = [NDMSG.pack(netlink.AF_BRIDGE, 0, 0, 0, 0)]
    else:
        # A bridge's dump holds its ports' own entries too.
        dumps = [NDMSG.pack(netlink.AF_BRIDGE, 0, 0, 0, 0) + netlink.u32(NDA_MASTER, index) for index in bridges]
        alone = {index for index in vxlans if ours[index].master not in bridges} | guests
        dumps += [NDMSG.pack(netlink.AF_BRIDGE, index, 0, 0, 0) for index in sorted(alone)]
    places = {mine[i] for i in bridges}, {mine[i] for i in guests}
    for body in dumps:
        yield from _fdb(space, body, places, {i: mine[i] for i in vxlans}, names)


def _fdb(
    space: Space, body: bytes, places: tuple[set[str], set[str]], vxlans: Mapping[int, str], names: dict[int, str]
) -> Iterator[KernelObject]:
    """Entries of our VXLAN devices and bridges, and those of our ports on others' bridges."""
    bridges, guests = places
    for message in space.route.dump(netlink.GETNEIGH, body):
        _, index, _, flags, _ = NDMSG.unpack_from(message.data, message.start)
        if flags & NTF_SELF:
            own = VxlanFdb.decode(message, space.name, vxlans)
            if own is not None:
                yield own
            continue
        if index not in names:
            names[index] = space.link_name(index) or f"index {index}"
        entry = BridgeFdb.decode(message, space.name, names)
        if entry is not None and (entry.bridge in bridges or entry.port in guests):
            yield entry


def _routes(space: Space, inside: bool) -> list[Found]:
    """All routes of a namespace of ours; only ours of the host, which may have a great many others."""
    if inside:
        return space.route.dump(netlink.GETROUTE, RTMSG.pack(0, 0, 0, 0, 0, 0, 0, 0, 0))
    bodies = (RTMSG.pack(f, 0, 0, 0, 0, PROTOCOL, 0, 0, 0) for f in (netlink.AF_INET, netlink.AF_INET6))
    return [found for body in bodies for found in space.route.dump(netlink.GETROUTE, body)]


Decode = Callable[[Found, str, Mapping[int, str]], KernelObject | None]


def _decoded(
    space: Space, messages: Iterable[Found], decode: Decode, names: Mapping[int, str]
) -> Iterator[KernelObject]:
    for message in messages:
        item = decode(message, space.name, names)
        if item is not None:
            yield item
