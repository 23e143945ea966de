"""`onehop up`: a single real host, controller and agent on this machine, in the foreground.

Everything that is kept lies in one directory: two configurations, which are yours to change once they are there, the
CA, the store, and what the agent keeps. What the agent made in the kernel stays when this ends, as it does for an agent
of a larger site; the next `onehop up` finds it again.
"""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from onehop.cli.app import new

app = new("Run controller and agent on this machine: a single host.")

READY_SECONDS = 60.0
STOP_SECONDS = 20.0
_ANYWHERE = ("192.0.2.1", 9)
"""Somewhere far (RFC 5737): nothing is sent there, only asked which address would be used."""

_CONTROLLER = """\
# Written by `onehop up`; yours to change.
database_url = "sqlite:///{directory}/controller/store.sqlite"
state_dir = "{directory}/controller"
pki_dir = "{directory}/pki"
api_listen = "{api}"
stream_listen = "127.0.0.1:{stream}"
metrics_listen = "127.0.0.1:0"
"""

_AGENT = """\
# Written by `onehop up`; yours to change.
host = "{host}"
controller = "127.0.0.1:{stream}"
vtep = "{vtep}"
gateway_host = true
state_dir = "{directory}/agent"
run_dir = "{run}"
metrics_listen = "127.0.0.1:0"
# [physical_networks]
# external = "br-ex"       # an external network's bridge, with the uplink in it
"""


@app.command()
def up(
    directory: Annotated[Path, typer.Option("--dir", help="Where everything is kept.")] = Path("/var/lib/onehop-up"),
    host: Annotated[str, typer.Option(help="This host's name; the first time only.")] = "",
    vtep: Annotated[str, typer.Option(help="Its address on the underlay; the first time only.")] = "",
    api: Annotated[str, typer.Option(help="Address and port of the API; the first time only.")] = "127.0.0.1:9696",
    stream_port: Annotated[int, typer.Option(help="Port of the stream on loopback; the first time only.")] = 9697,
    run_dir: Annotated[Path, typer.Option(help="Where the agent's socket is; the first time only.")] = Path(
        "/run/onehop"
    ),
) -> None:
    """Run controller and agent on this machine until Ctrl-C or SIGTERM; make what they need the first time."""
    from onehop import log
    from onehop.errors import StateError

    if os.geteuid() != 0:
        raise StateError("the agent makes links and namespaces: run `onehop up` as root")
    log.setup("console", "warning")
    directory = directory.absolute()
    files = {"directory": directory, "api": api, "stream": stream_port, "run": run_dir.absolute()}
    _prepare(directory, files, host or socket.gethostname().partition(".")[0], vtep)
    stop = _signals()
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        daemons.append(_start("controller", directory))
        _await("the controller", daemons, directory / "controller" / "controller.json", stop)
        _join(directory)
        agent = _start("agent", directory)
        daemons.append(agent)
        _await("the agent", daemons, _socket_of(directory), stop)
        _say(directory)
        _watch(daemons, stop)
    finally:
        _end(reversed(daemons))


def _prepare(directory: Path, files: dict[str, object], host: str, vtep: str) -> None:
    """Write what is not there yet."""
    from onehop.controller import pki
    from onehop.system import write_whole

    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, text in (("controller.toml", _CONTROLLER), ("agent.toml", _AGENT)):
        if not (directory / name).exists():
            content = text.format(**files, host=host, vtep=vtep or _address())
            write_whole(directory / name, content.encode())
    if not (directory / "pki" / pki.CA_KEY).exists():
        pki.init(directory / "pki")


def _address() -> str:
    """The address with which this machine speaks to others."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ANYWHERE)
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def _join(directory: Path) -> None:
    """Let this host be what its configuration says, and give it its certificate, unless it has one."""
    from onehop.agent import credential
    from onehop.agent.join import join
    from onehop.controller.join import add_host, new_token
    from onehop.net.identifier import parse_host
    from onehop.settings import load_agent, load_controller
    from onehop.store import Store

    settings, agent = load_controller(directory / "controller.toml"), load_agent(directory / "agent.toml")
    store = Store.open(settings.database_url)
    try:
        # Both are the same operator's: what agent.toml says now is approved.
        own, reach = agent.gateway_host, sorted(agent.physical_networks)
        known = store.run(lambda tx: tx.host(agent.host)) is not None
        if known:
            store.run(lambda tx: tx.approve_host(agent.host, gateway_host=own, physical_networks=reach))
        if (Path(agent.state_dir) / credential.CERTIFICATE).exists():
            return
        address = agent.controllers[0]
        if known:
            token = new_token(store, settings, parse_host(agent.host), address)
        else:
            token = add_host(store, settings, agent.host, address, own, reach)
    finally:
        store.close()
    join(token, Path(agent.state_dir), agent.host)


def _socket_of(directory: Path) -> Path:
    from onehop.agent.request import SOCKET
    from onehop.settings import load_agent

    return Path(load_agent(directory / "agent.toml").run_dir) / SOCKET


def _start(what: str, directory: Path) -> "subprocess.Popen[bytes]":
    for stale in (directory / "controller" / "controller.json",) if what == "controller" else (_socket_of(directory),):
        stale.unlink(missing_ok=True)
    command = [sys.executable, "-m", "onehop", what, "--config", str(directory / f"{what}.toml")]
    # In a group of its own: Ctrl-C is for us, and we tell them one after the other.
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)


def _signals() -> int:
    """A descriptor that becomes readable when we are to end."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    return reader


def _told(stop: int, seconds: float) -> bool:
    return bool(select.select([stop], [], [], seconds)[0])


def _await(what: str, daemons: "Sequence[subprocess.Popen[bytes]]", path: Path, stop: int) -> None:
    from onehop.errors import StateError

    deadline = time.monotonic() + READY_SECONDS
    while not path.exists():
        if _told(stop, 0.05):
            raise typer.Exit(0)
        if any(daemon.poll() is not None for daemon in daemons):
            raise StateError(f"{what} ended before it was ready; its words are above")
        if time.monotonic() > deadline:
            raise StateError(f"{what} was not ready after {READY_SECONDS:g} s; its words are above")


def _say(directory: Path) -> None:
    from onehop.settings import load_agent, load_controller

    api = load_controller(directory / "controller.toml").api_listen
    host = load_agent(directory / "agent.toml").host
    typer.echo(f"{host} is up. For the openstack client, and for onehop:\n")
    typer.echo(f"  export OS_AUTH_TYPE=none OS_ENDPOINT=http://{api}")
    typer.echo(f"  export ONEHOP_AGENT_CONFIG={directory}/agent.toml")
    typer.echo(f"  onehop audit --controller {directory}/controller.toml --agent {directory}/agent.toml\n")
    typer.echo("Ctrl-C ends both; what was made for instances stays and goes on working.")
    sys.stdout.flush()


def _watch(daemons: "Sequence[subprocess.Popen[bytes]]", stop: int) -> None:
    from onehop.errors import StateError

    handles = [os.pidfd_open(daemon.pid) for daemon in daemons]
    try:
        ready = select.select([stop, *handles], [], [])[0]
    finally:
        for handle in handles:
            os.close(handle)
    if stop not in ready:
        raise StateError("controller or agent has ended; its words are above. Start again with `onehop up`")


def _end(daemons: "Iterable[subprocess.Popen[bytes]]") -> None:
    for daemon in daemons:
        daemon.terminate()
        try:
            daemon.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
