"""Mutants: states that are wrong in one place, by kinds.

Mistakes that are alike but for addresses, MACs, names and numbers are of one kind: what is broken is a line of the
compiler, not one object.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from hashlib import sha256

import msgspec

from onehop.net.identifier import HostName
from onehop.objects import KernelObject
from onehop.verify.mutation.operators import OPERATORS

States = Mapping[HostName, Sequence[KernelObject]]
"""What every host holds."""

_BLOT = re.compile(
    r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}|[0-9a-f]{8}-[0-9a-f-]{27,}|[0-9a-f]{1,4}(?::[0-9a-f]{1,4})*::[0-9a-f:]*(?:/\d+)?|"
    r"::(?:/\d+)?|0x[0-9a-f]+|\b(?:tap|brq|hr-|hg-|qr-|qg-|qt-|vxlan-|in\.|out\.)[0-9a-f-]+|\d+"
)


class Mutant(msgspec.Struct, frozen=True):
    """One broken state.

    Attributes:
        operator: what was done.
        host: whose object, and `at` which of them.
        instead: what is there instead; None is nothing.
        what: in words.
    """

    operator: str
    host: HostName
    at: int
    instead: KernelObject | None
    what: str

    @property
    def kind(self) -> str:
        """What it is without addresses, MACs, names and numbers."""
        return f"{self.operator}: {_BLOT.sub('…', self.what)}"


def kinds(states: States, seed: int) -> dict[str, list[Mutant]]:
    """Every mutant by kind; kinds and the mutants of one are in an order that follows from the seed alone."""
    found: dict[str, list[Mutant]] = defaultdict(list)
    for host, objects in states.items():
        for at, one in enumerate(objects):
            for operator in OPERATORS:
                for instead, what in operator(one):
                    if instead != one:
                        mutant = Mutant(operator.__name__, host, at, instead, what)
                        found[mutant.kind].append(mutant)

    def drawn(text: str) -> bytes:
        return sha256(f"{seed} {text}".encode()).digest()

    return {
        kind: sorted(found[kind], key=lambda one: drawn(f"{one.host} {one.at} {one.what}"))
        for kind in sorted(found, key=drawn)
    }


def broken(states: States, mutant: Mutant) -> States:
    """The states with the mutant's object in its place."""
    objects = list(states[mutant.host])
    objects[mutant.at : mutant.at + 1] = [] if mutant.instead is None else [mutant.instead]
    return {**states, mutant.host: objects}
