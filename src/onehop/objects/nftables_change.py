"""A table changed in place: what differs between two forms of it, as one transaction.

Chains whose rules differ are emptied and filled anew, which the kernel does for each hook at once: a packet sees all
old rules of a hook or all new ones, and the hook itself stays. A table that is replaced instead takes its hooks away
and puts others there, and packets in flight pass in between (nf_tables_commit in net/netfilter/nf_tables_api.c).
"""

import re
from collections.abc import Iterator, Mapping

from onehop.objects.nftables import chain_text, chains_of, check_ends, check_table, set_text, to_list
from onehop.objects.ruleset import NamedSet, Ruleset

_HOOK = re.compile(r"\t\ttype [^\n]*\n")


def to_change(old: Ruleset, new: Ruleset) -> str | None:
    """The commands, or None where only replacing the whole table makes one of the other, or nothing differs.

    Rules of chains that do not change keep their counters. Chains and sets come before what names them, and go after.

    Raises:
        IdentifierError: a table's name is not ours, or a body ends it early.
    """
    check_table(new.family, new.table)
    before, after = chains_of(old.body), chains_of(new.body)
    if before is None or after is None or old.key != new.key or old.counters != new.counters:
        return None
    there, wanted = {one.name: one for one in old.sets}, {one.name: one for one in new.sets}
    kept = sorted(there.keys() & wanted.keys())
    if not _same_hooks(before, after) or any(there[name].declaration != wanted[name].declaration for name in kept):
        return None
    table = f"{new.family} {new.table}"
    gone = [name for name in before if name not in after]
    made = [name for name in after if name not in before]
    filled = [*made, *(name for name in after if name in before and after[name] != before[name])]
    commands = [_block(new, set_text(one)) for one in new.sets if one.name not in there]
    commands += [f"add chain {table} {name}" for name in made if not _hook(after[name])]
    commands += [f"flush chain {table} {name}" for name in before if name in gone or name in filled]
    commands += [_block(new, f"\tchain {name} {{\n{chain_text(after[name])}\t}}\n") for name in filled]
    commands += [line for name in kept for line in _elements(new, there[name], wanted[name])]
    commands += [f"delete chain {table} {name}" for name in gone]
    commands += [
        f"delete {'map' if one.value else 'set'} {table} {name}" for name, one in there.items() if name not in wanted
    ]
    if not commands:
        return None
    # A listing at the end makes libnftables read this one table instead of all; where one chain differs, of the
    # namespace's chains that one (see `onehop.objects.nftables.least_read`).
    alone = filled if len(filled) == 1 and not gone and not made else []
    commands += [f"list chain {table} {name}" for name in alone] or [to_list(new.family, new.table).rstrip()]
    return "".join(f"{line}\n" for line in commands)


def _block(table: Ruleset, text: str) -> str:
    check_ends(table.table, text)
    return f"table {table.family} {table.table} {{\n{text}}}"


def _same_hooks(before: Mapping[str, str], after: Mapping[str, str]) -> bool:
    return all(_hook(before.get(name, "")) == _hook(after.get(name, "")) for name in before.keys() & after.keys())


def _hook(lines: str) -> str:
    match = _HOOK.match(lines)
    return match[0] if match else ""


def _elements(table: Ruleset, old: NamedSet, new: NamedSet) -> Iterator[str]:
    less, more = sorted(set(old.elements) - set(new.elements)), sorted(set(new.elements) - set(old.elements))
    # A key may stand for another value now, so that it goes first.
    for word, elements in (("delete", [e.partition(" : ")[0] for e in less]), ("add", more)):
        if elements:
            check_ends(table.table, " ".join(elements))
            yield f"{word} element {table.family} {table.table} {new.name} {{ {', '.join(elements)} }}"
