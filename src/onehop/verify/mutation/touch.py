"""What a walk would have looked at, had a changed object mattered to it.

Keys are those of `onehop.verify.watch.Watch.used`. Of rules that go, or only decide otherwise, it is enough to look at
packets to which they did something.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from onehop.net import naming
from onehop.net.identifier import HostName
from onehop.objects import (
    Address,
    BridgeFdb,
    KernelObject,
    Link,
    Neighbour,
    Route,
    Rule,
    Ruleset,
    Sysctl,
    Vxlan,
    VxlanFdb,
)
from onehop.verify.nft.parse import parse

Key = tuple[object, ...]


def touched(host: HostName, old: KernelObject, new: KernelObject | None) -> Iterator[Key]:
    """What a walk would have looked at, had the change mattered to it; of elements of sets see `Judge`."""
    if isinstance(old, Ruleset):
        yield from _of_table(host, old, new if isinstance(new, Ruleset) else None)
    for one in (each for each in (old, new) if each is not None):
        space = one.namespace
        if isinstance(one, Link):
            yield from _of_link(host, one)
        elif isinstance(one, Address):
            yield "addresses", host, space
        elif isinstance(one, Neighbour):
            yield from (("neighbour", host, space, one.link, ip) for ip in (one.address, ""))
        elif isinstance(one, BridgeFdb):
            yield from (("fdb", host, one.bridge, mac) for mac in (one.mac, ""))
        elif isinstance(one, VxlanFdb):
            yield "vtep", host, space, one.link, one.mac
        elif isinstance(one, Route):
            yield "routes", host, space, one.table
        elif isinstance(one, Rule):
            yield "rules", host, space
        elif isinstance(one, Sysctl):
            yield "setting", host, space


def _of_link(host: HostName, one: Link) -> Iterator[Key]:
    yield "link", host, one.namespace, one.name
    yield "bridge", host, one.name
    if one.master is not None:
        yield "bridge", host, one.master
    if isinstance(one.spec, Vxlan):
        yield "vni", one.spec.vni
    if one.namespace != naming.HOST:
        yield "rules", host, one.namespace
        yield "setting", host, one.namespace


def name_of(host: HostName, one: Ruleset) -> Key:
    """How a walk names a table."""
    return host, one.namespace, one.family, one.table


def _of_table(host: HostName, old: Ruleset, new: Ruleset | None) -> Iterator[Key]:
    was, name = parse(old), name_of(host, old)
    if new is None:
        yield from (("chain", name, one) for one, chain in was.chains.items() if chain.hook is not None)
        return
    now = parse(new)
    for one, chain in was.chains.items():
        other = now.chains.get(one)
        if other is None or other.hook != chain.hook:
            hook = other.hook if other is not None else None
            same = hook is not None and chain.hook is not None and replace(hook, policy=chain.hook.policy) == chain.hook
            yield "policy" if same else "chain", name, one
        if other is not None:
            found = changed([rule.text for rule in chain.rules], [rule.text for rule in other.rules])
            yield from ((kind, name, one, number) for kind, number in found)


def changed(was: list[str], now: list[str]) -> Iterator[tuple[str, int]]:
    """Which rules of a chain changed, by number: ``fired`` are those that matter only where they did something."""
    if was == now:
        return
    first = next((n for n, pair in enumerate(zip(was, now, strict=False)) if pair[0] != pair[1]), len(now))
    if was[:first] + was[first + 1 :] == now:
        yield "fired", first
        return
    for number, (before, after) in enumerate(zip(was, now, strict=True)):
        if before != after:
            yield "fired" if before.rpartition(" ")[0] == after.rpartition(" ")[0] else "rule", number
