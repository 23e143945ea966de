"""A world whose proof is known class by class: so mutants are judged by what their change touches.

Classes whose walks have not looked at the changed object go as before.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

from msgspec.structs import replace

from onehop.errors import OnehopError
from onehop.model.topology import Topology
from onehop.net.identifier import HostName
from onehop.objects import Address, BridgeFdb, KernelObject, Neighbour, Route, Rule, Ruleset, VxlanFdb
from onehop.verify.mutation.dead import is_dead
from onehop.verify.mutation.mutant import Mutant, States, broken
from onehop.verify.mutation.touch import Key, changed, name_of, touched
from onehop.verify.nft.parse import parse
from onehop.verify.nft.value import Atom, Item
from onehop.verify.proof.alike import spans
from onehop.verify.proof.case import Case, Judged, Violation
from onehop.verify.proof.prove import cases
from onehop.verify.proof.spans import Box, both, holds
from onehop.verify.space import Space
from onehop.verify.world import World

_TOLD = Ruleset | Neighbour | BridgeFdb | VxlanFdb | Route | Rule | Address
"""Objects of which the model knows everything: where nobody notices a change of them, nothing has changed."""

_MOST_KEPT = 4096
"""Classes whose walks are remembered: a mutant touches those that the one before it did."""

Change = Literal["none", "dead", "idle", "some"]
"""What a mutant changes of what anybody would notice: nothing at all; nothing, because no packet can come there;
nothing that was looked at, because no packet of this world came there; something."""


class Judge:
    """A world whose proof is known.

    Attributes:
        judged: every class, with its case.
        violations: of the unbroken state.
    """

    def __init__(self, view: Topology, states: States, world_of: Callable[[States], World]) -> None:
        """Prove a world.

        Args:
            view: what was compiled.
            states: what every host holds.
            world_of: the world of some states.
        """
        self.states, self._world_of = states, world_of
        self.world = world_of(states)
        self.judged: list[tuple[Case, Judged]] = []
        self.violations: list[Violation] = []
        self._again: dict[int, Judged] = {}
        self._by_key: dict[Key, list[int]] = defaultdict(list)
        self._asked: dict[Key, set[tuple[Atom, ...]]] = defaultdict(set)
        for case in cases(view):
            for judged in case.judge(self.world, case.box):
                self._keep(case, judged)

    def _keep(self, case: Case, judged: Judged) -> None:
        if judged.violation is not None:
            self.violations.append(judged.violation)
        for key in judged.used:
            self._by_key[key].append(len(self.judged))
            if key[0] == "set":
                self._asked[key[1:3]].add(key[3])  # type: ignore[arg-type]  # by `onehop.verify.nft.evaluate`
        self.judged.append((case, replace(judged, noticed=(), used=frozenset())))

    def is_dead(self, mutant: Mutant) -> bool:
        """Whether a mutant concerns no packet, by the rules alone."""
        return is_dead(self.states[mutant.host][mutant.at], mutant.instead)

    def caught(self, mutant: Mutant) -> tuple[str, str]:
        """The kind of case that notices, and how; two empty words where nothing does."""
        try:
            world = self._world_of(broken(self.states, mutant))
            for number in self.touched(mutant, world):
                case, judged = self.judged[number]
                if judged.violation is not None:
                    continue  # wrong before anybody broke anything
                for again in case.judge(world, judged.box):
                    if again.violation is not None:
                        return case.kind, again.violation.what
        except OnehopError as error:
            return "refused", str(error)
        return "", ""

    def change(self, mutant: Mutant) -> Change:
        """What a mutant that is not caught changes, over every packet of every class that it touches.

        "none" needs packets to which what is changed does something, before or after; so it is no statement about what
        this world does not have.
        """
        old = self.states[mutant.host][mutant.at]
        world = self._world_of(broken(self.states, mutant))
        numbers = self.touched(mutant, world)
        effective = False
        for number in numbers:
            case, judged = self.judged[number]
            for again in case.judge(world, judged.box):
                whole = again.box == judged.box
                for before in (self._unbroken(number),) if whole else case.judge(self.world, again.box):
                    # Of a class that is not divided both walks are of one and the same packet.
                    after = again if whole else next(case.judge(world, before.box))
                    if before.noticed != after.noticed or not isinstance(old, _TOLD):
                        return "some"
                    effective = effective or _does(mutant, old, before, after)
        return "none" if effective else "idle"

    def _unbroken(self, number: int) -> Judged:
        """A class again, by the packet that stands for it where nothing else is asked about."""
        if number not in self._again:
            if len(self._again) >= _MOST_KEPT:
                self._again.clear()
            case, judged = self.judged[number]
            self._again[number] = next(case.judge(self.world, judged.box))
        return self._again[number]

    def touched(self, mutant: Mutant, world: World) -> list[int]:
        """Numbers of the classes that a mutant may change, in ascending order."""
        return sorted(set(self._touched(mutant, self.states[mutant.host][mutant.at], world)))

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
            if members == other:
                continue
            more = {*other.exact, *dict(other.wide)} - {*members.exact, *dict(members.wide)}
            at: Key = (name_of(host, old), name)
            for key in self._asked[at]:
                before, numbers = members.find(key), self._by_key["set", *at, key]
                if before != other.find(key):
                    yield from numbers
                elif more and before is None:
                    yield from (n for n in numbers if any(_may_be(self.judged[n], key, items) for items in more))


def _does(mutant: Mutant, old: KernelObject, before: Judged, after: Judged) -> bool:
    """Whether what is changed does something to a class: a rule acts, an element is found, an entry is used."""
    new = mutant.instead
    if not isinstance(old, Ruleset):
        mine = {*touched(mutant.host, old, None), *(touched(mutant.host, new, None) if new is not None else ())}
        return any(key in mine and key[-1] != "" for key in (*before.used, *after.used))
    name = name_of(mutant.host, old)
    if not isinstance(new, Ruleset):
        return any(key[0] in ("fired", "policy") and key[1] == name for key in before.used)
    was, now = parse(old), parse(new)
    for used in (before.used, after.used):
        for key in used:
            if key[0] == "set" and key[1] == name:
                found: tuple[Atom, ...] = key[3]  # type: ignore[assignment]  # by `onehop.verify.nft.evaluate`
                if was.sets[str(key[2])].find(found) != now.sets[str(key[2])].find(found):
                    return True
    for chain, rules in was.chains.items():
        other = now.chains.get(chain)
        if other is not None and rules.hook != other.hook and ("policy", name, chain) in before.used:
            return True
        texts = [[rule.text for rule in one.rules] for one in (rules, other or rules)]
        for _, number in changed(*texts):
            fired = ("fired", name, chain, number)
            if fired in before.used or (len(texts[0]) == len(texts[1]) and fired in after.used):
                return True
    return False


def _may_be(one: tuple[Case, Judged], key: tuple[Atom, ...], items: tuple[Item, ...]) -> bool:
    """Whether a packet of a class may have a key that is in an element, where its representative has this one."""
    case, judged = one
    return case.kind in ("emission", "settings") or all(map(partial(_meets, judged.box), key, items))


def _meets(box: Box, atom: Atom, item: Item) -> bool:
    wanted = spans(item)
    if not isinstance(atom, int) or not wanted or wanted[-1][1] >> 32:
        return True  # names are as they are; MACs and IPv6 are not told apart here
    inside = holds(wanted, atom)
    return inside or any(holds(some, atom) and both(some, wanted) for some in box.values())


def _tracks(space: Space | None, version: int) -> bool:
    return space is not None and space.tracks(version)
