"""States that are wrong in one place, and who notices.

Every object of every host is broken in every way that an operator knows. Mistakes that are alike but for addresses,
MACs, names and numbers are of one kind; of each kind so many are taken, by lot.

A mutant is judged by what its change touches: classes whose walks have not looked at the changed object go as before.
"""

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from msgspec.structs import replace

from onehop.errors import OnehopError
from onehop.model.topology import Topology
from onehop.net import naming
from onehop.net.identifier import HostName
from onehop.objects import (
    Address,
    BridgeFdb,
    KernelObject,
    Link,
    Neighbour,
    Route,
    Rule,
    Ruleset,
    Sysctl,
    Vxlan,
    VxlanFdb,
)
from onehop.verify.nft.parse import parse
from onehop.verify.nft.value import Atom
from onehop.verify.proof.case import Case, Judged, Violation
from onehop.verify.proof.prove import cases
from onehop.verify.space import Space
from onehop.verify.world import World
from tests.proof.operators import OPERATORS
from tests.proof.worlds import Made, world_of

Key = tuple[object, ...]
_BLOT = re.compile(
    r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}|[0-9a-f]{8}-[0-9a-f-]{27,}|[0-9a-f]{0,4}::?[0-9a-f:]*(?:/\d+)?|0x[0-9a-f]+|"
    r"\b(?:tap|brq|hr-|hg-|qr-|qg-|qt-|vxlan-|in\.|out\.)[0-9a-f-]+|\d+"
)


class Mutant(NamedTuple):
    """One broken state: operator, which object of which host, what is there instead (None: nothing), and in words."""

    operator: str
    host: HostName
    at: int
    instead: KernelObject | None
    what: str

    @property
    def kind(self) -> str:
        """What it is without addresses, MACs, names and numbers."""
        return f"{self.operator}: {_BLOT.sub('…', self.what)}"


def mutants(made: Made, seed: int, most: int) -> Iterator[Mutant]:
    """At most so many of each kind, chosen by lot."""
    kinds: dict[str, list[Mutant]] = defaultdict(list)
    for host, objects in made.states.items():
        for at, one in enumerate(objects):
            for operator in OPERATORS:
                for instead, what in operator(one):
                    if instead != one:
                        mutant = Mutant(operator.__name__, host, at, instead, what)
                        kinds[mutant.kind].append(mutant)
    pick = random.Random(seed)
    for _, found in sorted(kinds.items()):
        yield from pick.sample(found, min(most, len(found)))


class Judge:
    """A world whose proof is known, class by class.

    Attributes:
        judged: every class, with its case; `violations` those of the unbroken state.
    """

    def __init__(self, made: Made) -> None:
        self.made = made
        self.world = world_of(made, made.states)
        self.judged: list[tuple[Case, Judged]] = []
        self._by_key: dict[Key, list[int]] = defaultdict(list)
        self._asked: dict[Key, set[tuple[Atom, ...]]] = defaultdict(set)
        self.violations: list[Violation] = []
        for case in cases(made.view):
            for judged in case.judge(self.world, case.box):
                if judged.violation is not None:
                    self.violations.append(judged.violation)
                for key in judged.used:
                    self._by_key[key].append(len(self.judged))
                    if key[0] == "set":
                        self._asked[key[1:3]].add(key[3])
                self.judged.append((case, judged))

    def caught(self, mutant: Mutant) -> tuple[str, str]:
        """The kind of case that notices, and how; two empty words where nothing does."""
        states = broken(self.made, mutant)
        try:
            world = world_of(self.made, states)
            old = self.made.states[mutant.host][mutant.at]
            numbers = set(self._touched(mutant, old, world))
            for number in sorted(numbers):
                case, judged = self.judged[number]
                if judged.violation is not None:
                    continue  # wrong before anybody broke anything
                for again in case.judge(world, judged.box):
                    if again.violation is not None:
                        return case.kind, again.violation.what
        except OnehopError as error:
            return "refused", str(error)
        return "", ""

    def _touched(self, mutant: Mutant, old: KernelObject, world: World) -> Iterator[int]:
        for key in touched(mutant.host, old, mutant.instead):
            yield from self._by_key.get(key, ())
        if isinstance(old, Ruleset):
            if isinstance(mutant.instead, Ruleset):
                yield from self._looked_up(mutant.host, old, mutant.instead)
            before, after = (one.spaces(mutant.host).get(old.namespace) for one in (self.world, world))
            for version in (4, 6):
                if _tracks(before, version) != _tracks(after, version):
                    yield from self._by_key.get(("tracks", mutant.host, old.namespace, version), ())

    def _looked_up(self, host: HostName, old: Ruleset, new: Ruleset) -> Iterator[int]:
        """Classes of which a changed set says something else, or, where it has a new element, may."""
        was, now = parse(old), parse(new)
        for name, members in was.sets.items():
            other = now.sets[name]
            more = bool({*other.exact, *(items for items, _ in other.wide)} - {*members.exact, *dict(members.wide)})
            if members == other:
                continue
            at: Key = ((host, old.namespace, old.family, old.table), name)
            for key in self._asked[at]:
                before = members.find(key)
                if before != other.find(key) or (more and before is None):
                    yield from self._by_key["set", *at, key]


