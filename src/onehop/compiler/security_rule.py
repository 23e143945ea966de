"""One rule of a security group as nftables matches in the bridge family, in the form that they are listed."""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from onehop.compiler import nft
from onehop.compiler.security_profile import ANYWHERE, Direction
from onehop.model.security_group import SecurityRule
from onehop.model.security_rule import ICMP, ICMPV6, PORTED

_NAMES: Mapping[int, str] = MappingProxyType(
    {
        1: "icmp",
        2: "igmp",
        6: "tcp",
        17: "udp",
        33: "dccp",
        47: "gre",
        50: "esp",
        51: "ah",
        58: "ipv6-icmp",
        112: "vrrp",
        132: "sctp",
        136: "udplite",
    }
)
"""As nftables lists protocols; others are listed as numbers, or by names that the host has for them."""

_TYPES: Mapping[int, Mapping[int, str]] = MappingProxyType(
    {
        ICMP: {0: "echo-reply", 3: "destination-unreachable", 8: "echo-request", 11: "time-exceeded"},
        ICMPV6: {
            1: "destination-unreachable",
            2: "packet-too-big",
            3: "time-exceeded",
            128: "echo-request",
            129: "echo-reply",
        },
    }
)


def member_set(group: str, version: int) -> str:
    """The set of a group's members that are single addresses."""
    return f"m{version}-{group}"


def prefix_set(group: str, version: int) -> str:
    """The set of a group's members that are prefixes."""
    return f"p{version}-{group}"


@lru_cache(maxsize=1 << 16)
def matches(rule: SecurityRule, direction: Direction, with_prefixes: bool) -> tuple[str, ...]:
    """What a packet must be for the rule to let it pass: any one of these.

    Args:
        rule: of a group.
        direction: which of its ends is the other one.
        with_prefixes: the group that it speaks of has prefixes among its members.
    """
    family = "ip" if rule.version == 4 else "ip6"
    other = f"{family} {'saddr' if direction == 'in' else 'daddr'}"
    if rule.group:
        remotes = [f"{other} @{member_set(rule.group, rule.version)}"]
        if with_prefixes:
            remotes.append(f"{other} @{prefix_set(rule.group, rule.version)}")
    elif rule.prefix in ANYWHERE:
        remotes = [""]
    else:
        remotes = [f"{other} {_prefix(rule.prefix)}"]
    return tuple(_joined(remote, rule, family) for remote in remotes)


def _prefix(prefix: str) -> str:
    head, _, length = prefix.partition("/")
    return head if length == ("128" if ":" in head else "32") else prefix


def _joined(remote: str, rule: SecurityRule, family: str) -> str:
    # What says the version already is listed without the version.
    what, says_version = _protocol(rule)
    version = "" if remote or says_version else f"meta protocol {family}"
    return " ".join(word for word in (remote, version, what) if word)


def _protocol(rule: SecurityRule) -> tuple[str, bool]:
    if rule.protocol == -1:
        return "", False
    name = _NAMES.get(rule.protocol, str(rule.protocol))
    if rule.first == -1:
        return f"meta l4proto {name}", False
    if rule.protocol in PORTED:
        return f"{name} dport {nft.ports(rule.first, rule.last)}", False
    word = "icmp" if rule.protocol == ICMP else "icmpv6"
    type = _TYPES[rule.protocol].get(rule.first, str(rule.first))
    code = f" {word} code {rule.last}" if rule.last != -1 else ""
    return f"{word} type {type}{code}", True
