"""A table changed in place: what differs between two forms of it, as one transaction.

Chains whose rules differ are emptied and filled anew, which the kernel does for each hook at once: a packet sees all
old rules of a hook or all new ones, and the hook itself stays. A table that is replaced instead takes its hooks away
and puts others there, and packets in flight pass in between (nf_tables_commit in net/netfilter/nf_tables_api.c).
"""

import re
from collections.abc import Iterator

from onehop.objects.nftables import chain_text, check_body, check_table, set_text, to_list
from onehop.objects.ruleset import NamedSet, Ruleset

_CHAIN = re.compile(r"\tchain (?P<name>\S+) \{\n(?P<lines>(?:\t\t[^\n]*\n)*)\t\}\n\n?")
_HOOK = re.compile(r"\t\ttype [^\n]*\n")


def to_change(old: Ruleset, new: Ruleset) -> str | None:
    """The commands, or None where only replacing the whole table makes one of the other.

    Raises:
        IdentifierError: a table's name is not ours, or a body ends it early.
    """
    before, after = _chains(old.body), _chains(new.body)
    sets = {one.name: one for one in old.sets}
    kept = {one.name for one in new.sets if one.name in sets}
    if before is None or after is None or old.key != new.key:
        return None
    if any(_hook(before[name]) != _hook(after[name]) for name in before.keys() & after.keys()):
        return None
    if any(sets[one.name].declaration != one.declaration for one in new.sets if one.name in kept):
        return None
    if not _in_order(list(before), list(after)) or not _in_order(list(sets), [one.name for one in new.sets]):
        return None
    check_table(new.family, new.table)
    check_body(new)
    table = f"{new.family} {new.table}"
    differing = [name for name, lines in after.items() if before.get(name) != lines]
    gone = [name for name in before if name not in after]
    commands = [f"flush chain {table} {name}" for name in (*differing, *gone) if name in before]
    commands += [line for one in new.sets if one.name in kept for line in _elements(table, sets[one.name], one)]
    fresh = [set_text(one) for one in new.sets if one.name not in kept]
    rules = [f"\tchain {name} {{\n{chain_text(after[name])}\t}}\n" for name in differing]
    commands += [f"table {table} {{\n{''.join((*fresh, *rules))}}}"] if fresh or rules else []
    commands += [f"delete chain {table} {name}" for name in gone]
    commands += [f"delete set {table} {one.name}" for one in old.sets if one.name not in kept]
    # A listing at the end makes libnftables read this one table instead of all.
    return "\n".join([*commands, to_list(new.family, new.table)])


def _chains(body: str) -> dict[str, str] | None:
    """Lines by chain, or None where the text is not all chains."""
    found: dict[str, str] = {}
    at = 0
    while match := _CHAIN.match(body, at):
        found[match["name"]] = match["lines"]
        at = match.end()
    return found if at == len(body) else None


def _in_order(before: list[str], after: list[str]) -> bool:
    """Whether the kernel, which lists things as they came, would list the new ones in the order that is declared."""
    kept = [name for name in before if name in after]
    return after[: len(kept)] == kept


def _hook(lines: str) -> str:
    match = _HOOK.match(lines)
    return match[0] if match else ""


def _elements(table: str, old: NamedSet, new: NamedSet) -> Iterator[str]:
    there, wanted = set(old.elements), set(new.elements)
    for verb, elements in (("delete", there - wanted), ("add", wanted - there)):
        if elements:
            yield f"{verb} element {table} {new.name} {{ {', '.join(sorted(elements))} }}"
