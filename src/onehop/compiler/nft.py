"""nftables text in the form that ``nft -s list table`` prints, from typed values only.

Nothing here takes free text from outside: link names come from `onehop.net.naming`, addresses are canonical.
"""

import ipaddress
from collections.abc import Iterable


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


def any_of(values: Iterable[str]) -> str:
    """An anonymous set, or the one value alone."""
    ordered = list(values)
    return ordered[0] if len(ordered) == 1 else "{ " + ", ".join(ordered) + " }"


def raw_address(addresses: Iterable[str]) -> list[str]:
    """IPv6 addresses as the hexadecimal numbers that raw payload comparisons print, in the order nft lists them."""
    return [hex(number) for number in sorted({int(ipaddress.IPv6Address(a)) for a in addresses})]


def body(*parts: str) -> str:
    """What stands between a table's braces."""
    return "\n\n".join(part for part in parts if part) + "\n"
