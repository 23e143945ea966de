"""Mistakes: each operator breaks one kernel object, in every place where it can be broken in that way."""

import re
from collections.abc import Callable, Iterator

from msgspec.structs import replace

from onehop.net import naming
from onehop.objects import (
    Address,
    BridgeFdb,
    KernelObject,
    Link,
    NamedSet,
    Neighbour,
    NextHop,
    Route,
    Rule,
    Ruleset,
    Sysctl,
    Vxlan,
    VxlanFdb,
)

Broken = tuple[KernelObject | None, str]
"""What is there instead (None: nothing), and what was done, in words."""
Operator = Callable[[KernelObject], Iterator[Broken]]

WRONG_MAC = "fa:16:3e:99:99:99"
_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
_IP4 = re.compile(r"\d+\.\d+\.\d+\.\d+")
_IP6 = re.compile(r"[0-9a-f:]*::[0-9a-f:]*")


def drop_a_claim(one: KernelObject) -> Iterator[Broken]:
    """Any object is missing."""
    yield None, words(one)


def _rules(one: KernelObject) -> Iterator[tuple[Ruleset, int, str, str]]:
    """Every rule: its table, line, chain and text."""
    if isinstance(one, Ruleset):
        chain = ""
        for number, line in enumerate(one.body.split("\n")):
            begun = re.fullmatch(r"\tchain (\S+) \{", line)
            chain = begun[1] if begun else chain
            if line.startswith("\t\t") and not line.strip().startswith("type "):
                yield one, number, chain, line.strip()


def _line(one: Ruleset, number: int, line: str | None) -> Ruleset:
    lines = one.body.split("\n")
    lines[number : number + 1] = [] if line is None else [f"\t\t{line}"]
    return replace(one, body="\n".join(lines))


def drop_a_rule(one: KernelObject) -> Iterator[Broken]:
    """A rule is missing."""
    for table, number, chain, line in _rules(one):
        yield _line(table, number, None), f"{words(table)} {chain}: {line}"


def turn_a_verdict(one: KernelObject) -> Iterator[Broken]:
    """What is dropped passes, or the other way round."""
    for table, number, chain, line in _rules(one):
        head, _, last = line.rpartition(" ")
        turned = {"drop": "accept", "accept": "drop"}.get(last)
        if turned:
            yield _line(table, number, f"{head} {turned}".strip()), f"{words(table)} {chain}: {line}"


def turn_a_policy(one: KernelObject) -> Iterator[Broken]:
    """A base chain decides the other way where no rule does."""
    if isinstance(one, Ruleset):
        for number, line in enumerate(one.body.split("\n")):
            if line.strip().startswith("type ") and "policy" in line:
                old = "drop" if "policy drop" in line else "accept"
                new = line.strip().replace(f"policy {old}", f"policy {'accept' if old == 'drop' else 'drop'}")
                yield _line(one, number, new), f"{words(one)}: {line.strip()}"


def _set(one: Ruleset, some: NamedSet, old: str, new: str | None) -> Ruleset:
    elements = tuple(e if e != old else new for e in some.elements if e != old or new is not None)
    changed = replace(some, elements=tuple(e for e in elements if e is not None))
    if new is not None and ("/" in new or "-" in new):
        changed = replace(changed, interval=True)
    return replace(one, sets=tuple(changed if s is some else s for s in one.sets))


def _elements(one: KernelObject) -> Iterator[tuple[Ruleset, NamedSet, str]]:
    if isinstance(one, Ruleset):
        for some in one.sets:
            for element in some.elements:
                yield one, some, element


def drop_an_element(one: KernelObject) -> Iterator[Broken]:
    """An element of a set or map is missing."""
    for table, some, element in _elements(one):
        yield _set(table, some, element, None), f"{words(table)} @{some.name}: {element}"


def change_an_element(one: KernelObject) -> Iterator[Broken]:
    """An element is another: a MAC, an address, a port, or what it leads to."""
    for table, some, element in _elements(one):
        key, colon, value = element.partition(" : ")
        if colon and value.startswith("0x"):
            yield _set(table, some, element, f"{key} : {_next(value)}"), f"{words(table)} @{some.name} to: {element}"
        elif colon and _other(value) != value:
            yield _set(table, some, element, f"{key} : {_other(value)}"), f"{words(table)} @{some.name} to: {element}"
        changed = _other(key)
        if changed != key:
            new = changed + (colon + value if colon else "")
            yield _set(table, some, element, new), f"{words(table)} @{some.name}: {element}"


def _other(word: str) -> str:
    """The same with another MAC, or another last octet, or another port."""
    if _MAC.search(word):
        return _MAC.sub(WRONG_MAC, word, count=1)
    if re.search(r"0x[0-9a-f]+", word):
        return re.sub(r"0x([0-9a-f]+)", lambda m: _next(m[0]), word, count=1)
    if "/" not in word and _IP4.search(word):
        return re.sub(r"(\d+\.\d+\.\d+\.)(\d+)", lambda m: f"{m[1]}{(int(m[2]) + 77) % 250}", word, count=1)
    if "/" not in word and _IP6.search(word):
        return re.sub(r"::([0-9a-f:]+)", r"::9:\1", word, count=1)
    if re.fullmatch(r"\d+", word):
        return str(int(word) % 60_000 + 1)
    return word


def _next(number: str) -> str:
    value = int(number, 16)
    step = 1 << 24 if value and value % (1 << 24) == 0 else 1
    return f"{value + step:#0{len(number)}x}"


