"""What an object stands on: keys only, from the object alone.

Whether a need is met is for others to say (the planner from its simulated state, a kernel from what failed).
"""

from collections.abc import Callable, Mapping
from typing import Any

from onehop.net.naming import HOST
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
    Tap,
    Veth,
    VxlanFdb,
)
from onehop.reconciler.plan import Delete, Op, Replace


def namespace_key(namespace: str) -> Key:
    """Key of a `Namespace`."""
    return (Namespace.kind, namespace)


def link_key(namespace: str, name: str) -> Key:
    """Key of a `Link`."""
    return (Link.kind, namespace, name)


def peer_key(link: Link) -> Key | None:
    """Key of the other end of a veth pair, or None for other links."""
    if isinstance(link.spec, Veth):
        return (Link.kind, link.spec.peer_namespace, link.spec.peer_name)
    return None


def links_of(wanted: KernelObject) -> tuple[str, ...]:
    """Names of the links on which `wanted` hangs: when one of them goes, so does (part of) the object.

    A bridge's port does not hang on its bridge (it is freed), and a rule not on its incoming link (it waits for one).
    """
    find = _LINKS_OF.get(type(wanted))
    return () if find is None else find(wanted)


# By type, because the reconciler asks this several times of every object.
_LINKS_OF: Mapping[type[KernelObject], Callable[[Any], tuple[str, ...]]] = {
    Address: lambda wanted: (wanted.link,),
    Neighbour: lambda wanted: (wanted.link,),
    VxlanFdb: lambda wanted: (wanted.link,),
    BridgeFdb: lambda wanted: (wanted.bridge, wanted.port),
    Route: lambda wanted: tuple(hop.link for hop in wanted.hops if hop.link is not None),
    Ruleset: lambda wanted: wanted.devices,
    Sysctl: lambda wanted: () if wanted.link is None else (wanted.link,),
}


def needs(wanted: KernelObject) -> tuple[Key, ...]:
    """Keys of what has to be there before `wanted` can be."""
    namespace = wanted.namespace
    inside: tuple[Key, ...] = () if namespace == HOST else ((Namespace.kind, namespace),)
    if isinstance(wanted, Link):
        keys = list(inside)
        if wanted.master is not None:
            keys.append((Link.kind, namespace, wanted.master))
        if isinstance(wanted.spec, Veth) and wanted.spec.peer_namespace != HOST:
            keys.append((Namespace.kind, wanted.spec.peer_namespace))
        return tuple(keys)
    if isinstance(wanted, Namespace):
        return ()
    links = links_of(wanted)
    if not links:
        return inside
    return inside + tuple((Link.kind, namespace, name) for name in links)


class Fallout:
    """Which ops of one plan must not be tried any more because of those that failed.

    An op falls when its own object, or one that it needs, failed or fell before. A link does not come up when a
    ruleset that hooks it failed: rather no traffic than unfiltered traffic; nor a bridge's port when one for bridges
    failed. Deletions are always tried.
    """

    def __init__(self) -> None:
        self._fallen: set[Key] = set()
        self._unguarded: set[Key] = set()
        self._bridges: set[str] = set()

    def add(self, op: Op) -> None:
        """Remember an op that was refused by the kernel or was skipped."""
        self._fallen.add(op.key)
        if isinstance(op, Delete):
            return
        wanted = op.new if isinstance(op, Replace) else op.object
        if isinstance(wanted, Ruleset):
            self._unguarded.update(link_key(wanted.namespace, name) for name in wanted.devices)
            if wanted.family == "bridge":
                self._bridges.add(wanted.namespace)

    def hits(self, op: Op) -> bool:
        """Whether `op` must be skipped."""
        if not self._fallen or isinstance(op, Delete):
            return False
        wanted = op.new if isinstance(op, Replace) else op.object
        key = op.key
        if key in self._fallen:
            return True
        if isinstance(wanted, Link) and wanted.up and self._is_unguarded(wanted):
            return True
        return any(need in self._fallen for need in needs(wanted))

    def _is_unguarded(self, wanted: Link) -> bool:
        if wanted.key in self._unguarded:
            return True
        plugged = isinstance(wanted.spec, Veth | Tap) and wanted.master is not None
        return plugged and wanted.namespace in self._bridges
