"""`onehop lab`: many hosts on one machine. The command line is a contract for test suites outside of this project."""

import os
import shlex
import signal
import sys
from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from typing import Annotated, Any, ParamSpec

import typer

from onehop.cli import app as shared
from onehop.errors import InputError

app = shared.new("Try it: many hosts on one machine, in namespaces. Needs root.")

Name = Annotated[
    str, typer.Option("--name", envvar="ONEHOP_LAB", help="Which lab; labs with different names run side by side.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Instance = Annotated[str, typer.Argument(metavar="NAME", help="The instance.")]
HostOption = Annotated[str, typer.Option("--host", help="A host of the lab, such as host-1.")]
P = ParamSpec("P")


class Power(StrEnum):
    """What can be done to a host."""

    START = "start"
    STOP = "stop"


class Run(StrEnum):
    """What can be done to a daemon."""

    START = "start"
    STOP = "stop"
    KILL = "kill"


def _command(name: str, **settings: Any) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """A command of the group: what the caller typed wrong is a usage error."""

    def register(function: Callable[P, None]) -> Callable[P, None]:
        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> None:
            try:
                function(*args, **kwargs)
            except InputError as error:
                sys.stderr.write(f"{error}\n")
                raise typer.Exit(2) from None
            except KeyboardInterrupt:
                sys.stderr.write("interrupted\n")
                raise typer.Exit(1) from None

        app.command(name, **settings)(run)
        return function

    return register


def _open(name: str) -> Any:
    from onehop.lab.state import Directory

    return Directory(name)


def _say(json: bool) -> Callable[[str], None]:
    def say(line: str) -> None:
        if not json:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    return say


def _done(directory: Any, json: bool, line: str) -> None:
    """Show the lab's status as JSON, or one line for a person."""
    if json:
        from onehop.lab.status import status

        shared.show_json(status(directory))
    else:
        sys.stdout.write(line + "\n")


@_command("up")
def up(
    hosts: Annotated[int, typer.Option(help="How many hosts.")] = 3,
    gateway_hosts: Annotated[int, typer.Option(help="How many of them may own gateways.")] = 2,
    no_external_hosts: Annotated[int, typer.Option(help="How many have no link to the external network.")] = 0,
    underlay_mtu: Annotated[int, typer.Option(help="MTU of the network between the hosts.")] = 1500,
    name: Name = "lab",
    json: Json = False,
) -> None:
    """Build a lab and wait until every agent is in sync."""
    from onehop.lab import build

    directory = _open(name)
    build.up(directory, _say(json), hosts, gateway_hosts, no_external_hosts, underlay_mtu)
    _done(
        directory,
        json,
        f"lab {name} is up. Use it with:\n"
        f'  eval "$(onehop lab env{"" if name == "lab" else f" --name {name}"})"\n'
        f"  openstack network list",
    )


@_command("env")
def env(name: Name = "lab") -> None:
    """Print what a shell needs to use the lab: `eval "$(onehop lab env)"`."""
    directory = _open(name)
    directory.read()
    for key, value in (
        ("ONEHOP_LAB", name),
        ("OS_CLIENT_CONFIG_FILE", directory.clouds),
        ("OS_CLOUD", directory.cloud),
    ):
        sys.stdout.write(f"export {key}={shlex.quote(str(value))}\n")


@_command("status")
def status(name: Name = "lab", json: Json = False) -> None:
    """Show the lab, its hosts and its instances."""
    from onehop.lab.status import status as look

    seen = look(_open(name))
    if json:
        shared.show_json(seen)
    else:
        from onehop.cli.lab_show import show_status

        show_status(seen)


@_command("boot")
def boot(
    instance: Instance,
    port: Annotated[str, typer.Option("--port", help="Id of the port that it is attached to.")],
    host: HostOption,
    name: Name = "lab",
    json: Json = False,
) -> None:
    """Start an instance: a namespace whose eth0 is the port."""
    from onehop.lab import instance as work

    directory = _open(name)
    work.boot(directory, instance, port, host)
    _done(directory, json, f"{instance} is up on {host}")


@_command("move")
def move(instance: Instance, host: HostOption, name: Name = "lab", json: Json = False) -> None:
    """Move a running instance to another host; its processes and sockets go on."""
    from onehop.lab import move as work

    directory = _open(name)
    work.move(directory, instance, host)
    _done(directory, json, f"{instance} is on {host} now")


@_command("delete")
def delete(instance: Instance, name: Name = "lab", json: Json = False) -> None:
    """Unplug an instance, end its processes and release its port."""
    from onehop.lab import instance as work

    directory = _open(name)
    work.delete(directory, instance)
    _done(directory, json, f"{instance} is gone")


@_command("exec")
def execute(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="An instance, a host, upstream or outside.")],
    command: Annotated[list[str], typer.Argument(metavar="-- CMD...", help="What to run there, as root.")],
    name: Name = "lab",
    json: Annotated[bool, typer.Option("--json", help="No effect: the output is the command's.")] = False,  # noqa: ARG001 - all take it
) -> None:
    """Run a command inside; its standard streams and exit status are passed through."""
    from onehop.lab.execute import execute as become

    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    become(_open(name), target, command)


@_command("host")
def host(
    host: Annotated[str, typer.Argument(metavar="HOST")],
    action: Annotated[Power, typer.Argument(metavar="start|stop")],
    name: Name = "lab",
    json: Json = False,
) -> None:
    """Take a host's power away, without a goodbye, or give it back."""
    from onehop.lab import power

    directory = _open(name)
    (power.start_host if action is Power.START else power.stop_host)(directory, host)
    _done(directory, json, f"{host} is {'running' if action is Power.START else 'stopped'}")


@_command("agent")
def agent(
    host: Annotated[str, typer.Argument(metavar="HOST")],
    action: Annotated[Run, typer.Argument(metavar="start|stop|kill")],
    name: Name = "lab",
    json: Json = False,
) -> None:
    """Start, stop or kill -9 a host's agent; the data plane stays."""
    from onehop.lab import power

    directory = _open(name)
    power.agent(directory, host, action.value)
    _done(directory, json, f"the agent of {host} {'runs' if action is Run.START else 'does not run'}")


@_command("controller")
def controller(
    action: Annotated[Run, typer.Argument(metavar="start|stop|kill")], name: Name = "lab", json: Json = False
) -> None:
    """Start, stop or kill -9 the controller; the data plane stays."""
    from onehop.lab import power

    directory = _open(name)
    power.controller(directory, action.value)
    _done(directory, json, f"the controller {'runs' if action is Run.START else 'does not run'}")


@_command("wait")
def wait(timeout: Annotated[float, typer.Option(help="Seconds.")] = 30, name: Name = "lab", json: Json = False) -> None:
    """Wait until every running agent has applied the controller's newest revision."""
    from onehop.lab import wait as work

    directory = _open(name)
    revision = work.wait(directory, timeout)
    _done(directory, json, f"every running agent has applied revision {revision}")


@_command("down")
def down(name: Name = "lab", json: Json = False) -> None:
    """Remove everything of the lab."""
    from onehop.lab import build

    build.down(_open(name))
    if json:
        shared.show_json({"name": name})
    else:
        sys.stdout.write(f"nothing is left of lab {name}\n")


@_command("demo")
def demo(
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the lab; one that nobody uses by default.")
    ] = None,
    json: Json = False,
) -> None:
    """Build a lab, show every path with its round trip, a move and the loss of an owner, take it down."""
    from onehop.lab import demo as work

    passed = work.demo(_open(name or f"demo-{os.getpid()}"), json)
    if not passed:
        raise typer.Exit(1)
