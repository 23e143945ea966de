"""How many mistakes the proof notices: the mutation score.

A mistake is of a kind (`Mutant.kind`), and a kind is noticed when one of it is, in some world. What changes nothing
that anybody would notice is no mistake: that is reckoned (`Judge.change`), never listed by hand.
"""

from collections import Counter
from collections.abc import Callable, Iterator

import msgspec

from onehop.verify.mutation.judge import Change, Judge
from onehop.verify.mutation.mutant import Mutant, kinds

_MOST_IDLE = 3
"""So many times as many may be of no concern to any packet of a world, until that is left."""


class Missed(msgspec.Struct):
    """A kind that nothing noticed.

    Attributes:
        world: where, and `mutant` which was tried last.
        changes: what those that were tried changed.
    """

    world: str
    mutant: Mutant
    changes: set[Change]

    @property
    def is_mistake(self) -> bool:
        """Whether it may change something: then it is missed; else it was no mistake."""
        return "some" in self.changes or self.changes == {"idle"}


class Score(msgspec.Struct):
    """What became of mutants.

    Attributes:
        caught: kind → kind of case that noticed it.
        missed: kind → what is known of it; a part of them are no mistakes.
        tried: mutants.
        classes: of the unbroken worlds' proofs.
        violations: of the unbroken worlds: none, or the score says nothing.
    """

    caught: dict[str, str] = msgspec.field(default_factory=dict)
    missed: dict[str, Missed] = msgspec.field(default_factory=dict)
    tried: int = 0
    classes: Counter[str] = msgspec.field(default_factory=Counter)
    violations: list[str] = msgspec.field(default_factory=list)

    @property
    def uncaught(self) -> list[str]:
        """Kinds of mistakes that nothing noticed."""
        return sorted(kind for kind, missed in self.missed.items() if missed.is_mistake)

    @property
    def share(self) -> float:
        """Caught kinds, of those that are mistakes."""
        return len(self.caught) / max(1, len(self.caught) + len(self.uncaught))

    def add(
        self,
        world: str,
        judge: Judge,
        seed: int,
        most: int = 4,
        say: Callable[[str], None] = lambda _: None,
        chosen: Callable[[int, str], bool] = lambda _number, _kind: True,
    ) -> None:
        """Break a world in every way, until each kind is noticed; what other worlds noticed is not tried again.

        Args:
            world: its name.
            judge: which knows it.
            seed: decides which mutants of a kind are tried first.
            most: so many of each kind that touch something.
            say: is told of every mutant.
            chosen: by number and kind: which are tried.
        """
        self.classes.update(case.kind for case, _ in judge.judged)
        self.violations += [f"{world}: {violation.what}" for violation in judge.violations]
        for number, (kind, mutants) in enumerate(kinds(judge.states, seed).items()):
            if kind not in self.caught and chosen(number, kind):
                self._try(world, judge, kind, mutants, most, say)

    def _try(
        self, world: str, judge: Judge, kind: str, mutants: list[Mutant], most: int, say: Callable[[str], None]
    ) -> None:
        changes = self.missed[kind].changes if kind in self.missed else set[Change]()
        tried = idle = 0
        for mutant in mutants:
            if tried == most or idle == _MOST_IDLE * most:
                break
            if judge.is_dead(mutant):
                changes.add("dead")
                self.missed[kind] = Missed(world, mutant, changes)
                continue
            how, what = judge.caught(mutant)
            self.tried += 1
            if how:
                say(f"{how:9} {world}: {mutant.operator} on {mutant.host}: {mutant.what}  [{what[:80]}]")
                self.caught[kind] = how
                self.missed.pop(kind, None)
                return
            change: Change = "some" if "some" in changes else judge.change(mutant)
            changes.add(change)
            tried += change != "idle"
            idle += change == "idle"
            say(f"{'MISSED':9} {world}: {mutant.operator} on {mutant.host}: {mutant.what}  [{change}]")
            self.missed[kind] = Missed(world, mutant, changes)

    def told(self) -> Iterator[str]:
        """The score in lines."""
        mistakes = set(self.uncaught)
        same = [kind for kind in self.missed if kind not in mistakes]
        yield f"{'operator':20} caught missed no mistake"
        counts = [Counter(kind.partition(":")[0] for kind in some) for some in (self.caught, mistakes, same)]
        for operator in sorted({name for count in counts for name in count}):
            caught, missed, equal = (count[operator] for count in counts)
            yield f"{operator:20} {caught:6} {missed:6} {equal:10}"
        by = Counter(self.caught.values())
        yield f"noticed by: {', '.join(f'{kind} {count}' for kind, count in by.most_common())}"
        yield f"classes: {', '.join(f'{kind} {count}' for kind, count in self.classes.most_common())}"
        for kind in sorted(self.missed):
            one = self.missed[kind]
            word = f"missed ({', '.join(sorted(one.changes))})" if kind in mistakes else "no mistake"
            yield f"{word}: {one.mutant.operator} in {one.world} on {one.mutant.host}: {one.mutant.what}"
        total = len(self.caught) + len(mistakes)
        yield f"{self.tried} mutants tried"
        yield (
            f"{len(self.caught)} of {total} kinds of mistakes noticed: {100 * self.share:.1f} %; "
            f"{len(same)} more change nothing that anybody would notice"
        )
