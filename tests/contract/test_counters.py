"""Counters: what a kernel says of them, and that they are no part of what a table is."""

import pytest
from msgspec.structs import replace

from onehop.kernel.base import Kernel
from onehop.objects import Bridge, Link, Ruleset
from onehop.objects.counter import Count
from onehop.reconciler import Plan, Scope
from onehop.reconciler.plan import Create, Replace
from tests.contract.hosts import Host, LinuxHost
from tests.property.laws import assert_done, reconcile

link = Link(namespace="", name="br0", spec=Bridge(), alias="onehop net/x network/x", mtu=1500, up=True)


def table(number: int, *counters: str) -> Ruleset:
    """A table that counts all that leaves the link by its first counter."""
    body = (
        "\tchain out {\n"
        '\t\ttype filter hook egress device "br0" priority filter; policy drop;\n'
        f'\t\tcounter name "{counters[0]}" drop\n'
        "\t}\n"
    )
    return Ruleset(
        namespace="", family="netdev", table=f"onehop-net-{number}", counters=counters, body=body, devices=("br0",)
    )


def test_counters_are_read_by_table_or_all_at_once(kernel: Kernel) -> None:
    one, other = table(1, "first", "second"), table(2, "third")
    assert_done(*reconcile(kernel, {found.key: found for found in (link, one, other)}))
    everything = kernel.count("netdev")
    assert {name: set(counters) for name, counters in everything.items()} == {
        "onehop-net-1": {"first", "second"},
        "onehop-net-2": {"third"},
    }
    assert kernel.count("netdev", "onehop-net-2").keys() == {"onehop-net-2"}
    assert kernel.count("netdev", "onehop-net-3") == {}
    assert kernel.count("inet") == {}


def test_a_table_with_counters_is_read_back_as_declared(kernel: Kernel) -> None:
    wanted = table(1, "first", "second")
    assert_done(*reconcile(kernel, {found.key: found for found in (link, wanted)}))
    assert kernel.observe(Scope(namespace="")).objects[wanted.key] == wanted


def test_another_counter_is_another_structure(kernel: Kernel) -> None:
    old, new = table(1, "first"), table(1, "first", "second")
    assert not old.has_structure_of(new)
    assert_done(*reconcile(kernel, {found.key: found for found in (link, old)}))
    kernel.execute(Plan((Replace(old, new),)))
    assert kernel.count("netdev")["onehop-net-1"].keys() == {"first", "second"}


@pytest.mark.root
def test_what_passes_is_counted_and_changes_nothing_that_is_compared() -> None:
    host = LinuxHost()
    try:
        wanted = table(1, "first")
        assert host.kernel.execute(Plan((Create(replace(link, up=False)), Create(wanted), Replace(link, link)))).done
        before = host.kernel.count("netdev")["onehop-net-1"]["first"]
        host.run("", "ip", "link", "set", "br0", "up")
        host.run("", "ip", "addr", "add", "10.9.9.1/24", "dev", "br0")
        host.run("", "sh", "-c", "ping -c1 -W1 -b 10.9.9.255 >/dev/null 2>&1 || true")
        after = host.kernel.count("netdev")["onehop-net-1"]["first"]
        assert after.packets > before.packets
        assert after.octets > after.packets
        assert host.kernel.observe(Scope(namespace="")).objects[wanted.key] == wanted
    finally:
        host.close()


def test_tables_of_others_are_not_read(host: Host) -> None:
    host.plant(replace(table(1, "first"), table="theirs", family="inet", body="", devices=()))
    assert host.kernel.count("inet") == {}


def test_a_count_begins_at_nothing(kernel: Kernel) -> None:
    assert_done(*reconcile(kernel, {found.key: found for found in (replace(link, up=False), table(1, "first"))}))
    assert kernel.count("netdev")["onehop-net-1"]["first"] == Count()


def dropping(namespace: str, table_: str, family: str) -> Ruleset:
    """A table with a chain that counts what it drops, twice, one that rejects, and one that only counts."""
    body = (
        "\tchain closed {\n"
        "\t\ttype filter hook forward priority filter; policy accept;\n"
        "\t\tip saddr 10.9.9.1 counter drop\n"
        "\t\tip saddr 10.9.9.2 counter drop\n"
        "\t}\n\n"
        "\tchain refused {\n"
        "\t\tip protocol tcp counter reject with tcp reset\n"
        "\t}\n\n"
        "\tchain open {\n"
        "\t\tip saddr 10.9.9.3 counter accept\n"
        "\t}\n"
    )
    return Ruleset(namespace=namespace, family=family, table=table_, body=body)


def test_drops_are_told_by_table_and_chain_and_only_where_rules_drop_and_count(kernel: Kernel) -> None:
    tables = [dropping("", "onehop-one", "ip"), dropping("", "onehop-two", "inet")]
    assert_done(*reconcile(kernel, {found.key: found for found in tables}))
    none = {"closed": Count(), "refused": Count()}
    assert kernel.drops("") == {"onehop-one": none, "onehop-two": none}
    assert kernel.drops("", "inet") == {"onehop-two": none}
    assert kernel.drops("", "ip", "onehop-one") == {"onehop-one": none}
    assert kernel.drops("", "ip", "onehop-three") == {}
    assert kernel.drops("qrouter-of-nobody") == {}


@pytest.mark.root
def test_what_a_rule_drops_is_counted_by_its_chain() -> None:
    host = LinuxHost()
    try:
        body = (
            "\tchain out {\n"
            "\t\ttype filter hook output priority filter; policy accept;\n"
            "\t\tip daddr 127.0.0.2 counter drop\n"
            "\t\tip daddr 127.0.0.3 counter drop\n"
            "\t}\n"
        )
        wanted = Ruleset(namespace="", family="ip", table="onehop-out", body=body)
        assert host.kernel.execute(Plan((Create(wanted),))).done
        host.run("", "ip", "link", "set", "lo", "up")
        for address in ("127.0.0.2", "127.0.0.2", "127.0.0.3"):
            host.run("", "sh", "-c", f"ping -c1 -W1 {address} >/dev/null 2>&1 || true")
        assert host.kernel.drops("")["onehop-out"]["out"].packets == 3
    finally:
        host.close()
