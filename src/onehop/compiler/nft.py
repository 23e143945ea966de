"""nftables text in the form that ``nft -s list table`` prints, from typed values only.

Nothing here takes free text from outside: link names come from `onehop.net.naming`, addresses are canonical.
"""

import ipaddress
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")

_NUMBERS = {"tcp": 6, "udp": 17}


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


def address_set(name: str, version: int, elements: Iterable[str]) -> str:
    """A set of single addresses of one family."""
    ordered = sorted(set(elements), key=ipaddress.ip_address)
    kind = "ipv4_addr" if version == 4 else "ipv6_addr"
    listed = f"\t\telements = {{ {', '.join(ordered)} }}\n" if ordered else ""
    return f"\tset {name} {{\n\t\ttype {kind}\n{listed}\t}}"


def prefix_set(name: str, version: int, prefixes: Iterable[str]) -> str:
    """A set of prefixes of one family, overlapping and neighbouring ones put together."""
    parsed = (ipaddress.ip_network(p) for p in set(prefixes))
    collapsed = ipaddress.collapse_addresses(parsed)  # type: ignore[type-var]  # one family only, by contract
    kind = "ipv4_addr" if version == 4 else "ipv6_addr"
    members = ", ".join(_element(p) for p in collapsed)
    listed = f"\t\telements = {{ {members} }}\n" if members else ""
    return f"\tset {name} {{\n\t\ttype {kind}\n\t\tflags interval\n{listed}\t}}"


def _element(prefix: ipaddress.IPv4Network | ipaddress.IPv6Network) -> str:
    whole = prefix.prefixlen == prefix.max_prefixlen
    return str(prefix.network_address) if whole else str(prefix)


def mapping(
    name: str, kind: str, elements: Iterable[tuple[str, str]], *, interval: bool = False, typeof: bool = False
) -> str:
    """A map from key to value in the order given; nothing where it would be empty."""
    listed = ", ".join(f"{key} : {value}" for key, value in elements)
    if not listed:
        return ""
    word, flags = ("typeof" if typeof else "type"), ("\t\tflags interval\n" if interval else "")
    return f"\tmap {name} {{\n\t\t{word} {kind}\n{flags}\t\telements = {{ {listed} }}\n\t}}"


def by_address(pairs: Iterable[tuple[str, T]]) -> list[tuple[str, T]]:
    """Pairs whose first is an address, in the order in which nft lists a map of them."""
    return sorted(pairs, key=lambda pair: ipaddress.ip_address(pair[0]).packed)


def listed(address: str, protocol: str, port: int) -> bytes:
    """The place of a key ``address . protocol . port`` in a listing: nft compares from the last octet to the first."""
    return (ipaddress.ip_address(address).packed + bytes([_NUMBERS[protocol]]) + port.to_bytes(2))[::-1]


def listed_addresses(*addresses: str) -> bytes:
    """The place of a key of several addresses in a listing."""
    return b"".join(ipaddress.ip_address(address).packed for address in addresses)[::-1]


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
    """What stands between a table's braces."""
    return "\n\n".join(part for part in parts if part) + "\n"
