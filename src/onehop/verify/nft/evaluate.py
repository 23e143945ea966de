"""What a chain makes of one packet.

The packet is known only as a `Subject`: something whose fields can be read and written. What a rule leaves to others
(a translation, a copy) is said in the `Ruling`.
"""

from typing import assert_never

import msgspec

from onehop.errors import UnknownRuleError
from onehop.verify.nft.ruling import Ruling, Said, Subject
from onehop.verify.nft.value import (
    Assign,
    Atom,
    Chain,
    Chance,
    Copy,
    Counter,
    Decide,
    Field,
    Flags,
    Limit,
    Log,
    Looked,
    Masked,
    Match,
    Members,
    Notrack,
    Part,
    Reject,
    Rule,
    Source,
    Span,
    Table,
    Translate,
    Value,
    Verdict,
)
from onehop.verify.watch import SILENT, Watch

_PROTOCOL, _IPV4 = Field("meta protocol", "ether_type"), 0x0800
_ASKS = Match | Flags | Chance | Counter | Limit | Log
"""Parts that change nothing by themselves."""

_DEEPEST = 16
"""Jumps that the kernel allows (NFT_JUMP_STACK_SIZE)."""


class _Decided(msgspec.Struct, frozen=True):
    """The end of a base chain, by a rule of a chain."""

    part: Verdict | Reject | Translate | Copy
    chain: str
    rule: str


def evaluate(
    table: Table, chain: Chain, subject: Subject, watch: Watch = SILENT, where: tuple[str, ...] = ()
) -> Ruling:
    """Show a packet to a base chain.

    Args:
        table, chain: the table, and the chain of it.
        subject: the packet; it is changed.
        watch: is told what was asked, and (with `where`: host and namespace) which rules did something.

    Raises:
        UnknownRuleError: a rule names a chain or set that is not there.
    """
    run = _Run(table, subject, watch, where)
    watch.used("chain", run.name, chain.name)
    decided = run.chain(chain, 0)
    said, copies = tuple(run.said), tuple(run.copies)
    if decided is None:
        watch.used("policy", run.name, chain.name)
        return Ruling(chain.hook.policy if chain.hook else "accept", chain.name, said=said, copies=copies)
    name, text, part = decided.chain, decided.rule, decided.part
    if isinstance(part, Reject):
        return Ruling("reject", name, text, said, copies, how=part.how)
    if isinstance(part, Translate):
        return Ruling("translate", name, text, said, copies, run.address, run.ports)
    if isinstance(part, Copy):
        return Ruling("forward", name, text, said, (*copies, part.device), run.address)
    return Ruling("drop" if part.word == "drop" else "accept", name, text, said, copies)


