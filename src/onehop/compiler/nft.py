"""Sets as values, chains as text in the form that ``nft -s list table`` prints, from typed values only.

Nothing here takes free text from outside: link names come from `onehop.net.naming`, addresses are canonical.
"""

import ipaddress
from collections.abc import Iterable
from typing import TypeVar

from onehop.objects import NamedSet

T = TypeVar("T")

_ADDRESS = {4: "ipv4_addr", 6: "ipv6_addr"}


def chain(name: str, rules: Iterable[str], hook: str = "") -> str:
    """A chain. `hook` is the ``type … policy …;`` line of a base chain."""
    lines = [f"\tchain {name} {{"]
    if hook:
        lines.append(f"\t\t{hook}")
    lines += [f"\t\t{rule}" for rule in rules]
    return "\n".join([*lines, "\t}"])


def netdev_hook(direction: str, device: str, policy: str = "accept") -> str:
    """A base chain's line in the netdev family: `direction` is ``ingress`` or ``egress``."""
    return f'type filter hook {direction} device "{device}" priority filter; policy {policy};'


def address_set(name: str, version: int, elements: Iterable[str]) -> NamedSet:
    """A set of single addresses of one family."""
    return NamedSet(name, (_ADDRESS[version],), elements=_ordered(elements))


def prefix_set(name: str, version: int, prefixes: Iterable[str]) -> NamedSet:
    """A set of prefixes of one family, overlapping and neighbouring ones put together."""
    parsed = (ipaddress.ip_network(p) for p in set(prefixes))
    collapsed = ipaddress.collapse_addresses(parsed)  # type: ignore[type-var]  # one family only, by contract
    return NamedSet(name, (_ADDRESS[version],), interval=True, elements=_ordered(map(_element, collapsed)))


def _element(prefix: ipaddress.IPv4Network | ipaddress.IPv6Network) -> str:
    whole = prefix.prefixlen == prefix.max_prefixlen
    return str(prefix.network_address) if whole else str(prefix)


INLINE = 4
"""Prefixes that are compared one by one rather than looked up: a comparison takes a fraction of a lookup in a set."""


def within(field: str, prefixes: NamedSet) -> list[str]:
    """Matches on a field that lies in a set of prefixes: at most one of them holds, where they are few enough."""
    if 0 < len(prefixes.elements) <= INLINE:
        return [f"{field} {prefix}" for prefix in prefixes.elements]
    return [f"{field} @{prefixes.name}"]


def outside(field: str, prefixes: NamedSet) -> str:
    """The match on a field that lies in none of a set's elements."""
    if 0 < len(prefixes.elements) <= INLINE:
        return " ".join(f"{field} != {prefix}" for prefix in prefixes.elements)
    return f"{field} != @{prefixes.name}"


def any_set(name: str, key: str, elements: Iterable[str], *, interval: bool = False, typeof: bool = False) -> NamedSet:
    """A set with keys of a type such as ``ipv4_addr . inet_proto``, or of fields such as ``ip saddr . @th,136,8``."""
    return NamedSet(name, tuple(key.split(" . ")), typeof=typeof, interval=interval, elements=_ordered(elements))


def mapping(
    name: str, kind: str, elements: Iterable[tuple[str, str]], *, interval: bool = False, typeof: bool = False
) -> NamedSet:
    """A map from key to value, `kind` being the types of both: ``ipv4_addr : mark``."""
    key, _, value = kind.partition(" : ")
    listed = _ordered(f"{one} : {leads}" for one, leads in elements)
    return NamedSet(
        name, tuple(key.split(" . ")), tuple(value.split(" . ")), typeof=typeof, interval=interval, elements=listed
    )


def by_address(pairs: Iterable[tuple[str, T]]) -> list[tuple[str, T]]:
    """Pairs whose first is an address, in the order of the addresses."""
    return sorted(pairs, key=lambda pair: ipaddress.ip_address(pair[0]).packed)


def _ordered(elements: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(elements)))


def ports(first: int, last: int) -> str:
    """A port or a range of ports."""
    return str(first) if first == last else f"{first}-{last}"


def hexadecimals(first: int, last: int) -> str:
    """A number or a range of numbers, as raw payload comparisons want them."""
    return hex(first) if first == last else f"{first:#x}-{last:#x}"


def hexadecimal(address: str) -> str:
    """An IPv4 address as the number that a raw payload comparison prints."""
    return hex(int(ipaddress.IPv4Address(address)))


def any_of(values: Iterable[str]) -> str:
    """An anonymous set, or the one value alone."""
    ordered = list(values)
    return ordered[0] if len(ordered) == 1 else "{ " + ", ".join(ordered) + " }"


def raw_address(addresses: Iterable[str]) -> list[str]:
    """IPv6 addresses as the hexadecimal numbers that raw payload comparisons print, in the order nft lists them."""
    return [hex(number) for number in sorted({int(ipaddress.IPv6Address(a)) for a in addresses})]


def raw_prefixes(prefixes: Iterable[str]) -> list[str]:
    """IPv6 addresses and prefixes as `raw_address` writes them, as numbers and ranges; nothing where one is all."""
    found = ipaddress.collapse_addresses(ipaddress.IPv6Network(p) for p in set(prefixes))
    ranges = [(int(p.network_address), int(p.broadcast_address)) for p in found if p.prefixlen > 0]
    return [hexadecimals(first, last) for first, last in _joined(ranges)]


def _joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges in ascending order, neighbouring ones put together: nft lists them so."""
    joined: list[tuple[int, int]] = []
    for first, last in ranges:
        if joined and joined[-1][1] + 1 == first:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return joined


def body(*parts: str) -> str:
    """The chains of a table."""
    return "\n\n".join(part for part in parts if part) + "\n"
