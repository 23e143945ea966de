"""Histories: named states in an order, and what can be made of one: the last state is all that may count."""

import itertools
from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple

from onehop.model.topology import Value, ref
from tests.crash import changes
from tests.crash.changes import Change, scene_of
from tests.crash.scenes import Scene

State = tuple[Change, ...]
"""A named state is the base scene after some changes; the base scene itself is after none."""

BASE: State = ()

HISTORIES: dict[str, tuple[State, ...]] = {
    "a host fills and empties": (
        (changes.nothing,),
        BASE,
        (changes.another_router, changes.one_more_port),
        (changes.an_unplugged_host,),
        (changes.nothing,),
    ),
    "a port comes and goes": (
        BASE,
        (changes.a_port_that_is_about_to_come,),
        (changes.a_port_that_has_come,),
        (changes.a_far_port_that_moves, changes.a_port_that_moves_away_with_its_floating_ip),
    ),
    "a floating IP wanders": (
        (changes.another_floating_ip,),
        (changes.a_floating_ip_that_leads_elsewhere,),
        (changes.a_floating_ip_that_leads_to_another_host, changes.other_forwardings),
        (changes.no_floating_ips,),
        BASE,
    ),
    "the gateway changes": (
        (changes.no_gateway,),
        BASE,
        (changes.another_owner,),
        (changes.translation_by_the_owner,),
        (changes.a_second_external_address, changes.no_translation),
    ),
    "the way outside changes": (
        BASE,
        (changes.no_way_outside, changes.another_owner),
        (changes.another_way_outside,),
        (changes.another_way_outside, changes.a_far_host_elsewhere),
    ),
    "networks are put together and taken apart": (
        (changes.another_router_interface,),
        (changes.another_router,),
        (changes.a_network_behind_the_router,),
        (changes.one_vni_for_another_network,),
        (changes.a_network_with_a_port, changes.other_routes),
    ),
    "protection changes": (
        (changes.other_rules,),
        (changes.a_group_without_state, changes.other_address_pairs),
        (changes.a_port_without_protection,),
        (changes.nothing,),
        (changes.another_mac, changes.other_address_pairs),
    ),
    "all goes up and down": (
        (changes.a_router_that_is_down,),
        (changes.a_network_that_is_down, changes.a_port_that_is_down),
        (changes.another_mtu, changes.advertised_subnets),
        (changes.ipv4_alone,),
        (changes.a_container, changes.ipv4_alone),
    ),
}


class Step(NamedTuple):
    """One scene of a history.

    Attributes:
        scene: what is wanted.
        works: the agent goes on until all is done; else the next scene comes before it could begin.
        restarts: the agent is a fresh one, that has nothing but this scene.
        survives: the agent is killed after so many requests and another one begins; None: it is not.
    """

    scene: Scene
    works: bool = True
    restarts: bool = False
    survives: int | None = None


History = list[Step]


def multiplied(states: Sequence[State], *seeds: int) -> Iterator[tuple[str, History]]:
    """Everything that is made of one sequence of states, by name: what chance has a part in once for each seed."""
    plain = [scene_of(*state) for state in states]
    steps = [Step(scene) for scene in plain]
    yield "as it is", steps
    yield "reversed", steps[::-1]
    yield "squashed", [*[step._replace(works=False) for step in steps[:-1]], steps[-1]]
    yield "squashed in the middle", [steps[0], *[step._replace(works=False) for step in steps[1:-1]], steps[-1]]
    yield "split", [*steps[:1], *(Step(scene) for pair in itertools.pairwise(plain) for scene in halves(*pair))]
    yield "duplicated", [step for step in steps for _ in range(2)]
    yield "there and back", [*steps, *steps[-2::-1], *steps[1:]]
    yield "restarted", [step._replace(restarts=True) for step in steps]
    yield "duplicated by restarts", [one for step in steps for one in (step, step._replace(restarts=True))]
    for seed in seeds:
        yield from ((f"{how}, seed {seed}", history) for how, history in _by_chance(steps, Random(seed)))


def _by_chance(steps: History, random: Random) -> Iterator[tuple[str, History]]:
    for number, order in enumerate(random.sample(list(itertools.permutations(steps)), 4)):
        yield f"permuted {number}", list(order)
    yield "killed", [step._replace(survives=random.randrange(40)) for step in steps]
    yield "killed in a hurry", [step._replace(survives=random.randrange(6), works=False) for step in steps]
    mixed = [steps[random.randrange(len(steps))] for _ in range(8)]
    yield (
        "mixed",
        [step._replace(restarts=random.random() < 0.3, works=random.random() < 0.7) for step in mixed[:-1]]
        + mixed[-1:],
    )


def halves(before: Scene, after: Scene) -> Iterator[Scene]:
    """The change from one scene to another in two parts, as a stream may say it; plugs change in between."""
    was, now = ({ref(value): value for value in scene.values} for scene in (before, after))
    changed = [key for key in [*was, *(key for key in now if key not in was)] if was.get(key) != now.get(key)]
    half = Scene()
    values = {**was, **{key: now[key] for key in changed[::2] if key in now}}
    half.values = consistent([value for key, value in values.items() if key in now or key not in changed[::2]])
    half.plugs, half.bridges = before.plugs, before.bridges
    yield half
    plugged = Scene()
    plugged.values, plugged.plugs, plugged.bridges = half.values, after.plugs, after.bridges
    yield plugged
    yield after


def consistent(values: list[Value]) -> list[Value]:
    """Values but for ports and subnets without a network, as no store holds them."""
    networks = {value.id for value in values if ref(value)[0] == "network"}
    return [value for value in values if getattr(value, "network_id", None) in (None, *networks)]
