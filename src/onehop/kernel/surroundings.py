"""What on this host is not ours and still matters to tenants' traffic: said to the operator, never changed.

Docker, Kubernetes and others need ``bridge-nf-call-iptables``; with it every bridged packet also walks the host's
IP chains, which costs, and a foreign chain at the forward hook may drop what only crosses a bridge of ours. The same
holds of bridges whose ports have security groups, whatever that setting is.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from struct import pack, unpack_from
from typing import NamedTuple

from onehop.errors import KernelError
from onehop.kernel.connection import NETFILTER, Connection
from onehop.net.naming import SECURITY_TABLE, TABLE
from onehop.objects import netlink, nftables

THRESHOLD = 8192
"""Neighbours that the one table of all namespaces should hold at least (packaging/sysctl.d)."""

NEARLY_FULL = 0.8
"""Part of the connection table."""

_SETTINGS = Path("/proc/sys")
LIBERAL = "net/netfilter/nf_conntrack_tcp_be_liberal"
CALLS = ("net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables")
_LEGACY = (Path("/proc/net/ip_tables_names"), Path("/proc/net/ip6_tables_names"))
_ROUTED = ("ip", "ip6", "inet")
_GETCHAIN = 0x0A04
_TABLE_NAME, _NAME, _HOOK, _POLICY = 1, 3, 4, 5
_HOOK_NUMBER, _FORWARD, _DROP = 1, 2, 0


class Chain(NamedTuple):
    """A chain of a family that sees routed packets.

    Attributes:
        forward: it hangs on the forward hook.
        drops: its policy is drop.
    """

    family: str
    table: str
    name: str
    forward: bool
    drops: bool


def notes() -> list[str]:
    """What an operator should know of this host, a sentence each; empty where nothing stands out.

    Reads settings and nftables of the namespace that the process is in.
    """
    try:
        chains = read_chains()
    except (KernelError, OSError):
        # Whoever may not list foreign tables is told at start what capability is missing; here there is nothing to add.
        chains = []
    return [
        *of_neighbours(read_setting),
        *of_sequences(read_setting),
        *of_connections(read_setting),
        *of_bridges(read_setting, chains, has_legacy_rules()),
    ]


def has_legacy_rules() -> bool:
    """Whether rules of iptables-legacy are loaded, which nftables does not show."""
    return any(path.exists() and path.read_text().split() for path in _LEGACY if os.access(path, os.R_OK))


def read_chains() -> list[Chain]:
    """The chains of the namespace that the thread is in, of families that see routed packets.

    Not by libnftables: to list any chain it reads all tables, and takes half a MiB for each; ours alone are a thousand.

    Raises:
        KernelError: they could not be read.
        OSError: no socket.
    """
    connection = Connection(NETFILTER)
    try:
        return [
            _chain(family, found)
            for family in _ROUTED
            for found in connection.dump(_GETCHAIN, pack("=BBH", nftables.FAMILIES[family], 0, 0))
        ]
    finally:
        connection.close()


def _chain(family: str, found: netlink.Found) -> Chain:
    values = netlink.attributes(found.data, found.start + 4, found.end)
    hook = values.get(_HOOK, b"")
    inner = netlink.attributes(hook, 0, len(hook))
    return Chain(
        family,
        netlink.string(values.get(_TABLE_NAME, b"")),
        netlink.string(values.get(_NAME, b"")),
        forward=_HOOK_NUMBER in inner and unpack_from("!I", inner[_HOOK_NUMBER])[0] == _FORWARD,
        drops=_POLICY in values and unpack_from("!I", values[_POLICY])[0] == _DROP,
    )


def of_neighbours(setting: Callable[[str], str | None]) -> Iterator[str]:
    """Is the neighbour table large enough?"""
    for version in ("ipv4", "ipv6"):
        limit = setting(f"net/{version}/neigh/default/gc_thresh3")
        if limit is not None and limit.isdigit() and int(limit) < THRESHOLD:
            yield (
                f"net.{version}.neigh.default.gc_thresh3 is {limit}: one table serves all namespaces, and full it "
                "refuses neighbours; install packaging/sysctl.d/60-onehop.conf"
            )


def of_sequences(setting: Callable[[str], str | None]) -> Iterator[str]:
    """May TCP go the short way?"""
    if setting(LIBERAL) == "0":
        yield (
            f"{LIBERAL.replace('/', '.')} is 0: established TCP takes the long way through bridge and rules, which is "
            "slower; install packaging/sysctl.d/60-onehop.conf"
        )


def of_connections(setting: Callable[[str], str | None]) -> Iterator[str]:
    """Is there room for more connections?"""
    used, limit = (setting(f"net/netfilter/nf_conntrack_{what}") or "" for what in ("count", "max"))
    if used.isdigit() and limit.isdigit() and int(used) >= NEARLY_FULL * int(limit):
        yield (
            f"{used} of net.netfilter.nf_conntrack_max = {limit} connections are tracked: full it refuses new ones, of "
            "everybody; raise it, and find with `conntrack -L -w ZONE` whose they are"
        )


def of_bridges(setting: Callable[[str], str | None], chains: Iterable[Chain], legacy: bool) -> Iterator[str]:
    """Do bridged packets walk the host's IP chains, and would one of those drop them?

    Args:
        setting: reads a path below ``/proc/sys``; None where it does not exist.
        chains: those of the host's namespace.
        legacy: rules of iptables-legacy are loaded, which nftables does not show.
    """
    if setting(CALLS[0]) is None:
        yield (
            "this kernel has no bridge netfilter, without which security groups cannot know connections: networks that "
            "need it are in error; load the module br_netfilter (CONFIG_BRIDGE_NETFILTER)"
        )
        return
    on = [path for path in CALLS if setting(path) == "1"]
    chains = list(chains)
    if not on and not any(chain.table == SECURITY_TABLE for chain in chains):
        return
    if on:
        names = " and ".join(path.replace("/", ".") for path in on)
        yield (
            f"{names} is 1: bridged packets also walk the host's IP chains, about 17 % of the throughput of "
            "unaggregated packets; set it to 0 if nothing on this host (Docker, Kubernetes) needs it"
        )
    for chain in foreign_forward_drops(chains):
        yield f"nftables chain {chain} drops by default at the forward hook: it also drops tenants' bridged traffic"
    if legacy:
        yield "iptables-legacy rules are loaded on this host: see that their FORWARD chain lets tenants' traffic pass"


def foreign_forward_drops(chains: Iterable[Chain]) -> Iterator[str]:
    """Names (family, table, chain) of foreign base chains at the forward hook of IP whose policy is drop."""
    for chain in chains:
        if chain.forward and chain.drops and not chain.table.startswith(TABLE):
            yield f"{chain.family} {chain.table} {chain.name}"


def read_setting(path: str) -> str | None:
    """A setting below ``/proc/sys``, or None where it does not exist."""
    try:
        return (_SETTINGS / path).read_text().strip()
    except OSError:
        return None
