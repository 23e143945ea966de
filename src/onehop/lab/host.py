"""A lab host: its namespaces, its cables, its agent. Its files (its disk) survive a loss of power."""

import time
from pathlib import Path

import msgspec

from onehop.errors import ConflictError, StateError
from onehop.lab import config, fabric, plan, process
from onehop.lab.controller import program, tail
from onehop.lab.ip import batch, sysctl
from onehop.lab.mount import unpin
from onehop.lab.namespace import create, identity, inside
from onehop.lab.state import Directory, HostRecord

READY_SECONDS = 30
STOP_SECONDS = 10


def pid_file(directory: Directory, host: str) -> Path:
    """Where the agent's process is kept."""
    return directory.host(host) / "agent.pid"


def power_on(directory: Directory, host: HostRecord, underlay_mtu: int) -> None:
    """Make the host's namespaces and plug its cables in; harmless when it has power."""
    pins = directory.pins(host.name)
    if not pins.exist():
        unpin(pins.net)
        create(pins, _settings)
        fabric.connect(directory, host, underlay_mtu)
        inside(pins, lambda: _links(host))
    directory.set_host(msgspec.structs.replace(host, running=True))


def _settings() -> None:
    # A strict reverse-path filter, as distributions have it.
    sysctl("net/ipv4/conf/all/rp_filter", "1")
    sysctl("net/ipv4/conf/default/rp_filter", "1")
    sysctl("net/netfilter/nf_conntrack_tcp_be_liberal", "1", missing_ok=True)
    sysctl("net/bridge/bridge-nf-call-iptables", "0", missing_ok=True)
    sysctl("net/bridge/bridge-nf-call-ip6tables", "0", missing_ok=True)
    sysctl("net/bridge/bridge-nf-call-arptables", "0", missing_ok=True)
    batch("link set lo up")


def _links(host: HostRecord) -> None:
    batch(
        ("link", "set", plan.UNDERLAY_LINK, "addrgenmode", "none"),
        ("addr", "add", f"{host.vtep}/{plan.UNDERLAY_LENGTH}", "dev", plan.UNDERLAY_LINK),
        ("link", "set", plan.UNDERLAY_LINK, "up"),
    )
    if host.external:
        batch(
            ("link", "add", plan.EXTERNAL_BRIDGE, "type", "bridge", "stp_state", "0", "mcast_snooping", "0"),
            ("link", "set", plan.EXTERNAL_BRIDGE, "addrgenmode", "none"),
            ("link", "set", plan.EXTERNAL_LINK, "addrgenmode", "none"),
            ("link", "set", plan.EXTERNAL_LINK, "master", plan.EXTERNAL_BRIDGE, "up"),
            ("link", "set", plan.EXTERNAL_BRIDGE, "up"),
        )


def power_off(directory: Directory, host: HostRecord) -> None:
    """Take the power away: cables, agent, instances and every namespace are gone at once, without a goodbye."""
    pins = directory.pins(host.name)
    # Cables first: not even the end of a TCP connection gets out.
    if directory.pins("fabric").exist():
        fabric.disconnect(directory, host)
    process.end(pid_file(directory, host.name), 0)
    process.kill_all(identity(pins))
    for pin in (pins.mnt, pins.net):
        if pin is not None:
            unpin(pin)
    (directory.run(host.name) / "agent.sock").unlink(missing_ok=True)
    directory.set_host(msgspec.structs.replace(host, running=False))


def start_agent(directory: Directory, host: HostRecord) -> None:
    """Start the host's agent and wait until its socket answers; harmless when it runs.

    Raises:
        StateError: it ended or did not answer in time; with the end of its log.
    """
    spawn_agent(directory, host)
    wait_agent(directory, host.name)


def spawn_agent(directory: Directory, host: HostRecord) -> None:
    """Start the host's agent, without waiting for it; harmless when it runs."""
    if process.load(pid_file(directory, host.name)) is not None:
        return
    config.write_agent(directory, host)
    home = directory.host(host.name)
    started = inside(
        directory.pins(host.name),
        lambda: process.spawn(
            program("agent", "--config", str(home / "agent.toml")), home / "agent.log", directory.path
        ),
    )
    process.save(pid_file(directory, host.name), started)


def wait_agent(directory: Directory, host: str) -> None:
    """Wait until the agent's socket answers.

    Raises:
        StateError: it ended or did not answer in time; with the end of its log.
    """
    deadline = time.monotonic() + READY_SECONDS
    log = directory.host(host) / "agent.log"
    while not answers(directory, host):
        if process.load(pid_file(directory, host)) is None:
            raise StateError(f"the agent of {host} ended: {tail(log)}")
        if time.monotonic() > deadline:
            raise StateError(f"the agent of {host} does not answer: {tail(log)}")
        time.sleep(0.02)


def answers(directory: Directory, host: str) -> bool:
    """Whether somebody listens on the agent's socket."""
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        try:
            sock.connect(str(directory.run(host) / "agent.sock"))
        except OSError:
            return False
    return True


def stop_agent(directory: Directory, host: str, polite: bool) -> None:
    """Stop the agent, or kill it; the data plane stays. Harmless when it does not run."""
    process.end(pid_file(directory, host), STOP_SECONDS if polite else 0)


def require_agent(directory: Directory, host: str) -> None:
    """See that the host's agent runs.

    Raises:
        ConflictError: it does not.
    """
    if process.load(pid_file(directory, host)) is None:
        raise ConflictError(f"the agent of {host} does not run: start it with 'onehop lab agent {host} start'")
