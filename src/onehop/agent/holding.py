"""What is known to be in the kernel: what was observed last, by partition. Pure.

Which partition an object belongs to is read off the object itself (a link's alias, a namespace's name, a table's name),
so that a freshly started agent sorts what an earlier life left behind as well.
"""

import re
from collections.abc import Collection, Iterable
from functools import lru_cache

import msgspec

from onehop.agent.scope import scope_of
from onehop.compiler.state import Partition
from onehop.net import naming
from onehop.net.identifier import is_uuid
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
    VxlanFdb,
)
from onehop.reconciler.plan import Delete, Observation, Op, Replace, Scope

STRAY = ""
"""The partition of what is ours but belongs to none that we could name."""

Objects = dict[Key, KernelObject]
_TABLE = re.compile(re.escape(naming.TABLE) + r"-(net|gate)-([0-9a-f-]{36})\b")
_EMPTY: Objects = {}
_ON_A_LINK = frozenset({Address.kind, Neighbour.kind, VxlanFdb.kind})
"""Kinds whose keys name a link after the namespace."""


class Holding:
    """Observed objects by partition, and the names that others hold."""

    def __init__(self) -> None:
        self.partitions: dict[str, Objects] = {}
        self.foreign: set[Key] = set()
        self._links: dict[str, str] = {}

    def objects(self, name: str) -> Objects:
        """What a partition holds."""
        return self.partitions.get(name, _EMPTY)

    def owner(self, link: str) -> str | None:
        """The partition of a link in the host's namespace."""
        return self._links.get(link)

    def scope(self, name: str, *states: Partition | None) -> Scope:
        """Where a partition is to be read back: where it should be, was to be, and is known to be."""
        scope = scope_of(name, *states)
        held = self.objects(name)
        if scope.links is None:
            return scope
        links = {found.name for found in held.values() if isinstance(found, Link) and found.namespace == naming.HOST}
        tables = {(found.family, found.table) for found in held.values() if isinstance(found, Ruleset)}
        return msgspec.structs.replace(
            scope, links=scope.links | links, tables=None if scope.tables is None else scope.tables | tables
        )

    def read(self, observations: Iterable[Observation], wanted: Collection[Partition]) -> None:
        """Take a complete observation of the host, into a holding that is still empty."""
        settings = _settings(wanted)
        for observation in observations:
            self.foreign |= observation.foreign
            for name, objects in self._sorted(observation, settings, wanted).items():
                self.partitions.setdefault(name, {}).update(objects)
        for partition in wanted:
            self._share(partition)

    def replace(self, names: set[str], scope: Scope, observation: Observation, wanted: Collection[Partition]) -> None:
        """Take an observation of some partitions, which were read in one scope."""
        for name in names:
            for key in self.partitions.pop(name, _EMPTY):
                if key[0] == "link" and key[1] == naming.HOST:
                    self._links.pop(str(key[2]), None)
        if scope.links is None:
            self.foreign = {key for key in self.foreign if key[1] != scope.namespace}
        else:
            self.foreign -= {("link", scope.namespace, link) for link in scope.links}
        self.foreign |= observation.foreign
        for name, objects in self._sorted(observation, _settings(wanted), wanted).items():
            if name in names:
                self.partitions[name] = objects
        for partition in wanted:
            self._share(partition)

    def amend(
        self, names: set[str], keys: frozenset[Key], observation: Observation, wanted: Collection[Partition]
    ) -> None:
        """Take an observation of single objects of some partitions; all else is as it was."""
        for name in names & self.partitions.keys():
            for key in keys:
                self.partitions[name].pop(key, None)
        for kind, namespace, *rest in keys:
            if kind == Link.kind and namespace == naming.HOST:
                self._links.pop(str(rest[0]), None)
        self.foreign -= keys
        self.foreign |= observation.foreign
        asked = _settings(wanted) if any(key[0] == Sysctl.kind for key in keys) else {}
        for name, objects in self._sorted(observation, asked, wanted).items():
            if name in names:
                self.partitions.setdefault(name, {}).update(objects)
        for partition in wanted:
            held = self.partitions.get(partition.name, _EMPTY)
            for key in keys & held.keys() & partition.claims.keys():
                if held[key] == partition.claims[key].object:
                    held[key] = partition.claims[key].object

    def note(self, done: Iterable[Op]) -> None:
        """Take what was just carried out inside routers for what is there, until that is read back."""
        for op in done:
            item = op.new if isinstance(op, Replace) else op.object
            objects = self.partitions.get(_of_namespace(item.namespace))
            if objects is not None and isinstance(op, Delete):
                objects.pop(item.key, None)
            elif objects is not None:
                objects[item.key] = item

    def _share(self, wanted: Partition) -> None:
        """Where what was found is what is wanted, keep one value of the two: that is nearly all, for ever."""
        found = self.partitions.get(wanted.name)
        if not found:
            return
        same = {key: claim.object for key, claim in wanted.claims.items() if found.get(key) == claim.object}
        same.update((key, value) for key, value in found.items() if key not in same)
        self.partitions[wanted.name] = same

    def _sorted(
        self, observation: Observation, settings: dict[Key, str], wanted: Collection[Partition]
    ) -> dict[str, Objects]:
        # By the key's kind, which is quicker than by type: this is done for everything that is ever read.
        for key, found in observation.objects.items():
            if key[0] == Link.kind and key[1] == naming.HOST and isinstance(found, Link):
                self._links[found.name] = _home(found, wanted)
        parts: dict[str, Objects] = {}
        for key, found in observation.objects.items():
            kind = key[0]
            if kind == Sysctl.kind:
                name = settings.get(key)
            elif key[1] == naming.HOST and kind in _ON_A_LINK:  # most are
                name = self._links.get(str(key[2]), STRAY)
            else:
                name = self._partition(found)
            if name is not None:
                parts.setdefault(name, {})[key] = found
        return parts

    def _partition(self, found: KernelObject) -> str:
        if found.namespace != naming.HOST or isinstance(found, Namespace):
            return _of_namespace(found.namespace)
        if isinstance(found, Link):
            return self._links.get(found.name, STRAY)
        if isinstance(found, Route):
            return next((self._links[hop.link] for hop in found.hops if hop.link in self._links), STRAY)
        if isinstance(found, BridgeFdb):
            return self._links.get(found.bridge) or self._links.get(found.port, STRAY)
        if isinstance(found, Ruleset):
            if found.table == naming.SECURITY_TABLE:
                return naming.SECURITY_PARTITION
            match = _TABLE.match(found.table)
            return _named("/".join(match.groups())) if match else STRAY
        return STRAY


def _settings(wanted: Iterable[Partition]) -> dict[Key, str]:
    """Which partition asked for which setting: nothing else tells."""
    return {key: p.name for p in wanted for key, claim in p.claims.items() if claim.object.kind == Sysctl.kind}


def _home(link: Link, wanted: Iterable[Partition]) -> str:
    """The partition of a link in the host's namespace.

    One without a mark is the other end of a pair of ours whose maker died before it could mark it: it is at home where
    it is wanted.
    """
    if link.alias:
        return _named(naming.partition_of_mark(link.alias))
    return next((partition.name for partition in wanted if link.key in partition.claims), STRAY)


@lru_cache(maxsize=64)
def _of_namespace(namespace: str) -> str:
    prefix = namespace.startswith(naming.ROUTER_PREFIX)
    return _named("router/" + namespace.removeprefix(naming.ROUTER_PREFIX) if prefix else None)


def _named(partition: str | None) -> str:
    """The partition's name if it is one that we would give, else `STRAY`: a mark may have been tampered with."""
    if partition is None:
        return STRAY
    kind, _, identifier = partition.partition("/")
    return partition if kind in ("net", "router", "gate") and is_uuid(identifier) else STRAY
