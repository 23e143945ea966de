"""Everything that is proved of a network, in one: who can say what, who comes to whom, and what is promised works."""

from collections.abc import Iterator

import msgspec

from onehop.model.topology import Topology
from onehop.verify.proof.delivery import Delivery
from onehop.verify.proof.emission import Emission
from onehop.verify.proof.isolation import Isolation, Violation
from onehop.verify.world import World


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What was proved, and what was not.

    Attributes:
        ports: instances' ports that are on a host; `protected` those of them whose taps were judged.
        frames: classes of frames that were judged at taps.
        packets: classes of frames that were walked through the network.
        questions: promised ways that were tried.
        violations: empty where all holds.
    """

    ports: int
    protected: int
    frames: int
    packets: int
    questions: int
    violations: tuple[Violation, ...]


def prove(view: Topology, world: World, most: int = 100) -> Proof:
    """Prove a network.

    Args:
        view: the topology that the states were compiled from.
        world: the states.
        most: violations; then it is left at that.

    Raises:
        UnknownRuleError: a ruleset says something that is not known here: nothing is proved then.
    """
    emission, isolation, delivery = Emission(view, world), Isolation(view, world), Delivery(view, world)
    found: list[Violation] = []
    for violation in _all(delivery, emission, isolation):
        found.append(violation)
        if len(found) >= most:
            break
    ports = [p for p in view.ports.values() if p.router_id is None and world.instance(p.id) is not None]
    return Proof(
        ports=len(ports),
        protected=emission.ports,
        frames=emission.classes,
        packets=isolation.classes,
        questions=delivery.questions,
        violations=tuple(found),
    )


def _all(delivery: Delivery, emission: Emission, isolation: Isolation) -> Iterator[Violation]:
    yield from delivery.violations()
    yield from emission.violations()
    yield from isolation.violations()
