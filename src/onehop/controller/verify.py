"""What `onehop verify` proves, of the store's state: all hosts compiled as their agents compile them, then proved."""

from collections.abc import Iterator

from onehop.compiler import Local, Plug, compile_host
from onehop.model.topology import Topology
from onehop.net.identifier import HostName
from onehop.objects import KernelObject
from onehop.store import Transaction
from onehop.verify.proof.external import virtual
from onehop.verify.proof.prove import Proof, prove
from onehop.verify.world import World


def verified(tx: Transaction, most: int = 100) -> tuple[int, Proof]:
    """Prove the state of the store.

    Args:
        tx: a reading transaction.
        most: violations; then it is left at that.

    Returns:
        the revision that was proved, and what was.

    Raises:
        UnknownRuleError: a ruleset says something that the model does not know: nothing is proved.
    """
    revision, values = tx.snapshot()
    view = Topology(revision, values)
    physical = {host.name: {name: name for name in host.physical_networks} for host in view.hosts.values()}
    states = {host: list(_state(view, host, physical[host])) for host in view.hosts}
    return revision, prove(view, World(view, states, physical, virtual(view)), most)


def _state(view: Topology, host: HostName, physical: dict[str, str]) -> Iterator[KernelObject]:
    plugs = {port.id: Plug(port.id) for port in view.bound_on(host)}
    for partition in compile_host(view, host, Local(plugs=plugs, physical_networks=physical)).values():
        for claim in partition.claims.values():
            yield claim.object
