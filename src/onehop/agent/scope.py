"""What to read back for a partition: where its objects are, and where those of its last state were."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from onehop.compiler.state import Partition
from onehop.net import naming
from onehop.net.identifier import NetworkId, RouterId
from onehop.objects import Link, Ruleset, Sysctl
from onehop.reconciler.plan import Scope

_PLACES = frozenset({Link.kind, Ruleset.kind, Sysctl.kind})
"""Kinds that say where to look."""


def scope_of(name: str, *states: Partition | None) -> Scope:
    """The scope of a partition.

    Args:
        name: the partition's name.
        states: what it should be, and what it was; their links, tables and settings are read.
    """
    claims = [
        claim.object
        for state in states
        if state is not None
        for key, claim in state.claims.items()
        if key[0] in _PLACES
    ]
    if name.startswith("router/"):
        return Scope(
            namespace=naming.router_namespace(RouterId(name.removeprefix("router/"))),
            sysctls=frozenset(o.path for o in claims if isinstance(o, Sysctl)),
        )
    if name == naming.SECURITY_PARTITION:
        tables = {(family, naming.SECURITY_TABLE) for family in ("bridge", "inet")}
        return Scope(namespace=naming.HOST, links=frozenset(), tables=frozenset(tables))
    masters = {o.master for o in claims if isinstance(o, Link) and o.master is not None}
    if name.startswith("gate/"):
        table, bridges = naming.gate_table(RouterId(name.removeprefix("gate/"))), set()
    else:
        network = NetworkId(name.removeprefix("net/"))
        table, bridges = naming.network_table(network), {naming.bridge(network)}
    return Scope(
        namespace=naming.HOST,
        links=frozenset(o.name for o in claims if isinstance(o, Link)) | masters | bridges,
        sysctls=frozenset(o.path for o in claims if isinstance(o, Sysctl)),
        tables=frozenset((o.family, o.table) for o in claims if isinstance(o, Ruleset)) | {("netdev", table)},
    )


def union(scopes: Sequence[Scope]) -> Scope:
    """One scope for several of one namespace that name their links and tables."""
    return Scope(
        namespace=scopes[0].namespace,
        links=frozenset().union(*(scope.links or () for scope in scopes)),
        sysctls=frozenset().union(*(scope.sysctls for scope in scopes)),
        tables=frozenset().union(*(scope.tables or () for scope in scopes)),
    )


def settings_of(partitions: Iterable[Partition]) -> dict[str, frozenset[str]]:
    """Paths of the settings that are wanted, by namespace."""
    paths: defaultdict[str, set[str]] = defaultdict(set)
    for partition in partitions:
        for claim in partition.claims.values():
            if isinstance(claim.object, Sysctl):
                paths[claim.object.namespace].add(claim.object.path)
    return {namespace: frozenset(found) for namespace, found in paths.items()}
