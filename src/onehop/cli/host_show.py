"""How `onehop host` shows hosts to a person."""

import datetime as dt
from collections.abc import Sequence

from rich.table import Table

from onehop.cli.app import console
from onehop.store.record import Approval, HostRow


def show_hosts(hosts: Sequence[HostRow], revision: int) -> None:
    """A line for each host."""
    table = Table("host", "connected", "VTEP", "revision", "last sign of life", "is", "claims beyond that", box=None)
    for host in hosts:
        table.add_row(
            host.name,
            _yes(host.connected),
            host.vtep or "not known yet",
            f"{host.applied} of {revision}",
            _seen(host),
            _words(Approval(host.gateway_host, host.physical_networks)),
            f"[red]{_words(host.refused)}[/red]" if host.refused != Approval() else "",
        )
    console().print(table)


def show_host(host: HostRow, revision: int) -> None:
    """One host, a line for each of its properties."""
    table = Table(box=None, show_header=False)
    for name, value in {
        "host": host.name,
        "connected": _yes(host.connected),
        "last sign of life": _seen(host),
        "VTEP": host.vtep or "not known yet",
        "revision": f"{host.applied} of {revision}",
        "drained": _yes(not host.admin_state_up),
        "may be": _words(host.approved),
        "is": _words(Approval(host.gateway_host, host.physical_networks)),
        "claims beyond that": _words(host.refused),
    }.items():
        table.add_row(name, value)
    console().print(table)
    if host.refused != Approval():
        console().print(
            f"\nIf it is to be what it claims: onehop host set {host.name}{_options(host)}", highlight=False
        )


def _options(host: HostRow) -> str:
    networks = sorted({*host.approved.physical_networks, *host.refused.physical_networks})
    wanted = "".join(f" --physical-network {name}" for name in networks) if host.refused.physical_networks else ""
    return (" --gateway" if host.refused.gateway_host else "") + wanted


def _words(approval: Approval) -> str:
    """What an approval is about, for a person."""
    words = ["gateway host"] if approval.gateway_host else []
    if approval.physical_networks:
        words.append(f"on {', '.join(approval.physical_networks)}")
    return " ".join(words) or "-"


def _seen(host: HostRow) -> str:
    if host.heartbeat_at is None:
        return "never"
    return dt.datetime.fromtimestamp(host.heartbeat_at, dt.UTC).isoformat(" ", "seconds")


def _yes(value: bool) -> str:
    return "yes" if value else "no"
