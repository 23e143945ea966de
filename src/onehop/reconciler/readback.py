"""What to read back after a plan was carried out: the objects that it names, where nothing else changes with them."""

from onehop.net.naming import HOST
from onehop.objects import (
    ALL_ZERO,
    BridgeFdb,
    KernelObject,
    Key,
    Link,
    Neighbour,
    Ruleset,
    Sysctl,
    VxlanFdb,
)
from onehop.reconciler.needs import link_key
from onehop.reconciler.plan import Create, Op, Plan, Replace

FEW = 64
"""For more objects it is cheaper to read all that is around them."""

_ALONE = (Neighbour, BridgeFdb, Ruleset)
"""Kinds that come, change and go without a consequence for any other object."""


def named_alone(plan: Plan) -> frozenset[Key] | None:
    """Keys of the objects that tell, read one by one, whether a plan did all that it should and nothing else.

    None where whole partitions have to be read: there are many, the kernel may have changed more than was said (it
    does when links, addresses and settings of links that are there change), or does not tell of them one by one.
    A new port may change the bridge that it joins, so that one is among them.
    """
    keys: set[Key] = set()
    for op in plan.ops:
        wanted = op.new if isinstance(op, Replace) else op.object
        if not _alone(op, wanted, keys):
            return None
        keys.add(op.key)
        if isinstance(wanted, Link) and wanted.master is not None:
            keys.add(link_key(wanted.namespace, wanted.master))
        if len(keys) > FEW:
            return None
    return frozenset(keys)


def _alone(op: Op, wanted: KernelObject, before: set[Key]) -> bool:
    """Whether an op has no consequence that is not known; `before` are keys of earlier ops, which were all so."""
    match wanted:
        case Link():
            return isinstance(op, Create) or (isinstance(op, Replace) and op.key in before)
        case Sysctl():
            return wanted.link is not None and link_key(wanted.namespace, wanted.link) in before
        case VxlanFdb():
            return wanted.mac != ALL_ZERO
        case _:
            return isinstance(wanted, _ALONE)


def by_namespace(keys: frozenset[Key]) -> dict[str, frozenset[Key]]:
    """The keys of each namespace, the host's first."""
    names = sorted({str(key[1]) for key in keys}, key=lambda name: (name != HOST, name))
    return {name: frozenset(key for key in keys if key[1] == name) for name in names}
