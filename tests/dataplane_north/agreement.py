"""The same question to the model and to real packets: what each says, and where they differ."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from onehop.net.identifier import PortId
from onehop.verify.trace import Question, trace
from onehop.verify.world import World
from tests.dataplane_north.echo import ping, tcp, udp
from tests.dataplane_north.places import Place
from tests.dataplane_north.site import BRIDGE, OUTSIDE, OUTSIDE_V6, Site
from tests.northern import PHYSICAL

_AT_ONCE = 128
WAYS = 2
"""Equal-cost ways that the topologies of the tests have at most; the kernel takes one by a hash nobody knows."""


class Seen(NamedTuple):
    """What came of a question: who answered, and whom the answerer saw; None where nobody answers."""

    answered_from: str | None
    seen: str | None = None
    seen_port: int = 0


NOTHING = Seen(None)


class Asked(NamedTuple):
    """A question with where it is asked: an instance's namespace, or outside."""

    place: Place
    question: Question


def world_of(site: Site, extra: Mapping[PortId, Iterable[str]] | None = None) -> World:
    """The model of a site, from what its hosts were made to hold."""
    states = {name: list(machine.state.values()) for name, machine in site.machines.items()}
    physical = {name: {PHYSICAL: BRIDGE} for name, machine in site.machines.items() if machine.reaches}
    return World(site.world.topology(), states, physical, extra)


def question(port: str | None, destination: str, protocol: str, number: int) -> Question:
    """A question as the real one is asked."""
    far = (OUTSIDE_V6 if ":" in destination else OUTSIDE) if port is None else ""
    return Question(
        port=None if port is None else PortId(port),
        destination=destination,
        protocol=protocol,
        destination_port=number,
        source=far,
    )


def really(asked: Asked) -> Seen:
    """What real packets say."""
    to = asked.question.destination
    if asked.question.protocol == "icmp":
        return Seen(ping(asked.place, to))
    ask = tcp if asked.question.protocol == "tcp" else udp
    answer = ask(asked.place, to, asked.question.destination_port)
    # Only this test's UDP socket hears an answer from somebody else than was asked.
    return NOTHING if answer is None or answer.source != to else Seen(answer.source, answer.seen, answer.port)


def modelled(world: World, asked: Question) -> list[Seen]:
    """What the model says, for each of the ways that a packet may take."""
    found = []
    for way in range(WAYS):
        result = trace(world, asked, way)
        if result.outcome != "answered":
            found.append(NOTHING)
        elif asked.protocol == "icmp":
            found.append(Seen(result.answered_from))
        else:
            found.append(Seen(result.answered_from, result.seen, result.seen_port))
    return found


def same(model: Seen, real: Seen, source_port: int, block: int) -> bool:
    """Whether they agree; of a chosen port only that it is of the same block, or of the sender's own choice in both."""
    if model[:2] != real[:2]:
        return False
    return (model.seen_port == source_port) or model.seen_port // block == real.seen_port // block


def disagreements(world: World, asked: Iterable[Asked], block: int) -> list[str]:
    """Ask everything, many at a time; say where model and packets differ, with the model's walk."""
    todo = list(asked)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = list(pool.map(really, todo))
    found = []
    for one, real in zip(todo, answers, strict=True):
        models = modelled(world, one.question)
        own = one.question.source_port or 40_000
        if not any(same(model, real, own, block) for model in models):
            found.append(f"{one.question}\n  packets say {real}\n  model says {models}\n{walked(world, one.question)}")
    return found


def walked(world: World, asked: Question) -> str:
    """The model's walk, for a test that failed."""
    result = trace(world, asked)
    lines = [f"  {result.outcome}: {result.summary} {result.death or ''}"]
    for name, steps in (("there", result.there), ("back", result.back)):
        lines += [
            f"    {name} {s.host} {s.namespace[:12]} {s.device} {s.kind} {s.text} {s.before and s.after}" for s in steps
        ]
    return "\n".join(lines)
