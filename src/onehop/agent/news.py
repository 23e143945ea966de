"""News: what the engine is told between two passes, and what it has to look at therefore."""

import math
import secrets
from collections.abc import Callable, Iterable, Mapping

from onehop.agent.agenda import Agenda
from onehop.agent.desire import Desire, partition_of_namespace
from onehop.agent.ledger import Ledger
from onehop.agent.outward import Outward
from onehop.agent.reach import Verdict
from onehop.agent.regency import Regency
from onehop.agent.sight import Sight
from onehop.agent.tenure import Tenure
from onehop.compiler.state import Local
from onehop.kernel.base import Kernel
from onehop.model.reign import Reign
from onehop.model.topology import Ref, Topology
from onehop.net import naming
from onehop.net.identifier import HostName, RouterId
from onehop.objects import Key
from onehop.objects.conntrack import Load


class News:
    """What is known, what is wanted, and which partitions are to be taken up.

    Args:
        kernel: this host's.
        host: its name.
        local: what it knows of itself.
        clock: seconds, never going back.

    Attributes:
        desire: what is wanted, by the view with the owners that act.
        complete: there is a view.
        failing: partition → keys of what is not as it should be, with the reason.
        equipped: how often the plugs changed.
        regency: who acts as routers' owners.
        tenure: what may be published.
        ledger: what came of it, as numbers.
    """

    def __init__(self, kernel: Kernel, host: HostName, local: Local, clock: Callable[[], float]) -> None:
        self.desire = Desire(host, local)
        self.complete = False
        self.failing: dict[str, dict[Key, str]] = {}
        self.equipped = 0
        self.ledger = Ledger()
        self._sight = Sight(kernel, clock)
        self._clock = clock
        self._outward = Outward(kernel)
        self.regency = Regency(host, _chance)
        self.tenure = Tenure(kernel, _chance, self._outward.silence, self.regency.succession)
        self._agenda = Agenda()
        self._all_doubtful = True

    def see(self, view: Topology, changed: Iterable[Ref], confirmed: bool = False) -> None:
        """There is a newer view; the first one is complete, as is every other.

        Args:
            view: what is now.
            changed: every value that was added, removed or replaced since.
            confirmed: a controller has just sent it.
        """
        permits = self.tenure.permits
        view, changes = self.regency.see(view, changed, self.desire.local, self._clock())
        if confirmed or permits.confirmed:
            self.tenure.turn(self.desire.view, view, changes, self.desire, self._sight.holding)
        self.ledger.turned(self.desire.view, view, changes, self.desire.host, "controller")
        touched = self.desire.advance(view, changes)
        self._agenda.changed |= touched
        self.complete = True
        if confirmed:
            self.confirm(True)
        if permits.confirmed:
            # Now, and not when its turn has come: by then the controller may have fallen silent.
            for name in touched:
                self.tenure.permit(name, self.desire, self._sight.holding, self._clock())

    def equip(self, local: Local) -> None:
        """The plugs changed."""
        self.equipped += 1
        self._agenda.changed |= self.desire.plug(local)
        self.regency.equip(local, self._clock())

    def confirm(self, confirmed: bool) -> None:
        """A controller says that the view is the newest, or can be heard no more."""
        self._agenda.changed |= self.tenure.confirm(confirmed, self._clock())

    def heard(self, said: Iterable[tuple[str, str, str]], confirmed: bool) -> None:
        """Others say to have external addresses: bridge, address, MAC; see `Tenure.heard`."""
        now = self._clock()
        if not confirmed:
            self.confirm(False)
        for bridge, address, mac in said:
            name = self.tenure.heard(bridge, address, mac, confirmed, now)
            if name is not None:
                self._agenda.doubtful.add(name)

    def judged(self, verdict: Verdict) -> None:
        """Other hosts answer over the underlay, or do not any more."""
        self.regency.succession.judged(verdict, self._clock())

    def told(self, vtep: str, reigns: Iterable[Reign]) -> None:
        """The host with a VTEP says who acts as routers' owner."""
        self.regency.hear(vtep, reigns, self._clock())

    def load(self, namespace: str, gateway: str, enough: int, before: int | None = None) -> Load:
        """How far source ports are used; see `Kernel.load`."""
        return self._sight.load(namespace, gateway, enough, before)

    def shortage(self, routers: Mapping[RouterId, str]) -> None:
        """For connections of these routers no source port was left lately, in a sentence; and for none of others."""
        for router in self.desire.short.keys() | routers.keys():
            self._agenda.changed.add(naming.router_partition(router))
        self.desire.short = dict(routers)

    def doubt(self, namespace: str, link: str | None, heard: float = math.inf) -> None:
        """Somebody changed something there.

        Args:
            namespace, link: where; None: anywhere in the namespace.
            heard: when the kernel told of it, by the clock. What was read since holds it already: our own ops are told
                while they are carried out, and what they changed is read back after that.
        """
        if namespace != naming.HOST:
            name = partition_of_namespace(namespace)
            known = name in self.desire.partitions or name in self._sight.holding.partitions
            suspects = {name} if name is not None and known else set()
        elif link is not None:
            name = self._sight.holding.owner(link) or self._claimant(link)
            suspects = {name} if name is not None else set()
        else:
            suspects = {name for name in self.desire.partitions if not name.startswith("router/")}
        self._agenda.doubtful |= {name for name in suspects if not self._sight.read_since(name, heard)}

    def urge(self, link: str) -> None:
        """Look at a link of the host's namespace before all that is only doubted: somebody waits to hear of it."""
        self.doubt(naming.HOST, link)
        name = self._sight.holding.owner(link) or self._claimant(link)
        if name is not None:
            self._agenda.changed.add(name)

    def doubt_all(self) -> None:
        """It is time to look at everything."""
        self._all_doubtful = True

    def _claimant(self, link: str) -> str | None:
        key = ("link", naming.HOST, link)
        return next((name for name, keys in self.failing.items() if key in keys), None)


def _chance() -> float:
    return secrets.randbelow(1000) / 1000
