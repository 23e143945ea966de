"""Ops as commands."""

import subprocess
from pathlib import Path

import msgspec
import pytest

from onehop.objects import (
    ALL_ZERO,
    Address,
    Bridge,
    BridgeFdb,
    BridgePort,
    Link,
    Namespace,
    Neighbour,
    NextHop,
    Route,
    Rule,
    Ruleset,
    Sysctl,
    Tap,
    Veth,
    Vxlan,
    VxlanFdb,
)
from onehop.reconciler import Create, Delete, Op, Plan, Replace, diff
from onehop.reconciler.text import op_lines, plan_text, state_text

R = "qrouter-1"
bridge = Link(
    namespace="", name="brq1", spec=Bridge(), alias="onehop net/1 network/1", mac="fe:00:00:00:00:01", mtu=1450
)
port = BridgePort(neigh_suppress=True)
vxlan = Link(
    namespace="",
    name="vxlan-5",
    spec=Vxlan(5, "192.0.2.1", 4789),
    alias="onehop net/1 network/1",
    mtu=1450,
    master="brq1",
    port=port,
)
near = Link(namespace=R, name="qr-1", spec=Veth("", "hr-1"), alias="onehop a", mac="02:00:00:00:00:01", mtu=1450)
tap = Link(
    namespace="", name="tap1", spec=Veth("vm-1", "eth0", "02:00:00:00:00:09"), alias="onehop b", mtu=1450, up=False
)
box = Link(namespace="", name="tap2", spec=Tap(), alias="onehop b", mac="02:00:00:00:00:0a", mtu=1450)
change = msgspec.structs.replace

SUPPRESS = "bridge link set dev vxlan-5 learning off flood off neigh_suppress on"
LINES: list[tuple[Op, list[str]]] = [
    (
        Create(Namespace(namespace=R, mark="onehop r")),
        ["ip netns add qrouter-1", "ip -n qrouter-1 link set lo alias 'onehop r' up"],
    ),
    (
        Create(Sysctl(namespace=R, path="net/ipv4/ip_forward", value="1")),
        ["ip netns exec qrouter-1 sysctl -qw net/ipv4/ip_forward=1"],
    ),
    (
        Create(bridge),
        [
            "ip link add brq1 mtu 1450 address fe:00:00:00:00:01 type bridge stp_state 0 mcast_snooping 0",
            "ip link set brq1 alias 'onehop net/1 network/1' addrgenmode none up",
        ],
    ),
    (
        Create(change(vxlan, up=False)),
        [
            "ip link add vxlan-5 mtu 1450 type vxlan id 5 local 192.0.2.1 dstport 4789 nolearning",
            "ip link set vxlan-5 alias 'onehop net/1 network/1' addrgenmode none master brq1",
            SUPPRESS,
        ],
    ),
    (
        Create(near),
        [
            "ip link add hr-1 mtu 1450 type veth peer name qr-1 netns qrouter-1 mtu 1450 address 02:00:00:00:00:01",
            "ip -n qrouter-1 link set qr-1 alias 'onehop a' addrgenmode none up",
        ],
    ),
    (
        Create(tap),
        [
            "ip link add tap1 mtu 1450 type veth peer name eth0 netns vm-1 mtu 1450 address 02:00:00:00:00:09",
            "ip link set tap1 alias 'onehop b' addrgenmode none",
        ],
    ),
    (
        Create(box),
        [
            "ip tuntap add tap2 mode tap vnet_hdr",
            "ip link set tap2 alias 'onehop b' addrgenmode none mtu 1450 address 02:00:00:00:00:0a up",
        ],
    ),
    (Replace(tap, change(tap, up=True, mtu=1400)), ["ip link set tap1 mtu 1400 up"]),
    (Replace(change(vxlan, master=None, port=None), vxlan), ["ip link set vxlan-5 master brq1", SUPPRESS]),
    (
        Replace(vxlan, change(vxlan, spec=Vxlan(5, "192.0.2.9", 4789))),
        ["ip link set vxlan-5 type vxlan id 5 local 192.0.2.9"],
    ),
    (Delete(near), ["ip -n qrouter-1 link delete qr-1"]),
    (
        Create(Address(namespace=R, link="qr-1", address="10.0.0.1/24")),
        ["ip -n qrouter-1 address replace 10.0.0.1/24 dev qr-1 scope global"],
    ),
    (
        Create(Address(namespace=R, link="qr-1", address="fe80::1/64", scope="link")),
        ["ip -n qrouter-1 address replace fe80::1/64 dev qr-1 scope link nodad"],
    ),
    (
        Create(Neighbour(namespace=R, link="qr-1", address="10.0.0.5", mac="02:00:00:00:00:05")),
        ["ip -n qrouter-1 neigh replace 10.0.0.5 lladdr 02:00:00:00:00:05 dev qr-1 nud permanent"],
    ),
    (
        Create(BridgeFdb(namespace="", bridge="brq1", mac="02:00:00:00:00:05", port="vxlan-5")),
        ["bridge fdb replace 02:00:00:00:00:05 dev vxlan-5 master static sticky"],
    ),
    (
        Create(VxlanFdb(namespace="", link="vxlan-5", mac=ALL_ZERO, vtep="192.0.2.2")),
        ["bridge fdb append 00:00:00:00:00:00 dev vxlan-5 dst 192.0.2.2 self permanent"],
    ),
    (
        Create(
            Route(
                namespace=R,
                destination="10.8.0.0/16",
                hops=(NextHop("10.0.0.5", "qr-1"), NextHop("10.0.1.5", "qr-2", onlink=True, weight=2)),
                source="10.0.0.1",
            )
        ),
        [
            (
                "ip -n qrouter-1 route replace 10.8.0.0/16 table 254 metric 100 proto 111 src 10.0.0.1 "
                "nexthop via 10.0.0.5 dev qr-1 weight 1 nexthop via 10.0.1.5 dev qr-2 weight 2 onlink"
            )
        ],
    ),
    (
        Delete(Route(namespace=R, destination="10.8.0.0/16", type="blackhole")),
        ["ip -n qrouter-1 route delete 10.8.0.0/16 table 254 metric 100 proto 111"],
    ),
    (
        Create(Rule(namespace=R, family=4, priority=9, table=7, mark=1, mask=255, incoming="qr-1")),
        ["ip -4 -n qrouter-1 rule add priority 9 from all fwmark 0x1/0xff iif qr-1 lookup 7 protocol 111"],
    ),
    (
        Create(Ruleset(namespace=R, family="ip", table="onehop", body="\tchain a {\n\t}\n")),
        [
            "ip netns exec qrouter-1 nft -f - <<'END'",
            "table ip onehop",
            "delete table ip onehop",
            "table ip onehop {",
            "\tchain a {",
            "\t}",
            "}",
            "END",
        ],
    ),
]


