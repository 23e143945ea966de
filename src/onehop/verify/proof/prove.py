"""Everything that is proved of a network, in one: who can say what, who hears whom, and that what is promised works."""

from collections import Counter
from collections.abc import Iterator

import msgspec

from onehop.model.topology import Topology
from onehop.verify.proof.asking import Asking
from onehop.verify.proof.case import Case, Violation
from onehop.verify.proof.delivery import Delivery
from onehop.verify.proof.emission import Emission
from onehop.verify.proof.hops import Hops
from onehop.verify.proof.isolation import Isolation
from onehop.verify.proof.relayed import Relayed
from onehop.verify.proof.seeking import Seeking
from onehop.verify.proof.senders import Senders
from onehop.verify.proof.settings import Settings
from onehop.verify.proof.severed import Severed
from onehop.verify.proof.stale import Stale
from onehop.verify.proof.steered import Steered
from onehop.verify.proof.transit import Transit
from onehop.verify.proof.yesterday import Yesterday
from onehop.verify.world import World


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What was proved, and what was not.

    Attributes:
        ports: instances' ports that are on a host; `protected` those of them whose taps were judged.
        promises: what the API promises, and so was asked.
        classes: of frames that were judged, by kind of case.
        violations: empty where all holds.
    """

    ports: int
    protected: int
    promises: int
    classes: dict[str, int]
    violations: tuple[Violation, ...]


def cases(view: Topology) -> Iterator[Case]:
    """All that is to be proved of a topology; what is quick to find comes first."""
    yield from Settings(view).cases()
    yield from Senders(view).cases()
    yield from Seeking(view).cases()
    yield from Asking(view).cases()
    yield from Delivery(view).cases()
    yield from Relayed(view).cases()
    yield from Severed(view).cases()
    yield from Stale(view).cases()
    yield from Steered(view).cases()
    yield from Yesterday(view).cases()
    yield from Transit(view).cases()
    yield from Emission(view).cases()
    yield from Hops(view).cases()
    yield from Isolation(view).cases()


def prove(view: Topology, world: World, most: int = 100) -> Proof:
    """Prove a network.

    Args:
        view: the topology that the states were compiled from.
        world: the states.
        most: violations; then it is left at that.

    Raises:
        UnknownRuleError: a ruleset says something that is not known here: nothing is proved then.
    """
    counted: Counter[str] = Counter()
    promises = 0
    found: list[Violation] = []
    for case in cases(view):
        promises += case.kind == "promise"
        for judged in case.judge(world, case.box):
            counted[case.kind] += 1
            if judged.violation is not None:
                found.append(judged.violation)
        if len(found) >= most:
            break
    ports = [p for p in view.ports.values() if p.router_id is None and world.instance(p.id) is not None]
    return Proof(
        ports=len(ports),
        protected=sum(port.port_security_enabled for port in ports),
        promises=promises,
        classes=dict(counted),
        violations=tuple(found),
    )