def _tracks(space: Space | None, version: int) -> bool:
    return space is not None and space.tracks(version)


def broken(made: Made, mutant: Mutant) -> dict[HostName, list[KernelObject]]:
    """The states with the mutant's object in its place."""
    objects = list(made.states[mutant.host])
    objects[mutant.at : mutant.at + 1] = [] if mutant.instead is None else [mutant.instead]
    return {**made.states, mutant.host: objects}


def touched(host: HostName, old: KernelObject, new: KernelObject | None) -> Iterator[Key]:
    """What a walk would have looked at, had the change mattered to it."""
    both = [one for one in (old, new) if one is not None]
    if isinstance(old, Ruleset):
        yield from _of_table(host, old, new if isinstance(new, Ruleset) else None)
    for one in both:
        space = one.namespace
        if isinstance(one, Link):
            yield from _of_link(host, one)
        elif isinstance(one, Address):
            yield "addresses", host, space
        elif isinstance(one, Neighbour):
            yield from (("neighbour", host, space, one.link, ip) for ip in (one.address, ""))
        elif isinstance(one, BridgeFdb):
            yield from (("fdb", host, one.bridge, mac) for mac in (one.mac, ""))
        elif isinstance(one, VxlanFdb):
            yield "vtep", host, space, one.link, one.mac
        elif isinstance(one, Route):
            yield "routes", host, space, one.table
        elif isinstance(one, Rule):
            yield "rules", host, space
        elif isinstance(one, Sysctl):
            yield "setting", host, space


def _of_link(host: HostName, one: Link) -> Iterator[Key]:
    yield "link", host, one.namespace, one.name
    yield "bridge", host, one.name
    if one.master is not None:
        yield "bridge", host, one.master
    if isinstance(one.spec, Vxlan):
        yield "vni", one.spec.vni
    if one.namespace != naming.HOST:
        yield "rules", host, one.namespace
        yield "setting", host, one.namespace


def _of_table(host: HostName, old: Ruleset, new: Ruleset | None) -> Iterator[Key]:
    was, name = parse(old), (host, old.namespace, old.family, old.table)
    if new is None:
        yield from (("chain", name, one) for one, chain in was.chains.items() if chain.hook is not None)
        return
    now = parse(new)
    for one, chain in was.chains.items():
        other = now.chains.get(one)
        if other is None or other.hook != chain.hook:
            turned = other is not None and other.hook is not None and chain.hook is not None
            only = turned and replace(other.hook, policy=chain.hook.policy) == chain.hook
            yield "policy" if only else "chain", name, one
        if other is not None:
            yield from (
                (kind, name, one, number)
                for kind, number in _changed([r.text for r in chain.rules], [r.text for r in other.rules])
            )


def _changed(was: list[str], now: list[str]) -> Iterator[tuple[str, int]]:
    """What matters of a chain's rules: those that go, or do something else, only where they did something."""
    if was == now:
        return
    first = next((n for n, pair in enumerate(zip(was, now, strict=False)) if pair[0] != pair[1]), len(now))
    if was[:first] + was[first + 1 :] == now:
        yield "fired", first
        return
    for number, (before, after) in enumerate(zip(was, now, strict=True)):
        if before != after:
            yield "fired" if before.rpartition(" ")[0] == after.rpartition(" ")[0] else "rule", number


def unbroken(judges: Iterable[Judge]) -> list[Violation]:
    """What is wrong with worlds that nobody has broken."""
    return [violation for judge in judges for violation in judge.violations]


__all__ = ["Judge", "Mutant", "Topology", "broken", "mutants", "replace", "unbroken"]
