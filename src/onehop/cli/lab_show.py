"""How `onehop lab status` looks for a person."""

from onehop.cli.app import console
from onehop.lab.status import Status


def show_status(status: Status) -> None:
    """Print a lab's endpoint, hosts and instances."""
    from rich.table import Table

    out = console()
    running = ", ".join(f"{item.name} {item.state}" for item in status.controllers)
    out.print(f"lab [bold]{status.name}[/]: {running}, API at {status.endpoint}")
    out.print(f"clouds: {status.clouds_yaml} (cloud {status.cloud} is the administrator's)")
    external = status.external
    out.print(
        f"external network {external.physical_network!r}: {external.cidr} and {external.cidr_v6}, "
        f"gateway {external.gateway}, far server {external.outside}"
    )
    hosts = Table("host", "state", "VTEP", "agent", "revision", "in sync", "gateway host", box=None)
    for host in status.hosts:
        hosts.add_row(
            host.name,
            host.state,
            host.vtep,
            "-" if host.agent_pid is None else f"pid {host.agent_pid}",
            "-" if host.revision is None else str(host.revision),
            "yes" if host.in_sync else "no",
            "yes" if host.gateway_host else "",
        )
    out.print()
    out.print(hosts)
    if status.instances:
        out.print()
        instances = Table("instance", "state", "host", box=None)
        instances.add_column("addresses", overflow="fold")
        instances.add_column("port", no_wrap=True)
        for item in status.instances:
            instances.add_row(item.name, item.state, item.host, "\n".join(item.fixed_ips), item.port)
        out.print(instances)
