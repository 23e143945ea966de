"""LinuxKernel alone: seen by an independent witness, after crashes, and among others' namespaces."""

import errno
import os
import subprocess
import threading
from pathlib import Path

import msgspec
import pytest
from pyroute2 import IPRoute

from onehop.errors import KernelError, MissingFeatureError
from onehop.kernel import feature, nft, syscall
from onehop.kernel.linux import LinuxKernel
from onehop.kernel.surroundings import Chain, read_chains
from onehop.objects import Namespace, NextHop, Route, Ruleset
from onehop.reconciler.plan import Create, Delete, Replace, Scope
from tests.contract import things
from tests.contract.hosts import LinuxHost, in_new_namespace
from tests.contract.things import ALL, ROUTER, assert_there, carry_out, put, seen

pytestmark = pytest.mark.root
change = msgspec.structs.replace


@pytest.fixture
def host(linux: LinuxHost) -> LinuxHost:
    return linux


class Witness:
    """What pyroute2 sees in a namespace."""

    def __init__(self, path: str) -> None:
        def look() -> None:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                syscall.setns(descriptor)
            finally:
                os.close(descriptor)
            with IPRoute() as ip:
                self.links = {link.get("ifname"): link for link in ip.get_links()}
                self.addresses = {f"{a.get('address')}/{a['prefixlen']}" for a in ip.get_addr()}
                self.neighbours = {(n.get("dst"), n.get("lladdr")) for n in ip.get_neighbours() if n["state"] == 0x80}
                self.fdb = {
                    (e.get("lladdr"), e.get("dst") or e.get("master"), e["ifindex"], e["state"]) for e in ip.fdb("dump")
                }
                self.routes = {f"{r.get('dst')}/{r['dst_len']}": r for r in ip.get_routes() if r["proto"] == 111}
                self.rules = {r.get("priority"): r for f in (2, 10) for r in ip.get_rules(family=f)}

        thread = threading.Thread(target=look)
        thread.start()
        thread.join()

    def info(self, link: str) -> dict[str, object]:
        return dict(self.links[link].get("linkinfo").get("data")["attrs"])


def test_an_independent_witness_sees_what_was_created(host: LinuxHost) -> None:
    put(host.kernel, *ALL)
    own, router = Witness(host.path), Witness(str(host.directory / ROUTER))
    assert {"brq1", "vxlan-5", "hr-1", "tap1"} <= own.links.keys()
    for wanted in (things.bridge, things.vxlan, things.tap, things.far):
        link = own.links[wanted.name]
        assert (link.get("ifalias"), link.get("mtu"), link.get("address")) == (wanted.alias, wanted.mtu, wanted.mac)
        assert link["flags"] & 1
    info = own.info("vxlan-5")
    assert (info["IFLA_VXLAN_ID"], info["IFLA_VXLAN_LOCAL"], info["IFLA_VXLAN_PORT"]) == (5, "192.0.2.1", 4789)
    assert info["IFLA_VXLAN_LEARNING"] == 0
    bridge = own.info("brq1")
    assert (bridge["IFLA_BR_STP_STATE"], bridge["IFLA_BR_MCAST_SNOOPING"]) == (0, 0)
    index = own.links["brq1"]["index"]
    assert {own.links[port].get("master") for port in ("vxlan-5", "hr-1", "tap1")} == {index}
    assert ("fa:16:3e:00:00:07", "192.0.2.2", own.links["vxlan-5"]["index"], 0xC0) in own.fdb
    assert ("fa:16:3e:00:00:07", index, own.links["vxlan-5"]["index"], 0x40) in own.fdb
    assert own.neighbours == {("10.0.1.7", "fa:16:3e:00:00:07")}
    assert router.links["lo"].get("ifalias") == things.namespace.mark
    assert router.addresses >= {"10.0.1.1/24", "fd00:1::1/64", "fe80::1/64", "127.0.0.1/8"}
    assert router.neighbours == {("10.0.1.7", "fa:16:3e:00:00:07"), ("fd00:1::7", "fa:16:3e:00:00:07")}
    assert router.routes.keys() == {"192.168.7.0/24", "192.168.8.0/24", "172.16.0.0/12", "fd07::/64"}
    assert len(router.routes["192.168.8.0/24"].get("multipath")) == 2
    assert router.rules[1000].get("fwmark") == 1
    assert router.rules[1001].get("iifname") == "qr-1"


def test_links_have_no_ipv6_addresses_of_their_own(host: LinuxHost) -> None:
    put(host.kernel, *ALL)
    assert "fe80" not in host.run("", "ip", "-6", "address", "show")
    assert host.run(ROUTER, "ip", "-6", "-o", "address", "show", "dev", "qr-1").count("inet6") == 2


def test_a_freshly_started_agent_recognises_everything(host: LinuxHost) -> None:
    put(host.kernel, *ALL)
    before = seen(host.kernel)
    other = LinuxKernel(host.path, str(host.directory))
    try:
        assert seen(other) == before
    finally:
        other.close()


