"""What a kernel will hold after some ops, with all that Linux does by itself on the way.

A pessimist: what Linux *may* take away (secondary addresses, IPv6 addresses of a link that went down, a chain whose
device went, …) counts as gone, so that it is put there again, and stays in `doubtful`, so that it is deleted where
nobody wants it. It refuses nothing: whether an op is allowed is decided by a kernel.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

import msgspec

from onehop.net.address import parse_prefix, version
from onehop.objects import (
    Address,
    BridgeFdb,
    KernelObject,
    Key,
    Link,
    Namespace,
    Neighbour,
    Route,
    Ruleset,
    Sysctl,
    born_rules,
)
from onehop.reconciler.needs import links_of, peer_key
from onehop.reconciler.plan import Create, Delete, Op, Replace

_Place = tuple[str, str]
"""Namespace and link name, or namespace and IP address."""


@lru_cache(maxsize=65536)
def subnet_of(address: str) -> str:
    """The prefix in which an address with prefix length lies: ``10.0.0.0/24`` of ``10.0.0.1/24``."""
    return parse_prefix(address, strict=False)


def ip_of(address: str) -> str:
    """The address without its prefix length."""
    return address.partition("/")[0]


class _Index:
    """Keys by place. It only grows: whoever reads one asks whether the key still holds."""

    def __init__(self, objects: Mapping[Key, KernelObject]) -> None:
        self.inside: defaultdict[str, dict[Key, None]] = defaultdict(dict)
        self.on: defaultdict[_Place, dict[Key, None]] = defaultdict(dict)
        self.ports: defaultdict[_Place, dict[Key, None]] = defaultdict(dict)
        self.sources: defaultdict[_Place, dict[Key, None]] = defaultdict(dict)
        for key, found in objects.items():
            self.note(key, found)

    def note(self, key: Key, wanted: KernelObject) -> None:
        """Take a key in."""
        namespace = wanted.namespace
        self.inside[namespace][key] = None
        if type(wanted) is Link:
            if wanted.master is not None:
                self.ports[(namespace, wanted.master)][key] = None
            return
        for link in links_of(wanted):
            self.on[(namespace, link)][key] = None
        if type(wanted) is Route and wanted.source is not None:
            self.sources[(namespace, wanted.source)][key] = None


class Simulation:
    """The state of a kernel, as far as one can foresee it.

    Args:
        objects: what was observed.
        lost: called with the key of everything that goes or is spoiled without having been asked for.

    Attributes:
        objects: what surely is there, by key.
        doubtful: what may be there or not, by key; never in `objects` at the same time.
    """

    def __init__(self, objects: Iterable[KernelObject], lost: Callable[[Key], None]) -> None:
        self.objects: dict[Key, KernelObject] = {}
        self.doubtful: dict[Key, KernelObject] = {}
        self._lost = lost
        # Settings that `_spoil_settings` may spoil, by namespace; asked for with every new router.
        self._of_links: defaultdict[str, dict[Key, None]] = defaultdict(dict)
        self._made: _Index | None = None
        for found in objects:
            self._put(found.key, found)

    def apply(self, op: Op, key: Key) -> None:
        """Let one op happen, which touches `key`."""
        # `type(…) is` takes a fifth of isinstance: this is done for every op of every plan. No kind has subclasses.
        if type(op) is Delete:
            self.doubtful.pop(key, None)
            if self.objects.pop(key, None) is not None:
                self._follow(op.object)
            return
        wanted = op.new if isinstance(op, Replace) else op.object
        self._put(key, wanted)
        if type(wanted) is Sysctl:
            self._spoil_settings(wanted)
        elif type(wanted) is Namespace and isinstance(op, Create):
            for rule in born_rules(wanted.namespace):
                self._put(rule.key, rule)
        elif type(wanted) is Link:
            if isinstance(op, Replace):
                assert isinstance(op.old, Link)  # noqa: S101 - equal keys are of one kind
                self._change_link(op.old, wanted)
            elif (far_end := wanted.far_end) is not None:
                self._put(far_end.key, far_end)

    def on(self, namespace: str, link: str) -> list[KernelObject]:
        """What surely hangs on a link."""
        return [found for found in self._read(self._index.on.get((namespace, link))) if link in links_of(found)]

    def inside(self, namespace: str) -> list[KernelObject]:
        """What surely is in a namespace, itself included."""
        return self._read(self._index.inside.get(namespace))

    def _read(self, index: dict[Key, None] | None) -> list[KernelObject]:
        return [self.objects[key] for key in index if key in self.objects] if index else []

    def _put(self, key: Key, wanted: KernelObject) -> None:
        if self._made is not None:
            self._made.note(key, wanted)
        if type(wanted) is Sysctl and wanted.link is not None:
            self._of_links[wanted.namespace][key] = None
        if self.doubtful:
            self.doubtful.pop(key, None)
        self.objects[key] = wanted

    @property
    def _index(self) -> "_Index":
        """What hangs on what: made when somebody first asks, for a plan that only builds needs none."""
        if self._made is None:
            self._made = _Index(self.objects)
        return self._made

    def _lose(self, found: KernelObject, certain: bool = True) -> None:
        key = found.key
        if self.objects.pop(key, None) is None:
            return
        if not certain:
            self.doubtful[key] = found
        self._lost(key)
        if isinstance(found, Address):
            self._strip_source(found)

    def _follow(self, gone: KernelObject) -> None:
        """What goes with an object that was deleted."""
        if isinstance(gone, Namespace):
            for inner in self.inside(gone.namespace):
                self._lose(inner)
                if isinstance(inner, Link):
                    self._lose_far_end(inner)
        elif isinstance(gone, Link):
            self._strip_link(gone)
            self._lose_far_end(gone)
        elif isinstance(gone, Address):
            self._strip_subnet(gone)
            self._strip_source(gone)

    def _lose_far_end(self, link: Link) -> None:
        key = peer_key(link)
        far_end = None if key is None else self.objects.get(key)
        if isinstance(far_end, Link) and peer_key(far_end) == link.key:
            self._lose(far_end)
            self._strip_link(far_end)

    def _strip_link(self, gone: Link) -> None:
        """A link is gone: so is what hung on it, and its ports are free."""
        for hanging in self.on(gone.namespace, gone.name):
            # A netdev chain dies with its device on older kernels and outlives it on newer ones; an IPv6 route over
            # several links keeps the others.
            shared = isinstance(hanging, Route) and len(hanging.hops) > 1
            self._lose(hanging, certain=not shared and not isinstance(hanging, Ruleset))
        for port in self._read(self._index.ports.get((gone.namespace, gone.name))):
            if isinstance(port, Link) and port.master == gone.name:
                self.objects[port.key] = msgspec.structs.replace(port, master=None, port=None)
                self._lost(port.key)

    def _change_link(self, old: Link, new: Link) -> None:
        new_mac = new.mac is not None and new.mac != old.mac
        went_down = old.up and not new.up
        moved = old.master is not None and old.master != new.master
        if not (new_mac or went_down or moved):
            return
        for hanging in self.on(new.namespace, new.name):
            if isinstance(hanging, Neighbour):
                if new_mac or went_down:  # neigh_changeaddr and neigh_ifdown take permanent entries too
                    self._lose(hanging)
            elif isinstance(hanging, BridgeFdb):
                if moved and hanging.port == new.name:
                    self._lose(hanging)
            elif not went_down:
                continue
            elif isinstance(hanging, Route):
                self._lose(hanging, certain=len(hanging.hops) == 1)
            elif isinstance(hanging, Address) and version(hanging.address) == 6:
                self._lose(hanging, certain=False)  # net.ipv6.conf.*.keep_addr_on_down may keep it

    def _strip_subnet(self, gone: Address) -> None:
        """An IPv4 address is gone: perhaps the later ones of its subnet; with the last all that IPv4 has there."""
        if version(gone.address) == 6:
            return
        left: list[Address] = []
        hanging = self.on(gone.namespace, gone.link)
        for other in hanging:
            if isinstance(other, Address) and version(other.address) == 4:
                # Which address of a subnet was the first cannot be seen.
                if subnet_of(other.address) == subnet_of(gone.address) and not self.promotes(gone):
                    self._lose(other, certain=False)
                else:
                    left.append(other)
        if left:
            return
        for other in hanging:  # fib_disable_ip in net/ipv4/fib_frontend.c
            if (isinstance(other, Route) and version(other.destination) == 4) or (
                isinstance(other, Neighbour) and version(other.address) == 4
            ):
                self._lose(other, certain=False)

    def _strip_source(self, gone: Address) -> None:
        """Routes that prefer a source address which is gone: IPv4 loses them, IPv6 their preference."""
        ip = ip_of(gone.address)
        routes = self._read(self._index.sources.get((gone.namespace, ip)))
        if not routes:
            return
        if any(isinstance(o, Address) and ip_of(o.address) == ip for o in self.inside(gone.namespace)):
            return
        for route in routes:
            if isinstance(route, Route) and route.source == ip:
                self._lose(route, certain=False)

    def promotes(self, address: Address) -> bool:
        """Whether the later addresses of a subnet surely outlive the first (``promote_secondaries``)."""
        for place in ("all", address.link):
            key = (Sysctl.kind, address.namespace, f"net/ipv4/conf/{place}/promote_secondaries")
            found = self.objects.get(key)
            if isinstance(found, Sysctl) and found.value != "0":
                return True
        return False

    def _spoil_settings(self, wanted: Sysctl) -> None:
        """``all`` and ``default`` of a setting may overwrite the links' own values."""
        path = "net/ipv4/conf/all/forwarding" if wanted.path == "net/ipv4/ip_forward" else wanted.path
        parts = path.split("/")
        if len(parts) != 5 or parts[3] not in ("all", "default"):
            return
        for other in self._read(self._of_links.get(wanted.namespace)):
            if isinstance(other, Sysctl):
                theirs = other.path.split("/")
                if theirs[1] == parts[1] and theirs[-1] == parts[-1]:
                    self._lose(other, certain=False)
