"""From a table, its chains as the text that the compiler writes and ``nft -s list table`` prints, to values.

The grammar is closed: what is not known is an UnknownRuleError that quotes the line. One line is one rule.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from onehop.errors import UnknownRuleError
from onehop.objects import NamedSet, Ruleset
from onehop.verify.nft.rule import parse_elements, parse_rule
from onehop.verify.nft.value import Chain, Hook, Members, Rule, Table
from onehop.verify.nft.word import FIELDS, field

_PRIORITIES = {"raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100}
_BLOCK = re.compile(r"chain (\S+) \{")
_HOOK = re.compile(
    r"type (filter|nat|route) hook (ingress|egress|prerouting|input|forward|output|postrouting)"
    r"(?: device \"([^\"]+)\"| devices = \{ ([^}]*) \})? priority ([a-z]+)?(?: ?([+-]?) ?([0-9]+))?; "
    r"policy (accept|drop);"
)
_TYPES = frozenset(FIELDS.values())
_FAMILIES = frozenset({"ip", "ip6", "inet", "arp", "netdev", "bridge"})


@lru_cache(maxsize=4096)
def parse(ruleset: Ruleset) -> Table:
    """A table, read.

    Raises:
        UnknownRuleError: something in it is not known here.
    """
    if ruleset.family not in _FAMILIES:
        raise UnknownRuleError(f"tables of the family {ruleset.family} are not known to the model")
    where = f"table {ruleset.family} {ruleset.table}"
    try:
        sets = {one.name: _members(one) for one in ruleset.sets}
        chains = {name: _chain(name, lines) for name, lines in _blocks(ruleset.body)}
    except UnknownRuleError as error:
        raise UnknownRuleError(f"{where}: {error}") from None
    return Table(ruleset.family, ruleset.table, sets, chains)


def _members(one: NamedSet) -> Members:
    try:
        key, value = ([_kind(word, typeof=one.typeof) for word in part] for part in (one.key, one.value))
        return parse_elements(one.elements, key, value)
    except UnknownRuleError as error:
        raise UnknownRuleError(f"set {one.name}: {error}") from None


def _kind(word: str, *, typeof: bool) -> str:
    found = field(word) if typeof else None
    if found is not None:
        return found.kind
    if not typeof and (word in _TYPES or word == "verdict"):
        return word
    raise UnknownRuleError(f"the type {word!r} is not known")


def _blocks(body: str) -> Iterator[tuple[str, list[str]]]:
    name, lines = "", list[str]()
    for line in filter(None, (line.strip() for line in body.splitlines())):
        begun = _BLOCK.fullmatch(line)
        if not name and begun:
            name, lines = begun[1], []
        elif name and line == "}":
            yield name, lines
            name = ""
        elif name:
            lines.append(line)
        else:
            raise UnknownRuleError(f"{line!r} begins no chain")


def _chain(name: str, lines: list[str]) -> Chain:
    hook = _hook(lines.pop(0)) if lines and lines[0].startswith("type ") else None
    return Chain(name, hook, tuple(_rule(line) for line in lines))


def _rule(line: str) -> Rule:
    try:
        return Rule(line, parse_rule(line))
    except UnknownRuleError as error:
        raise UnknownRuleError(f"rule {line!r}: {error}") from None


def _hook(line: str) -> Hook:
    found = _HOOK.fullmatch(line)
    if found is None or (found[5] and found[5] not in _PRIORITIES) or not (found[5] or found[7]):
        raise UnknownRuleError(f"{line!r} is no hook that is known")
    kind, hook, device, devices, word, sign, number, policy = found.groups()
    priority = _PRIORITIES.get(word, 0) + int(f"{sign or ''}{number or 0}")
    listed = (device,) if device else tuple(part.strip().strip('"') for part in (devices or "").split(",") if part)
    return Hook(kind, hook, priority, "drop" if policy == "drop" else "accept", listed)
