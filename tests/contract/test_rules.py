"""Rules change in place: hooks stay, so that a packet meets all old rules of a hook or all new ones."""

import msgspec
import pytest

from onehop.kernel.base import Kernel
from onehop.objects import NamedSet, Ruleset, nftables_change
from onehop.reconciler.plan import Replace
from tests.contract import things
from tests.contract.hosts import LinuxHost
from tests.contract.things import ROUTER, assert_there, carry_out, put, seen

change = msgspec.structs.replace

HOOK = "type filter hook prerouting priority raw; policy accept;"
LEAVE = "type filter hook postrouting priority srcnat; policy accept;"
SETS = (
    NamedSet("here", ("ipv4_addr",), elements=("10.0.0.1", "10.0.0.2")),
    NamedSet("gone", ("ipv4_addr",), elements=("10.0.0.9",)),
)


def body(**chains: tuple[str, ...]) -> str:
    def text(name: str, rules: tuple[str, ...]) -> str:
        return "".join([f"\tchain {name} {{\n", *(f"\t\t{rule}\n" for rule in rules), "\t}\n"])

    return "\n".join(text(name, rules) for name, rules in chains.items())


OLD = Ruleset(
    namespace=ROUTER,
    family="ip",
    table="onehop-rules",
    sets=SETS,
    body=body(
        few=("ip saddr @gone counter drop",),
        pre=(HOOK, "ip saddr @here jump few"),
        post=(LEAVE, "ip saddr 10.7.0.0/24 counter accept"),
    ),
)
NEW = change(
    OLD,
    sets=(change(SETS[0], elements=("10.0.0.2", "10.0.0.3")), NamedSet("more", ("ipv4_addr",), elements=("10.0.0.5",))),
    body=body(
        pre=(HOOK, "ip saddr @here goto many", "ip saddr != 10.8.0.0/24 counter drop"),
        post=(LEAVE, "ip saddr 10.7.0.0/24 counter accept"),
        many=("ip daddr @more counter drop",),
    ),
)
OTHERS = {
    "a rule more": change(OLD, body=OLD.body.replace("counter drop", "counter accept")),
    "a chain less": change(
        OLD, body=OLD.body.replace(OLD.body[: OLD.body.index("\tchain pre")], "").replace("jump few", "accept")
    ),
    "chains and sets": NEW,
    "a chain and a set": change(
        OLD,
        sets=(*SETS, NamedSet("more", ("ipv4_addr",), elements=("10.0.0.5",))),
        body=OLD.body.replace("@gone", "@more"),
    ),
    "another hook": change(OLD, body=OLD.body.replace("priority raw", "priority mangle")),
    "another order": change(OLD, sets=SETS[::-1]),
    "another type": change(OLD, sets=(SETS[0], NamedSet("gone", ("ipv4_addr",), interval=True))),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_a_table_becomes_another_and_back(kernel: Kernel, other: Ruleset) -> None:
    put(kernel, things.namespace, OLD)
    for old, new in ((OLD, other), (other, OLD)):
        assert not carry_out(kernel, Replace(old, new)).failed
        assert_there(kernel, new)


@pytest.mark.root
@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_what_was_changed_in_place_is_what_nft_lists(linux: LinuxHost, other: Ruleset) -> None:
    put(linux.kernel, things.namespace, OLD)
    assert not carry_out(linux.kernel, Replace(OLD, other)).failed
    # Somebody else's change makes everything be read again.
    linux.run(ROUTER, "nft", "add", "table", "inet", "somebody")
    assert seen(linux.kernel)[OLD.key] == other


@pytest.mark.root
@pytest.mark.parametrize("name", ["chains and sets", "a chain and a set"])
def test_hooks_and_what_did_not_change_stay(linux: LinuxHost, name: str) -> None:
    put(linux.kernel, things.namespace, OLD)

    def handles(name: str) -> str:
        return linux.run(ROUTER, "nft", "-a", "list", "chain", "ip", "onehop-rules", name)

    pre, post = handles("pre").splitlines()[1], handles("post")
    assert not carry_out(linux.kernel, Replace(OLD, OTHERS[name])).failed
    assert handles("pre").splitlines()[1] == pre
    assert handles("post") == post


@pytest.mark.root
def test_a_rule_by_somebody_elses_hand_is_seen_and_goes(linux: LinuxHost) -> None:
    put(linux.kernel, things.namespace, OLD)
    linux.run(ROUTER, "nft", "add", "rule", "ip", "onehop-rules", "post", "ip saddr 10.9.9.9 drop")
    assert not carry_out(linux.kernel, Replace(OLD, NEW)).failed
    found = seen(linux.kernel)[OLD.key]
    assert isinstance(found, Ruleset)
    assert "10.9.9.9" in found.body
    assert not carry_out(linux.kernel, Replace(found, NEW)).failed
    assert_there(linux.kernel, NEW)


@pytest.mark.root
def test_a_rule_that_is_refused_leaves_the_table_as_it_was(linux: LinuxHost) -> None:
    put(linux.kernel, things.namespace, OLD)
    wrong = change(NEW, body=NEW.body.replace("@more", "@nowhere"))
    report = carry_out(linux.kernel, Replace(OLD, wrong))
    assert "No such file or directory" in report.failed[0].reason
    assert_there(linux.kernel, OLD)


def test_only_what_differs_is_sent() -> None:
    commands = nftables_change.to_change(OLD, change(OLD, body=OLD.body.replace("jump few", "goto few")))
    assert commands is not None
    assert [line.strip() for line in commands.splitlines()] == [
        "flush chain ip onehop-rules pre",
        "table ip onehop-rules {",
        "chain pre {",
        HOOK,
        "ip saddr @here goto few",
        "}",
        "}",
        "list chain ip onehop-rules pre",
    ]


@pytest.mark.parametrize("name", ["another hook", "another order", "another type"])
def test_what_cannot_change_in_place_is_not_tried(name: str) -> None:
    assert nftables_change.to_change(OLD, OTHERS[name]) is None
