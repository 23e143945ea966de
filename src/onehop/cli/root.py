"""The root of the command line: the one list of its commands, found without importing any of them."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

from onehop import __version__
from onehop.errors import OnehopError


class Command(NamedTuple):
    """A command or group of commands.

    Attributes:
        name: as typed.
        module: has `app`, made by `onehop.cli.app.new`; with a single command in it that command is `name` itself.
        help: one line.
    """

    name: str
    module: str
    help: str


COMMANDS: tuple[Command, ...] = (
    Command("controller", "onehop.cli.controller", "Run the controller: API, store and the stream to the agents."),
    Command("up", "onehop.cli.up", "Run controller and agent on this machine: a single host."),
    Command("pki", "onehop.cli.pki", "Make the certificates by which controller and agents know each other."),
    Command("host", "onehop.cli.host", "Add, list and remove hosts."),
    Command("db", "onehop.cli.db", "Back up and restore the controller's store."),
    Command("agent", "onehop.cli.agent", "Run the agent of this host, or join this host to a controller."),
    Command("plug", "onehop.cli.plug", "Attach an instance on this host to a port."),
    Command("unplug", "onehop.cli.unplug", "Detach the instance of a port on this host."),
    Command("port", "onehop.cli.port", "Show a port of this host, and what was refused of it."),
    Command("status", "onehop.cli.status", "Show how this host's agent is doing."),
    Command("audit", "onehop.cli.audit", "Look whether everything keeps its promises; change nothing."),
    Command("plan", "onehop.cli.plan", "Show what this host's agent would do now."),
    Command("trace", "onehop.cli.trace", "Show where a packet goes, hop by hop, and why it dies where it dies."),
    Command("verify", "onehop.cli.verify", "Prove that nobody reaches, or passes for, somebody else."),
    Command("lab", "onehop.cli.lab", "Try it: many hosts on one machine, in namespaces."),
)
"""Every command, in the order of the help."""


def usage() -> str:
    """The help of `onehop` itself."""
    width = max(len(command.name) for command in COMMANDS)
    lines = [f"  {command.name:<{width}}  {command.help}" for command in COMMANDS]
    return "\n".join(
        (
            "Usage: onehop COMMAND [ARGS]...",
            "",
            "  A distributed virtual router: every Linux host has its own copy of every router",
            "  that its instances use.",
            "",
            "Options:",
            "  --version  Show the version.",
            "  --help     Show this; `onehop COMMAND --help` shows a command's own.",
            "",
            "Commands:",
            *lines,
            "",
        )
    )


def run(arguments: Sequence[str]) -> int:
    """Run one command line.

    Returns:
        the exit status: 0, 1 (failed; one sentence on stderr) or 2 (usage).
    """
    if not arguments:
        sys.stderr.write(usage())
        return 2
    name, *rest = arguments
    if name in ("--help", "-h"):
        sys.stdout.write(usage())
        return 0
    if name == "--version":
        sys.stdout.write(f"onehop {__version__}\n")
        return 0
    found = next((command for command in COMMANDS if command.name == name), None)
    if found is None:
        sys.stderr.write(f"onehop has no command {name!r}; `onehop --help` lists them\n")
        return 2
    return _run(found, rest)


def _run(command: Command, arguments: list[str]) -> int:
    import typer

    try:
        loaded = typer.main.get_command(import_module(command.module).app)
        loaded.main(args=arguments, prog_name=f"onehop {command.name}")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    except OnehopError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        if error.filename is None:
            raise
        sys.stderr.write(f"{error.filename}: {error.strerror}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 1
    return 0
