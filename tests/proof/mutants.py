"""States that are wrong in one place: each operator breaks one kernel object as a mistake in the compiler would.

``python -m tests.proof.mutants`` prints the score.
"""

import random
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from msgspec.structs import replace

from onehop.errors import OnehopError
from onehop.model.topology import Topology
from onehop.net import naming
from onehop.net.identifier import HostName
from onehop.objects import BridgeFdb, KernelObject, Link, Neighbour, Route, Ruleset, Vxlan, VxlanFdb
from onehop.verify.proof.delivery import Delivery
from onehop.verify.proof.emission import Emission
from onehop.verify.proof.isolation import Isolation
from tests.proof.tenants import States, Tenants, states_of, world_of


class Mutant(NamedTuple):
    """One broken state: which operator, which object of which host, and what is there instead (None: nothing)."""

    operator: str
    host: HostName
    at: int
    instead: KernelObject | None
    what: str


Operator = Callable[[KernelObject, States], Iterator[tuple[KernelObject | None, str]]]
_WRONG_MAC = "fa:16:3e:99:99:99"


def _rules(one: KernelObject) -> Iterator[tuple[Ruleset, int, str]]:
    if isinstance(one, Ruleset):
        for number, line in enumerate(one.body.split("\n")):
            if line.startswith("\t\t") and not line.strip().startswith("type "):
                yield one, number, line


def _without(one: Ruleset, number: int, line: str | None) -> Ruleset:
    lines = one.body.split("\n")
    lines[number : number + 1] = [] if line is None else [line]
    return replace(one, body="\n".join(lines))


def drop_a_rule(one: KernelObject, _: States) -> Iterator[tuple[KernelObject | None, str]]:
    for table, number, line in _rules(one):
        if "notrack" not in line:
            yield _without(table, number, None), f"{table.table}: {line.strip()}"


def missing_notrack(one: KernelObject, _: States) -> Iterator[tuple[KernelObject | None, str]]:
    for table, number, line in _rules(one):
        if "notrack" in line:
            yield _without(table, number, None), f"{table.table}: {line.strip()}"


def swap_a_mac(one: KernelObject, _: States) -> Iterator[tuple[KernelObject | None, str]]:
    if isinstance(one, Neighbour):
        yield replace(one, mac=_WRONG_MAC), f"neighbour {one.address}"
    if isinstance(one, Link) and one.mac is not None and one.namespace != naming.HOST:
        yield replace(one, mac=_WRONG_MAC), f"link {one.name}"
    if isinstance(one, Ruleset):
        for some in one.sets:
            for element in some.elements:
                if re.match(r"fa:16:3e|00:00:5e", element):
                    wrong = replace(some, elements=tuple(_swapped(e) if e == element else e for e in some.elements))
                    sets = tuple(wrong if s is some else s for s in one.sets)
                    yield replace(one, sets=sets), f"{one.table} @{some.name}: {element}"


def _swapped(element: str) -> str:
    return _WRONG_MAC + element[17:]


def widen_a_prefix(one: KernelObject, _: States) -> Iterator[tuple[KernelObject | None, str]]:
    if isinstance(one, Route) and one.table == naming.MAIN_TABLE and "/" in one.destination:
        base, _, length = one.destination.partition("/")
        if base.startswith("10.") and length == "24":
            yield replace(one, destination="10.0.0.0/16"), f"route {one.destination}"
    if isinstance(one, Ruleset):
        for some in one.sets:
            for element in some.elements:
                wide = _widened(element)
                if wide is not None:
                    wrong = replace(
                        some, elements=tuple(wide if e == element else e for e in some.elements), interval=True
                    )
                    sets = tuple(wrong if s is some else s for s in one.sets)
                    yield replace(one, sets=sets), f"{one.table} @{some.name}: {element} as {wide}"


def _widened(element: str) -> str | None:
    if re.fullmatch(r"10\.0\.\d+\.0/24", element):
        return "10.0.0.0/16"
    mac = re.fullmatch(r"((?:[0-9a-f]{2}:){5}[0-9a-f]{2}) \. (\d+\.\d+\.\d+)\.\d+", element)
    return f"{mac[1]} . {mac[2]}.0/24" if mac else None