def widen_an_element(one: KernelObject) -> Iterator[Broken]:
    """An element is a prefix, or a larger one; or a larger range."""
    for table, some, element in _elements(one):
        key, colon, value = element.partition(" : ")
        wide = _wide(key)
        if wide is not None:
            new = wide + (colon + value if colon else "")
            yield _set(table, some, element, new), f"{words(table)} @{some.name}: {element} as {wide}"


def _wide(key: str) -> str | None:
    prefix = re.search(r"(\d+)\.(\d+)\.\d+\.\d+/24", key)
    if prefix:
        return key.replace(prefix[0], f"{prefix[1]}.{prefix[2]}.0.0/16")
    six = re.search(r"([0-9a-f]+):([0-9a-f]+)::/64", key)
    if six:
        return key.replace(six[0], f"{six[1]}::/16")
    span = re.search(r"\b(\d+)-(\d+)\b", key)
    if span:
        return key.replace(span[0], f"{span[1]}-{int(span[2]) + 7}")
    single = re.search(r"(\d+\.\d+\.\d+)\.\d+(?![\d/])", key)
    return key.replace(single[0], f"{single[1]}.0/24") if single else None


def swap_a_mac(one: KernelObject) -> Iterator[Broken]:
    """A link, a neighbour or a rule names another MAC."""
    if isinstance(one, Neighbour) or (isinstance(one, Link) and one.mac is not None):
        yield replace(one, mac=WRONG_MAC), words(one)
    for table, number, chain, line in _rules(one):
        if _MAC.search(line):
            yield _line(table, number, _MAC.sub(WRONG_MAC, line, count=1)), f"{words(table)} {chain}: {line}"


def widen_a_prefix(one: KernelObject) -> Iterator[Broken]:
    """A route is to more than it should be, or a rule speaks of more."""
    if isinstance(one, Route) and one.destination.endswith("/24"):
        first, second = one.destination.split(".")[:2]
        yield replace(one, destination=f"{first}.{second}.0.0/16"), words(one)
    elif isinstance(one, Route) and one.destination.endswith(("/32", "/64", "/128")):
        head = one.destination.split("/")[0]
        yield replace(one, destination="fd00::/16" if ":" in head else f"{head.split('.')[0]}.0.0.0/8"), words(one)
    for table, number, chain, line in _rules(one):
        for old, new in (("169.254.0.0/16", "169.0.0.0/8"), ("fe80::/10", "::/0"), (r"10\.0\.\d+\.0/24", "10.0.0.0/8")):
            if re.search(old, line):
                yield _line(table, number, re.sub(old, new, line, count=1)), f"{words(table)} {chain}: {line} as {new}"


def lose_a_match(one: KernelObject) -> Iterator[Broken]:
    """A rule means the opposite, or the link that it is about does not matter any more."""
    for table, number, chain, line in _rules(one):
        if " != " in line:
            yield _line(table, number, line.replace(" != ", " ", 1)), f"{words(table)} {chain}: {line}"
        named = re.match(r'(?:iifname|oifname) (?:!= )?"[^"]+" (?=.)', line)
        if named:
            yield _line(table, number, line[named.end() :]), f"{words(table)} {chain}: any link: {line}"


def wrong_place(one: KernelObject) -> Iterator[Broken]:
    """An entry leads elsewhere: another port, tunnel end, next hop, table, VNI, bridge; or an address is another."""
    if isinstance(one, BridgeFdb):
        yield replace(one, port="tap-elsewhere"), words(one)
    if isinstance(one, VxlanFdb):
        yield replace(one, vtep="192.0.2.99"), words(one)
    if isinstance(one, Link) and isinstance(one.spec, Vxlan):
        yield replace(one, spec=replace(one.spec, vni=one.spec.vni + 1)), f"{words(one)} VNI"
    if isinstance(one, Link) and one.master is not None:
        yield replace(one, master="brq-elsewhere"), f"{words(one)} master"
    if isinstance(one, Route) and one.hops and one.hops[0].gateway is not None:
        hop = NextHop(gateway=_other(one.hops[0].gateway), link=one.hops[0].link, onlink=one.hops[0].onlink)
        yield replace(one, hops=(hop, *one.hops[1:])), words(one)
    if isinstance(one, Rule):
        yield replace(one, table=one.table + 1), f"{words(one)} table"
        if one.mask:
            yield replace(one, mark=one.mark + (1 << 24)), f"{words(one)} mark"
    if isinstance(one, Address):
        ip, _, length = one.address.partition("/")
        yield replace(one, address=f"{_other(ip)}/{length}"), words(one)
    if isinstance(one, Sysctl):
        yield replace(one, value="0" if one.value != "0" else "1"), words(one)


def wrong_switch(one: KernelObject) -> Iterator[Broken]:
    """A link is down, or a bridge's port floods, learns, or does not suppress as it should."""
    if isinstance(one, Link):
        yield replace(one, up=not one.up), f"{words(one)} down"
        if one.port is not None:
            for name in ("flood", "learning", "neigh_suppress"):
                port = replace(one.port, **{name: not getattr(one.port, name)})
                yield replace(one, port=port), f"{words(one)} {name}"


OPERATORS: tuple[Operator, ...] = (
    drop_a_claim,
    drop_a_rule,
    turn_a_verdict,
    turn_a_policy,
    lose_a_match,
    drop_an_element,
    change_an_element,
    widen_an_element,
    swap_a_mac,
    widen_a_prefix,
    wrong_place,
    wrong_switch,
)


def words(one: KernelObject) -> str:
    """An object in a few words."""
    where = "" if one.namespace == naming.HOST else "router "
    return where + " ".join(str(part) for part in one.key if part != one.namespace)
