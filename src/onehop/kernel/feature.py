"""What onehop needs of a kernel and a machine, tried and not guessed from version numbers.

Everything happens in a thread in a namespace without a name, which goes when the thread ends.
"""

import os
import socket
import threading

from onehop.errors import KernelError, MissingFeatureError
from onehop.kernel import syscall, tap
from onehop.kernel.connection import Connection
from onehop.kernel.listener import may_hear_all
from onehop.kernel.nft import Nftables
from onehop.objects import Bridge, BridgePort, Link, Veth, Vxlan, link_codec
from onehop.objects.netlink import Request

_ALIAS = "onehop scratch"

_NOTRACK = """table inet onehop {
    chain a {
        type filter hook prerouting priority raw; policy accept;
        notrack
    }
}
"""
_HOOK = """table netdev onehop-{hook} {{
    chain a {{
        type filter hook {hook} device "vx0" priority filter; policy accept;
        arp saddr ip 192.0.2.1 counter drop
    }}
}}
"""
_CHECKS = """table netdev onehop-checks {
    counter refused {
    }
    chain a {
        type filter hook ingress device "vx0" priority filter; policy drop;
        ether type vmap { ip : accept, 8021q : drop }
        frag nexthdr ipv6-opts counter name "refused" drop
        @th,64,128 0x1 dup to "vx0"
    }
}
"""
_TABLES = (
    ("nftables that switch tracking off", "CONFIG_NF_TABLES_INET, CONFIG_NF_CONNTRACK and CONFIG_NFT_CT", _NOTRACK),
    ("nftables at netdev ingress", "CONFIG_NF_TABLES_NETDEV, CONFIG_NETFILTER_INGRESS", _HOOK.format(hook="ingress")),
    ("nftables at netdev egress", "Linux 5.16 or later, CONFIG_NETFILTER_EGRESS", _HOOK.format(hook="egress")),
    (
        "what checks an instance's frames (counters, maps, dup)",
        "CONFIG_NF_TABLES_NETDEV, CONFIG_NF_DUP_NETDEV",
        _CHECKS,
    ),
)

_BRIDGE = Link(namespace="", name="br0", spec=Bridge(), alias=_ALIAS, mtu=1450)
_VXLAN = Link(namespace="", name="vx0", spec=Vxlan(1, "127.0.0.1", 4789), alias=_ALIAS, mtu=1450)
_VETH = Link(namespace="", name="ve0", spec=Veth("", "ve1"), alias=_ALIAS, mtu=1450)


def check() -> None:
    """Try everything.

    Raises:
        MissingFeatureError: what is missing first.
    """
    failures: list[KernelError] = []

    def run() -> None:
        try:
            _try_all()
        except KernelError as error:
            failures.append(error)

    thread = threading.Thread(target=run, name="kernel-features")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


def _try_all() -> None:
    try:
        syscall.unshare_network()
    except OSError as error:
        raise MissingFeatureError(
            f"no network namespace can be made ({error.strerror}): run as root, or with CAP_SYS_ADMIN and "
            "CAP_NET_ADMIN, on a kernel with CONFIG_NET_NS",
            error.errno or 0,
        ) from error
    if not may_hear_all():
        raise MissingFeatureError("changes in other namespaces cannot be heard: run as root, or with CAP_NET_BROADCAST")
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC).close()
    except OSError as error:
        raise MissingFeatureError(
            f"addresses cannot be announced ({error.strerror}): run as root, or with CAP_NET_RAW, on a kernel with "
            "CONFIG_PACKET",
            error.errno or 0,
        ) from error
    connection = Connection()
    try:
        _try_links(connection)
    finally:
        connection.close()
    _try_tap()
    _try_nftables()


def _try_links(connection: Connection) -> None:
    port = BridgePort(neigh_suppress=True)
    made = link_codec.to_make
    steps: tuple[tuple[str, str, list[Request]], ...] = (
        ("links can be given names and marks", "run with CAP_NET_ADMIN", [link_codec.to_mark_namespace(_ALIAS)]),
        ("bridges", "load or build the module bridge (CONFIG_BRIDGE)", [made(_BRIDGE, 10)]),
        ("VXLAN devices", "load or build the module vxlan (CONFIG_VXLAN)", [made(_VXLAN, 11)]),
        ("veth pairs", "load or build the module veth (CONFIG_VETH)", [made(_VETH, 12)]),
        ("IPv6", "boot without ipv6.disable=1 (CONFIG_IPV6)", [link_codec.to_mark(_ALIAS, 10)]),
        (
            "bridge ports that suppress ARP and ND (neigh_suppress)",
            "use Linux 4.15 or later",
            link_codec.to_set(_with_master(_VXLAN, port), 11, 10),
        ),
    )
    for what, remedy, requests in steps:
        refusal = connection.carry([requests])[0]
        if refusal is not None:
            reason = os.strerror(refusal.errno) + (f", {refusal.text}" if refusal.text else "")
            raise MissingFeatureError(f"this kernel lacks {what} ({reason}): {remedy}", refusal.errno)


def _with_master(link: Link, port: BridgePort) -> Link:
    return Link(
        namespace="", name=link.name, spec=link.spec, alias=link.alias, mtu=link.mtu, master=_BRIDGE.name, port=port
    )


def _try_tap() -> None:
    try:
        with tap.made("tap0"):
            return
    except OSError as error:
        raise MissingFeatureError(
            f"no tap device can be made ({error.strerror}): load or build the module tun (CONFIG_TUN) and let us open "
            "/dev/net/tun",
            error.errno or 0,
        ) from error


def _try_nftables() -> None:
    context = Nftables()
    try:
        for what, option, commands in _TABLES:
            try:
                context.run(commands)
            except KernelError as error:
                raise MissingFeatureError(f"this kernel lacks {what} ({error}): it needs {option}") from error
    finally:
        context.close()
