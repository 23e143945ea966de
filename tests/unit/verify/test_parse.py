"""The grammar of rules is closed: every rule that is compiled is known, and what is not known is said loudly."""

from collections.abc import Callable

import pytest

from onehop.compiler import compile_host
from onehop.errors import UnknownRuleError
from onehop.objects import NamedSet, Ruleset
from onehop.verify.nft.parse import parse
from onehop.verify.nft.value import (
    Assign,
    Chance,
    Copy,
    Field,
    Flags,
    Glob,
    Looked,
    Match,
    Members,
    Reject,
    Span,
    Table,
    Translate,
    Verdict,
)
from onehop.verify.nft.word import FIELDS
from onehop.verify.packet import Frame, Packet
from onehop.verify.subject import Passing
from tests.golden.scenarios import SCENARIOS, Scenario

HOOK = "type filter hook prerouting priority raw; policy accept;"


def table(*rules: str, hook: str = HOOK, family: str = "ip", sets: tuple[NamedSet, ...] = ()) -> Table:
    lines = "\n".join(f"\t\t{line}" for line in (hook, *rules))
    body = f"\tchain first {{\n{lines}\n\t}}\n\n\tchain second {{\n\t\tdrop\n\t}}\n"
    return parse(Ruleset(namespace="n", family=family, table="onehop", sets=sets, body=body))


def parts(rule: str) -> tuple[object, ...]:
    return table(rule).chains["first"].rules[0].parts


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.__name__)
def test_every_rule_that_is_compiled_is_known(scenario: Callable[[], Scenario]) -> None:
    view, locals_ = scenario()
    for host, local in locals_.items():
        for partition in compile_host(view, host, local).values():
            for claim in partition.claims.values():
                if isinstance(claim.object, Ruleset):
                    read = [rule.text for chain in parse(claim.object).chains.values() for rule in chain.rules]
                    lines = claim.object.body.replace("\t", "").split("\n")
                    assert read == [line for line in lines if line and not line.startswith(("chain ", "}", "type "))]


@pytest.mark.parametrize(
    "rule",
    [
        "ip dscp 46 drop",
        "ip saddr 10.0.0.1 queue to 5",
        "ip saddr 10.0.0.300 drop",
        "ip saddr 10.0.0.0/33 drop",
        "limit rate over 5/second drop",
        "ct state brandnew drop",
        "ct mark set 0x1",
        "ip saddr set ip daddr",
        "tcp dport set 80",
        "masquerade",
        "snat to 203.0.113.1 random",
        "meta mark set meta mark | 0x1",
        "numgen inc mod 2 == 0 drop",
        "jump",
        "ip saddr { 10.0.0.1, drop",
        "tcp flags syn / fin,syn drop",
        "fib daddr type local accept",
        "limit rate 5 mbytes/second accept",
        "log flags all",
    ],
)
def test_a_rule_that_is_not_known_is_an_error_that_quotes_it(rule: str) -> None:
    with pytest.raises(UnknownRuleError) as caught:
        table(rule)
    assert repr(rule) in str(caught.value)
    assert "table ip onehop" in str(caught.value)


@pytest.mark.parametrize(
    "hook",
    [
        "type filter hook prerouting priority early; policy accept;",
        "type filter hook elsewhere priority raw; policy accept;",
        "type filter hook prerouting priority raw; policy queue;",
    ],
)
def test_a_hook_that_is_not_known_is_an_error(hook: str) -> None:
    with pytest.raises(UnknownRuleError):
        table("drop", hook=hook)


@pytest.mark.parametrize(
    "one",
    [
        NamedSet("s", ("cgroup",)),
        NamedSet("s", ("ipv4_addr",), elements=("fe80::/10 : 5",)),
        NamedSet("s", ("ipv4_addr", "inet_service"), elements=("10.0.0.1",)),
        NamedSet("s", ("ip dscp",), typeof=True),
    ],
)
def test_a_set_that_is_not_known_is_an_error(one: NamedSet) -> None:
    with pytest.raises(UnknownRuleError):
        table("drop", sets=(one,))


def test_a_family_that_is_not_known_is_an_error() -> None:
    with pytest.raises(UnknownRuleError):
        table("drop", family="route")


@pytest.mark.parametrize(
    ("text", "priority"),
    [
        ("raw", -300),
        ("mangle", -150),
        ("dstnat", -100),
        ("dstnat + 10", -90),
        ("filter", 0),
        ("srcnat", 100),
        ("200", 200),
        ("srcnat - 5", 95),
    ],
)
def test_priorities_are_numbers(text: str, priority: int) -> None:
    hook = table("drop", hook=f"type filter hook prerouting priority {text}; policy drop;").chains["first"].hook
    assert hook is not None
    assert (hook.priority, hook.policy) == (priority, "drop")


def test_rules_become_values() -> None:
    saddr, mark = Field("ip saddr", "ipv4_addr"), Field("meta mark", "mark")
    assert parts("ip saddr != 10.0.0.0/24 drop") == (
        Match((saddr,), Members({}, (((Span(0x0A000000, 0x0A0000FF),), ()),)), negated=True),
        Verdict("drop"),
    )
    assert parts('iifname "qr-*" return')[0] == Match(
        (Field("iifname", "ifname"),), Members({}, (((Glob("qr-"),), ()),))
    )
    assert parts("meta mark 0x00000000/8 jump second") == (
        Match((mark,), Members({}, (((Span(0, 0x00FFFFFF),), ()),))),
        Verdict("jump", "second"),
    )
    assert parts("tcp flags ! syn,rst reject with tcp reset") == (
        Flags(Field("tcp flags", "tcp_flag"), 6, negated=True),
        Reject("tcp reset"),
    )
    assert parts("numgen random mod 3 == 0 snat to 203.0.113.1:1024-2047") == (
        Chance(3),
        Translate("snat", 0xCB007101, Span(1024, 2047)),
    )
    dport, proto = Field("th dport", "inet_service"), Field("ip protocol", "inet_proto")
    assert parts("dnat ip to ip daddr . ip protocol . th dport map @forwards")[0] == Translate(
        "dnat", Looked((Field("ip daddr", "ipv4_addr"), proto, dport), "forwards")
    )
    assert parts('dup to "vxlan-5"') == (Copy("vxlan-5"),)
    assert parts("ether saddr set 0e:00:00:00:00:01") == (Assign(Field("ether saddr", "ether_addr"), 0x0E0000000001),)


def test_every_field_that_is_known_can_be_read() -> None:
    packet = Packet(source="10.0.0.1", destination="10.0.0.2", protocol=6)
    passing = Passing(Frame("02:00:00:00:00:01", "02:00:00:00:00:02", packet))
    for name, kind in FIELDS.items():
        assert passing.read(Field(name, kind)) is None or isinstance(passing.read(Field(name, kind)), int | str), name