def test_a_pair_whose_second_end_was_never_marked_is_still_ours(host: LinuxHost) -> None:
    put(host.kernel, things.namespace, things.near)
    host.run("", "ip", "link", "set", "hr-1", "alias", "")
    found = host.kernel.observe(Scope(namespace=""))
    assert things.far.key in found.objects
    assert things.far.key not in found.foreign
    report = carry_out(host.kernel, Create(things.bridge), Create(things.far))
    assert not report.failed
    assert_there(host.kernel, things.near, things.far)


def test_a_namespace_file_without_a_namespace_is_taken_over(host: LinuxHost) -> None:
    (host.directory / ROUTER).touch()
    assert not host.kernel.observe(Scope(namespace="")).foreign
    put(host.kernel, things.namespace)
    assert_there(host.kernel, things.namespace)
    host.run("", "umount", str(host.directory / ROUTER))
    assert things.namespace.key not in seen(host.kernel)
    put(host.kernel, things.namespace)
    carry_out(host.kernel, Delete(things.namespace))
    assert not (host.directory / ROUTER).exists()


def test_a_foreign_namespace_is_not_deleted(host: LinuxHost) -> None:
    host.plant(Namespace(namespace=ROUTER, mark=""))
    report = carry_out(host.kernel, Delete(things.namespace))
    assert [failure.errno for failure in report.failed] == [errno.EPERM]
    assert (host.directory / ROUTER).exists()


def test_a_deleted_namespace_is_gone_and_not_only_its_name(host: LinuxHost) -> None:
    put(host.kernel, *ALL)
    seen(host.kernel)
    inode = (host.directory / ROUTER).stat().st_ino
    carry_out(host.kernel, Delete(things.namespace))
    held = {path.stat().st_ino for path in Path("/proc/self/fd").iterdir() if path.exists()}
    assert inode not in held


def test_creating_what_is_there_already_is_done(host: LinuxHost) -> None:
    put(host.kernel, *ALL)
    report = carry_out(host.kernel, *(Create(wanted) for wanted in ALL))
    assert not report.failed
    assert not report.skipped
    assert_there(host.kernel, *ALL)


def test_a_refusal_is_a_sentence_with_the_kernels_own_words(host: LinuxHost) -> None:
    put(host.kernel, things.namespace, things.near)
    stray = Route(namespace=ROUTER, destination="192.168.9.0/24", hops=(NextHop("203.0.113.1", "qr-1"),))
    report = carry_out(host.kernel, Create(stray))
    assert report.failed[0].reason == (
        "could not create route to 192.168.9.0/24 in table 254 in namespace qrouter-1: "
        "Network is unreachable (Nexthop has invalid gateway)"
    )


def test_a_ruleset_that_nftables_refuses_leaves_the_old_one(host: LinuxHost) -> None:
    put(host.kernel, *ALL)
    bad = change(things.table, body=things.table.body.replace("@inside", "@outside"))
    report = carry_out(host.kernel, Replace(things.table, bad))
    assert "nftables table inet onehop in namespace qrouter-1" in report.failed[0].reason
    assert_there(host.kernel, things.table)


def test_tables_loaded_together_are_read_back_whole(host: LinuxHost) -> None:
    tables = [change(things.table, table=f"onehop-{number}") for number in range(3)]
    put(host.kernel, things.namespace, *tables)
    host.run(ROUTER, "nft", "add", "rule", "inet", "onehop-1", "pre", "drop")
    found = seen(host.kernel)
    assert found[tables[1].key] != tables[1]
    assert [found[one.key] for one in (tables[0], tables[2])] == [tables[0], tables[2]]


def test_a_hand_changed_table_is_not_taken_for_unchanged(host: LinuxHost) -> None:
    put(host.kernel, *ALL)
    assert_there(host.kernel, things.table)
    host.run(ROUTER, "nft", "add", "rule", "inet", "onehop", "pre", "drop")
    assert seen(host.kernel)[things.table.key] != things.table
    carry_out(host.kernel, Replace(things.table, things.table))
    assert_there(host.kernel, things.table)


def test_a_table_that_nft_lists_in_other_words_is_known_by_ours(host: LinuxHost) -> None:
    loose = Ruleset(
        namespace=ROUTER,
        family="ip",
        table="onehop-words",
        body="\tchain a {\n\t\ttype filter hook input priority 0; policy accept;\n\t\ttcp dport ssh accept\n\t}\n",
    )
    put(host.kernel, things.namespace, loose)
    assert_there(host.kernel, loose)
    put(host.kernel, things.table)
    assert_there(host.kernel, loose, things.table)
    host.run(ROUTER, "nft", "flush", "chain", "ip", "onehop-words", "a")
    assert seen(host.kernel)[loose.key] != loose