class _Run:
    """One packet in one base chain."""

    def __init__(self, table: Table, subject: Subject, watch: Watch, where: tuple[str, ...]) -> None:
        self.table = table
        self.name = (*where, table.family, table.name)
        self.subject = subject
        self.watch = watch
        self.said: list[Said] = []
        self.copies: list[str] = []
        self.address = 0
        self.ports: Span | None = None

    def chain(self, chain: Chain, depth: int) -> _Decided | None:
        if depth > _DEEPEST:
            raise UnknownRuleError(f"chains of table {self.table.name} lead to each other without end")
        for number, rule in enumerate(chain.rules):
            self.watch.used("rule", self.name, chain.name, number)
            decided = self.rule(chain, rule, number, depth)
            if decided is None:
                continue
            if isinstance(decided.part, Verdict) and decided.part.word == "return":
                # Only of this chain: whoever jumped here goes on.
                return None
            return decided
        return None

    def rule(self, chain: Chain, rule: Rule, number: int, depth: int) -> _Decided | None:
        fired = False
        for part in rule.parts:
            if not fired and not isinstance(part, _ASKS):
                self.watch.used("fired", self.name, chain.name, number)
                fired = True
            changes = isinstance(part, Assign | Notrack)
            before = str(self.subject) if changes else ""
            go_on = self.part(part)
            if changes and go_on:
                self.said.append(Said(chain.name, rule.text, before, str(self.subject)))
            if go_on is False:
                return None
            if go_on is True:
                continue
            if isinstance(go_on, Verdict) and go_on.word in ("jump", "goto"):
                decided = self.chain(self._named(go_on.chain), depth + 1)
                if decided is not None:
                    return decided
                if go_on.word == "goto":
                    return _Decided(Verdict("return"), chain.name, rule.text)
                continue
            return _Decided(go_on, chain.name, rule.text)
        return None

    def _named(self, name: str) -> Chain:
        if name not in self.table.chains:
            raise UnknownRuleError(f"table {self.table.name} has no chain {name}")
        return self.table.chains[name]

    def part(self, part: Part) -> bool | Verdict | Reject | Translate | Copy:
        """Whether the rule goes on, or how it ends."""
        match part:
            case Match():
                return self.match(part)
            case Flags():
                return self.flags(part)
            case Assign():
                return self.assign(part)
            case Translate():
                return self.translate(part)
            case Copy():
                return self.copy(part)
            case Decide():
                return self.decide(part)
            case Notrack():
                self.subject.untrack()
                return True
            case Counter() | Chance() | Limit() | Log():
                # Nothing is by lot in a model: what may happen does.
                return True
            case Verdict() | Reject():
                return part
        assert_never(part)

    def read(self, field: Field) -> Atom | None:
        found = self.subject.read(field)
        self.watch.read(self.subject, field, found)
        return found

    def key(self, fields: tuple[Field, ...]) -> tuple[Atom, ...] | None:
        found = tuple(map(self.read, fields))
        return None if None in found else found  # type: ignore[return-value]  # none is None

    def look(self, looked: Looked) -> object:
        key = self.key(looked.fields)
        if key is None:
            return None
        members = self.table.members(looked.members)
        self.watch.matched(self.subject, looked.fields, members, key, None)
        return self.find(looked.members, members, key)

    def find(self, which: Members | str, members: Members, key: tuple[Atom, ...]) -> Value | None:
        found = members.find(key)
        if isinstance(which, str):
            self.watch.used("set", self.name, which, key)
        return found

    def value(self, source: Source) -> int | None:
        if isinstance(source, int):
            return source
        if isinstance(source, Masked):
            found = self.read(source.field)
            return found & source.mask if isinstance(found, int) else None
        value = self.look(source)
        return value[0] if isinstance(value, tuple) and value and isinstance(value[0], int) else None

    def match(self, part: Match) -> bool:
        key = self.key(part.fields)
        if key is None:
            return False
        members = self.table.members(part.members)
        self.watch.matched(self.subject, part.fields, members, key, part.mask)
        if part.mask is not None:
            key = tuple(atom & part.mask for atom in key if isinstance(atom, int))
        return (self.find(part.members, members, key) is None) == part.negated

    def flags(self, part: Flags) -> bool:
        found = self.read(part.field)
        if isinstance(found, int):
            self.watch.flags(part.field, found, part.bits)
        return isinstance(found, int) and bool(found & part.bits) != part.negated

    def assign(self, part: Assign) -> bool:
        value = self.value(part.source)
        if value is not None:
            self.subject.write(part.field, value)
        return value is not None

    def translate(self, part: Translate) -> bool | Translate:
        self.ports = part.ports
        if isinstance(part.target, int):
            self.address = part.target
            return part
        value = self.look(part.target)
        if not isinstance(value, tuple) or not value or not isinstance(value[0], int):
            return False
        self.address = value[0]
        if len(value) > 1 and isinstance(value[1], int):
            self.ports = Span(value[1], value[1])
        return part

    def copy(self, part: Copy) -> bool | Copy:
        if part.hop is not None and self.subject.read(_PROTOCOL) != _IPV4:
            return False  # nft_fwd_neigh_eval goes on with the next rule
        if isinstance(part.hop, Looked):
            value = self.look(part.hop)
            if not isinstance(value, tuple) or not value or not isinstance(value[0], int):
                return False
            self.address = value[0]
        elif part.hop is not None:
            self.address = part.hop
        if part.away:
            return part
        self.copies.append(part.device)
        return True

    def decide(self, part: Decide) -> bool | Verdict:
        found = self.look(part.looked)
        return found if isinstance(found, Verdict) else False