@pytest.mark.parametrize(("op", "lines"), LINES, ids=[f"{type(op).__name__}-{op.key[0]}" for op, _ in LINES])
def test_an_op_reads_like_the_command_that_does_it(op: Op, lines: list[str]) -> None:
    assert list(op_lines(op)) == lines


def test_what_is_blocked_is_said_at_the_end() -> None:
    text = plan_text(Plan((Delete(near),), {bridge.key: "it is somebody else's"}))
    assert text.splitlines()[-1] == "# blocked: link  brq1: it is somebody else's"


def test_a_value_with_blanks_or_quotes_stays_one_word() -> None:
    assert "alias 'a'\"'\"'; reboot'" in state_text([change(bridge, alias="a'; reboot")])


@pytest.mark.root
def test_the_text_of_a_plan_can_be_pasted(tmp_path: Path) -> None:
    wanted = [op.object for op, _ in LINES if isinstance(op, Create) and op.object.namespace in ("", R)]
    wanted = [o for o in wanted if not isinstance(o, Link | BridgeFdb | VxlanFdb) or o.key not in (tap.key, box.key)]
    hops = (NextHop("10.0.0.5", "qr-1"), NextHop("10.0.0.6", "qr-1", weight=2))
    wanted = [change(o, hops=hops) if isinstance(o, Route) else o for o in wanted]
    there = {o.key: vxlan if o.key == vxlan.key else o for o in wanted}
    script = tmp_path / "paste"
    up, down = plan_text(diff({}, there)), plan_text(diff(there, {}))
    script.write_text(
        f"set -e\nmount -t tmpfs none /run\nmkdir /run/netns\nip link set lo up\n{up}{down}ip netns\nip -br link\n"
    )
    # A mount namespace of its own hides the machine's named namespaces.
    words = ["unshare", "--mount", "--net", "--propagation", "private", "sh", str(script)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # iproute2 does not wait for the links of a namespace to go.
    assert {line.split()[0] for line in done.stdout.splitlines()} <= {"lo", "hr-1@if2"}
