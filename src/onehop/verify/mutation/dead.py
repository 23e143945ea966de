"""Rules that no packet can come to or can match: a change of them is no mistake, whatever a world holds.

By the rules alone: chains to which nothing leads, matches on a set that is empty, elements of a set that no rule asks,
policies behind a rule that decides about every packet.
"""

import re
from collections.abc import Iterator

from onehop.objects import KernelObject, Ruleset
from onehop.verify.mutation.touch import changed
from onehop.verify.nft.parse import parse
from onehop.verify.nft.value import Chain, Counter, Decide, Match, Part, Reject, Rule, Table, Verdict

_NAMED = re.compile(r"@([A-Za-z_]\w*)(?!\S*,)")
"""Sets in a rule's text; ``@th,64,8`` is a field."""


def is_dead(old: KernelObject, new: KernelObject | None) -> bool:
    """Whether only rules (or policies) are changed that concern no packet, neither before nor after."""
    if not isinstance(old, Ruleset) or not isinstance(new, Ruleset):
        return False
    was, now = parse(old), parse(new)
    live = led_to(was) | led_to(now)
    asked = {name for table in (was, now) for name in _asked(table, live)}
    if [one.name for one in old.sets] != [one.name for one in new.sets]:
        return False
    if any(one != other and one.name in asked for one, other in zip(old.sets, new.sets, strict=True)):
        return False
    return was.chains.keys() == now.chains.keys() and all(
        name not in live or _same(was, chain, now, now.chains[name]) for name, chain in was.chains.items()
    )


def _same(was: Table, before: Chain, now: Table, after: Chain) -> bool:
    if before.hook != after.hook:
        return before.rules == after.rules and decides(was, before) and decides(now, after)
    texts = [[rule.text for rule in chain.rules] for chain in (before, after)]
    numbers = [number for _, number in changed(*texts)]
    pairs = [(was, before), (now, after)] if len(texts[0]) == len(texts[1]) else [(was, before)]
    return all(_never(table, chain.rules[number]) for table, chain in pairs for number in numbers)


def _asked(table: Table, live: set[str]) -> Iterator[str]:
    """Names of the sets and maps that rules ask to which a packet can come."""
    for name in live & table.chains.keys():
        for rule in table.chains[name].rules:
            yield from _NAMED.findall(rule.text)


def _never(table: Table, rule: Rule) -> bool:
    """Whether a rule asks for something to be in a set that is empty."""
    for part in rule.parts:
        if isinstance(part, Match) and not part.negated:
            members = table.members(part.members)
            if not members.exact and not members.wide:
                return True
    return False


def decides(table: Table, chain: Chain, depth: int = 0) -> bool:
    """Whether a chain surely decides about every packet: at its end, and wherever it is left for good."""
    if depth > len(table.chains):
        return False
    for rule in chain.rules:
        for verdict in (verdict for part in rule.parts for verdict in _verdicts(table, part)):
            if verdict.word == "return" or (verdict.word == "goto" and not _decides(table, verdict, depth)):
                return False
    return any(_ends(table, rule, depth) for rule in chain.rules)


def _ends(table: Table, rule: Rule, depth: int) -> bool:
    """Whether a rule decides about every packet that comes to it."""
    parts = [part for part in rule.parts if not isinstance(part, Counter)]
    if len(parts) != 1:
        return False
    part = parts[0]
    if isinstance(part, Verdict) and part.word in ("goto", "jump"):
        return _decides(table, part, depth)
    return isinstance(part, Reject) or (isinstance(part, Verdict) and part.word in ("accept", "drop"))


def _decides(table: Table, verdict: Verdict, depth: int) -> bool:
    return verdict.chain in table.chains and decides(table, table.chains[verdict.chain], depth + 1)


def _verdicts(table: Table, part: Part) -> Iterator[Verdict]:
    """What a part may lead to."""
    if isinstance(part, Verdict):
        yield part
    elif isinstance(part, Decide):
        members = table.members(part.looked.members)
        values = (*members.exact.values(), *(value for _, value in members.wide))
        yield from (value for value in values if isinstance(value, Verdict))


def led_to(table: Table) -> set[str]:
    """The chains of a table that a packet can come to: base chains, and what their rules and maps lead to."""
    seen: set[str] = set()
    todo = [name for name, chain in table.chains.items() if chain.hook is not None]
    while todo:
        name = todo.pop()
        if name not in seen and name in table.chains:
            seen.add(name)
            parts = (part for rule in table.chains[name].rules for part in rule.parts)
            todo.extend(verdict.chain for part in parts for verdict in _verdicts(table, part))
    return seen