def test_a_table_in_other_words_is_loaded_once_too_often_at_most(host: LinuxHost) -> None:
    loose = change(things.table, sets=(), body="\tchain a {\n\t\ttcp dport ssh accept\n\t}\n")
    put(host.kernel, things.namespace, loose)
    host.run(ROUTER, "nft", "add", "table", "inet", "somebody")
    found = seen(host.kernel)[loose.key]
    carry_out(host.kernel, Replace(found, loose))
    assert_there(host.kernel, loose)
    host.run(ROUTER, "nft", "delete", "table", "inet", "somebody")
    assert_there(host.kernel, loose)
    host.run(ROUTER, "nft", "add", "rule", "inet", "onehop", "a", "drop")
    assert seen(host.kernel)[loose.key] != loose


def test_the_chains_around_us_are_told_with_hook_and_policy() -> None:
    text = (
        "table ip filter { chain FORWARD { type filter hook forward priority filter; policy drop; }\n"
        "chain DOCKER { }\n }\n"
        "table inet onehop { chain in { type filter hook input priority filter; policy accept; }\n }\n"
        "table bridge other { chain forward { type filter hook forward priority filter; policy drop; }\n }\n"
    )

    def work() -> list[Chain]:
        subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)
        return read_chains()

    assert sorted(in_new_namespace(work)) == [
        Chain("inet", "onehop", "in", forward=False, drops=False),
        Chain("ip", "filter", "DOCKER", forward=False, drops=False),
        Chain("ip", "filter", "FORWARD", forward=True, drops=True),
    ]


def test_counters_do_not_make_a_table_differ(host: LinuxHost) -> None:
    put(host.kernel, *ALL)
    host.run(ROUTER, "ip", "route", "get", "10.0.1.7")
    host.run(ROUTER, "nft", "add", "table", "inet", "somebody")
    assert_there(host.kernel, things.table)


def test_the_features_of_this_kernel_suffice(host: LinuxHost) -> None:
    host.kernel.check_features()
    assert not seen(host.kernel)


def test_a_missing_libnftables_is_said_with_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nft, "LIBRARY", "libnftables.so.none")
    nft._library.cache_clear()
    try:
        with pytest.raises(MissingFeatureError, match="install the package libnftables1"):
            feature.check()
    finally:
        nft._library.cache_clear()


def test_a_namespace_that_cannot_be_entered_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KernelError, match="cannot be entered"):
        LinuxKernel(str(tmp_path / "nowhere"))


def test_a_vxlan_device_of_a_router_goes_through_the_hosts_namespace(host: LinuxHost) -> None:
    transit = change(things.vxlan, namespace=ROUTER, name="qt-1", master=None, port=None)
    put(host.kernel, things.namespace, transit)
    assert_there(host.kernel, transit)
    assert host.run("", "ss", "-lnu").count(":4789") == 1


BEHIND_OUR_BACK = (
    (ROUTER, "ip neighbour del 10.0.1.7 dev qr-1"),
    (ROUTER, "ip neighbour add 10.0.1.8 lladdr fa:16:3e:00:00:08 dev qr-1 nud permanent"),
    (ROUTER, "ip neighbour replace fd00:1::7 lladdr fa:16:3e:00:00:99 dev qr-1 nud permanent"),
    (ROUTER, "ip neighbour replace 10.0.1.7 lladdr fa:16:3e:00:00:98 dev qr-1 nud reachable"),
    (ROUTER, "ip neighbour flush dev qr-1 nud permanent"),
    (ROUTER, "ip link set qr-1 down"),
    (ROUTER, "ip link set qr-1 address fa:16:3e:00:00:97"),
    (ROUTER, "ip address flush dev qr-1"),
    (ROUTER, "ip link set qr-1 name qr-2"),
    ("", "ip neighbour flush dev brq1 nud permanent"),
    ("", "ip link set brq1 down"),
    ("", "ip link del brq1"),
    ("", "ip link del hr-1"),
)


@pytest.mark.parametrize(("namespace", "command"), BEHIND_OUR_BACK)
def test_what_was_seen_before_does_not_hide_what_is(host: LinuxHost, namespace: str, command: str) -> None:
    put(host.kernel, *ALL)
    seen(host.kernel)
    host.run(namespace, *command.split())
    fresh = LinuxKernel(host.path, str(host.directory))
    try:
        assert seen(host.kernel) == seen(fresh)
    finally:
        fresh.close()


def test_a_namespace_that_others_made_anew_is_seen_anew(host: LinuxHost) -> None:
    put(host.kernel, *ALL)
    seen(host.kernel)
    carry_out(host.kernel, Delete(things.namespace))
    other = LinuxKernel(host.path, str(host.directory))
    try:
        put(other, things.namespace, things.near, things.neighbour6)
        assert seen(host.kernel) == seen(other)
        carry_out(other, Delete(things.namespace))
        assert seen(host.kernel) == seen(other)
    finally:
        other.close()