def wrong_vni(one: KernelObject, states: States) -> Iterator[tuple[KernelObject | None, str]]:
    if isinstance(one, Link) and isinstance(one.spec, Vxlan):
        others = {
            o.spec.vni
            for objects in states.values()
            for o in objects
            if isinstance(o, Link) and isinstance(o.spec, Vxlan)
        }
        for vni in sorted(others - {one.spec.vni})[:2]:
            yield replace(one, spec=replace(one.spec, vni=vni)), f"{one.name}: VNI {vni}"


def wrong_fdb(one: KernelObject, states: States) -> Iterator[tuple[KernelObject | None, str]]:
    if isinstance(one, BridgeFdb):
        links = [o.name for o in states_of_host(states, one) if isinstance(o, Link) and o.master == one.bridge]
        for port in sorted(set(links) - {one.port})[:1]:
            yield replace(one, port=port), f"fdb {one.mac} behind {port}"
    if isinstance(one, VxlanFdb):
        yield None, f"fdb {one.mac} of {one.link}"


def states_of_host(states: States, one: KernelObject) -> list[KernelObject]:
    return next(objects for objects in states.values() if one in objects)


def wrong_element(one: KernelObject, _: States) -> Iterator[tuple[KernelObject | None, str]]:
    """Maps: an element less, or two whose values are swapped."""
    if isinstance(one, Ruleset):
        for some in one.sets:
            if not some.value:
                continue
            for element in some.elements:
                left = replace(some, elements=tuple(e for e in some.elements if e != element))
                yield replace(one, sets=tuple(left if s is some else s for s in one.sets)), f"@{some.name}: {element}"


OPERATORS: tuple[Operator, ...] = (
    drop_a_rule,
    missing_notrack,
    swap_a_mac,
    widen_a_prefix,
    wrong_vni,
    wrong_fdb,
    wrong_element,
)


def mutants(states: States, seed: int, most: int) -> Iterator[Mutant]:
    """At most so many of each operator, chosen by lot."""
    for operator in OPERATORS:
        found = [
            Mutant(operator.__name__, host, at, instead, what)
            for host, objects in states.items()
            for at, one in enumerate(objects)
            for instead, what in operator(one, states)
        ]
        yield from random.Random(seed).sample(found, min(most, len(found)))


def broken(states: States, mutant: Mutant) -> States:
    """The states with the mutant's object in its place."""
    objects = list(states[mutant.host])
    objects[mutant.at : mutant.at + 1] = [] if mutant.instead is None else [mutant.instead]
    return {**states, mutant.host: objects}


def caught(view: Topology, states: States) -> str:
    """What finds a violation first: the quick ones are asked first. Empty where nothing does."""
    try:
        world = world_of(view, states)
        for name, prover in (("delivery", Delivery), ("emission", Emission), ("isolation", Isolation)):
            if next(prover(view, world).violations(), None) is not None:
                return name
    except OnehopError as error:
        return f"refused: {error}"
    return ""


if __name__ == "__main__":
    import sys
    import time
    from collections import Counter

    seeds, most = (int(word) for word in sys.argv[1:3])
    tally: Counter[tuple[str, str]] = Counter()
    for seed in range(seeds):
        view = Tenants(seed, ports=3).topology()
        states = states_of(view)
        for mutant in mutants(states, seed, most):
            begun = time.monotonic()
            how = caught(view, broken(states, mutant))
            tally[mutant.operator, how.partition(":")[0]] += 1
            took = f"{time.monotonic() - begun:5.1f} s"
            print(how[:50] or "SURVIVES", took, mutant.operator, mutant.host, mutant.what, flush=True)
    for key, number in sorted(tally.items()):
        print(*key, number)
    lost = sum(number for (_, how), number in tally.items() if not how)
    print(f"{100 * (1 - lost / tally.total()):.1f} % of {tally.total()}")
