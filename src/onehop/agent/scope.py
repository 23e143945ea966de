"""What to read back for a partition: where its objects are, and where those of its last state were."""

from onehop.compiler.state import Partition
from onehop.net import naming
from onehop.net.identifier import NetworkId, RouterId
from onehop.objects import Link, Ruleset, Sysctl
from onehop.reconciler.plan import Scope


def scope_of(name: str, *states: Partition | None) -> Scope:
    """The scope of a partition.

    Args:
        name: the partition's name.
        states: what it should be, and what it was; their links, tables and settings are read.
    """
    claims = [claim.object for state in states if state is not None for claim in state.claims.values()]
    if name.startswith("router/"):
        return Scope(
            namespace=naming.router_namespace(RouterId(name.removeprefix("router/"))),
            sysctls=frozenset(o.path for o in claims if isinstance(o, Sysctl)),
        )
    network = NetworkId(name.removeprefix("net/"))
    masters = {o.master for o in claims if isinstance(o, Link) and o.master is not None}
    return Scope(
        namespace=naming.HOST,
        links=frozenset(o.name for o in claims if isinstance(o, Link)) | masters | {naming.bridge(network)},
        sysctls=frozenset(o.path for o in claims if isinstance(o, Sysctl)),
        tables=frozenset((o.family, o.table) for o in claims if isinstance(o, Ruleset))
        | {("netdev", naming.network_table(network))},
    )
