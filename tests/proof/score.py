"""How many mistakes the proof notices: the mutation score.

What is broken is the compiler, not one object: a mistake is of a kind (`Mutant.kind`), and a kind is noticed when it is
in some world. It is tried in every world, until it is.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import msgspec

from tests.golden.scenarios import Scenario
from tests.proof.equivalent import reason
from tests.proof.mutants import Judge, Mutant, mutants
from tests.proof.worlds import made


class Score(msgspec.Struct):
    """What became of mutants.

    Attributes:
        caught: kind → kind of case that noticed it.
        missed: kind → those that nothing noticed, with their worlds.
        tried: mutants.
        classes: of the unbroken worlds' proofs.
        violations: of the unbroken worlds: none, or the score says nothing.
    """

    caught: dict[str, str] = msgspec.field(default_factory=dict)
    missed: dict[str, list[tuple[str, Mutant]]] = msgspec.field(default_factory=dict)
    tried: int = 0
    classes: Counter[str] = msgspec.field(default_factory=Counter)
    violations: list[str] = msgspec.field(default_factory=list)

    @property
    def equivalent(self) -> dict[str, str]:
        """Kind → why it changes nothing."""
        return {kind: why for kind, found in self.missed.items() if (why := reason(found[0][1]))}

    @property
    def share(self) -> float:
        """Caught kinds, of those that change anything."""
        missed = len(self.missed) - len(self.equivalent)
        return len(self.caught) / max(1, len(self.caught) + missed)


def score(
    worlds: Iterable[Callable[[], Scenario]],
    seed: int,
    most: int,
    say: Callable[[str], None] = lambda _: None,
    operators: Sequence[str] = (),
) -> Score:
    """Break worlds in every way, so many times in each kind of way and world, until it is noticed."""
    found = Score()
    for world in worlds:
        judge = Judge(made(world()))
        found.classes.update(case.kind for case, _ in judge.judged)
        found.violations += [f"{world.__name__}: {violation.what}" for violation in judge.violations]
        for mutant in mutants(judge.made, seed, most):
            if mutant.kind in found.caught or (operators and mutant.operator not in operators):
                continue
            how, what = judge.caught(mutant)
            found.tried += 1
            if how:
                found.caught[mutant.kind] = how
                found.missed.pop(mutant.kind, None)
            else:
                found.missed.setdefault(mutant.kind, []).append((world.__name__, mutant))
            done = f"{mutant.operator} on {mutant.host}: {mutant.what}  [{what[:80]}]"
            say(f"{how or 'MISSED':9} {world.__name__}: {done}")
    return found


def told(found: Score) -> list[str]:
    """A score in lines."""
    same = found.equivalent
    lines = [f"{'operator':20} caught missed equivalent"]
    counts = [Counter(kind.partition(":")[0] for kind in kinds) for kinds in (found.caught, found.missed, same)]
    for operator in sorted({name for count in counts for name in count}):
        caught, missed, equal = (count[operator] for count in counts)
        lines.append(f"{operator:20} {caught:6} {missed - equal:6} {equal:10}")
    by = Counter(found.caught.values())
    lines.append(f"noticed by: {', '.join(f'{kind} {count}' for kind, count in by.most_common())}")
    lines.append(f"classes: {', '.join(f'{kind} {count}' for kind, count in found.classes.most_common())}")
    for kind, missed_ in sorted(found.missed.items()):
        world, mutant = missed_[-1]
        why = f"equivalent, {same[kind]}" if kind in same else "MISSED"
        lines.append(f"{why}: {mutant.operator} in {world} on {mutant.host}: {mutant.what}")
    total = len(found.caught) + len(found.missed) - len(same)
    lines.append(f"{100 * found.share:.1f} % of {total} kinds of mistakes, and {len(same)} that change nothing")
    lines.append(f"{found.tried} mutants tried")
    return lines
