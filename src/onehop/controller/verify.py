"""What `onehop verify` proves, of the store's state: all hosts compiled as their agents compile them, then proved."""

from collections.abc import Iterator

import msgspec

from onehop.compiler import Local, Plug, compile_host
from onehop.model.topology import Topology
from onehop.net.identifier import HostName
from onehop.objects import KernelObject
from onehop.store import Transaction
from onehop.verify.mutation.judge import Judge
from onehop.verify.mutation.mutant import States
from onehop.verify.mutation.score import Score
from onehop.verify.proof.external import virtual
from onehop.verify.proof.prove import Proof, prove
from onehop.verify.world import World


class Deployment(msgspec.Struct, frozen=True):
    """What every host should hold.

    Attributes:
        revision: of the store.
        view: that it was compiled from.
        states: by host.
    """

    revision: int
    view: Topology
    states: States

    @classmethod
    def of(cls, tx: Transaction) -> "Deployment":
        """Compile for every host what the store says, as its agent does where every port is plugged."""
        revision, values = tx.snapshot()
        view = Topology(revision, values)
        return cls(revision, view, {host: list(_state(view, host, _physical(view, host))) for host in view.hosts})

    def world(self, states: States) -> World:
        """The world of some states, these or broken ones."""
        physical = {host: _physical(self.view, host) for host in self.view.hosts}
        return World(self.view, states, physical, virtual(self.view))

    def prove(self, most: int = 100) -> Proof:
        """Prove it; `most` violations, then it is left at that.

        Raises:
            UnknownRuleError: a ruleset says something that the model does not know: nothing is proved.
        """
        return prove(self.view, self.world(self.states), most)

    def mutate(self, seed: int, most: int) -> Score:
        """Break it in `most` kinds of ways, drawn by `seed`, and see which the proof notices.

        Raises:
            UnknownRuleError: as `prove`.
        """
        found = Score()
        judge = Judge(self.view, self.states, self.world)
        found.add("deployment", judge, seed, chosen=lambda number, _kind: number < most)
        return found


def _physical(view: Topology, host: HostName) -> dict[str, str]:
    return {name: name for name in view.hosts[host].physical_networks}


def _state(view: Topology, host: HostName, physical: dict[str, str]) -> Iterator[KernelObject]:
    plugs = {port.id: Plug(port.id) for port in view.bound_on(host)}
    for partition in compile_host(view, host, Local(plugs=plugs, physical_networks=physical)).values():
        for claim in partition.claims.values():
            yield claim.object
