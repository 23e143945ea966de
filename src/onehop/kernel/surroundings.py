"""What on this host is not ours and still matters to tenants' traffic: said to the operator, never changed.

Docker, Kubernetes and others need ``bridge-nf-call-iptables``; with it every bridged packet also walks the host's
IP chains, which costs, and a foreign chain at the forward hook may drop what only crosses a bridge of ours.
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from onehop.errors import KernelError
from onehop.kernel.nft import Nftables
from onehop.net.naming import TABLE

THRESHOLD = 8192
"""Neighbours that the one table of all namespaces should hold at least (packaging/sysctl.d)."""

_SETTINGS = Path("/proc/sys")
_CALLS = ("net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables")
_LEGACY = (Path("/proc/net/ip_tables_names"), Path("/proc/net/ip6_tables_names"))
_ROUTED = ("ip", "ip6", "inet")
_TABLE = re.compile(r"^table (\w+) (\S+) \{$")
_CHAIN = re.compile(r"^\tchain (\S+) \{$")
_DROPS = re.compile(r"^\t\ttype \S+ hook forward .*policy drop;$")


def notes() -> list[str]:
    """What an operator should know of this host, a sentence each; empty where nothing stands out.

    Reads settings and nftables of the namespace that the process is in.
    """
    try:
        nftables = Nftables()
        try:
            chains = nftables.run("list chains")
        finally:
            nftables.close()
    except KernelError:
        # Whoever may not list foreign tables is told at start what capability is missing; here there is nothing to add.
        chains = ""
    legacy = any(path.exists() and path.read_text().split() for path in _LEGACY if os.access(path, os.R_OK))
    return [*of_neighbours(_setting), *of_bridges(_setting, chains, legacy)]


def of_neighbours(setting: Callable[[str], str | None]) -> Iterator[str]:
    """Is the neighbour table large enough?"""
    for version in ("ipv4", "ipv6"):
        limit = setting(f"net/{version}/neigh/default/gc_thresh3")
        if limit is not None and limit.isdigit() and int(limit) < THRESHOLD:
            yield (
                f"net.{version}.neigh.default.gc_thresh3 is {limit}: one table serves all namespaces, and full it "
                "refuses neighbours; install packaging/sysctl.d/60-onehop.conf"
            )


def of_bridges(setting: Callable[[str], str | None], chains: str, legacy: bool) -> Iterator[str]:
    """Do bridged packets walk the host's IP chains, and would one of those drop them?

    Args:
        setting: reads a path below ``/proc/sys``; None where it does not exist.
        chains: what ``nft list chains`` prints.
        legacy: rules of iptables-legacy are loaded, which nftables does not show.
    """
    on = [path for path in _CALLS if setting(path) == "1"]
    if not on:
        return
    names = " and ".join(path.replace("/", ".") for path in on)
    yield (
        f"{names} is 1: bridged packets also walk the host's IP chains, about 17 % of the throughput of unaggregated "
        "packets; set it to 0 if nothing on this host (Docker, Kubernetes) needs it"
    )
    for chain in foreign_forward_drops(chains):
        yield f"nftables chain {chain} drops by default at the forward hook: it also drops tenants' bridged traffic"
    if legacy:
        yield "iptables-legacy rules are loaded on this host: see that their FORWARD chain lets tenants' traffic pass"


def foreign_forward_drops(chains: str) -> Iterator[str]:
    """Names (family, table, chain) of foreign base chains at the forward hook of IP whose policy is drop."""
    family = table = chain = ""
    for line in chains.splitlines():
        if found := _TABLE.match(line):
            family, table = found.groups()
        elif found := _CHAIN.match(line):
            chain = found[1]
        elif _DROPS.match(line) and family in _ROUTED and not table.startswith(TABLE):
            yield f"{family} {table} {chain}"


def _setting(path: str) -> str | None:
    try:
        return (_SETTINGS / path).read_text().strip()
    except OSError:
        return None
