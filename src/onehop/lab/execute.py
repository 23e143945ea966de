"""`exec`: become a command inside an instance, a host, the upstream router or the far internet."""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from onehop.errors import ConflictError, NotFoundError
from onehop.lab.namespace import Pins, enter, mount_sys, unshare_mounts
from onehop.lab.state import NODES, Directory, State, running_host
from onehop.settings import CONFIG_VARIABLE


def target(directory: Directory, state: State, name: str) -> tuple[Pins, str | None]:
    """The namespaces of a target: a node's pins, and the name in its ``/run/netns`` for an instance.

    Raises:
        NotFoundError: nothing has that name.
        ConflictError: its host is stopped.
    """
    if name in NODES or name in state.hosts:
        if name in state.hosts:
            running_host(state, name)
        return directory.pins(name), None
    instance = state.instances.get(name)
    if instance is None:
        raise NotFoundError(
            f"lab {state.name!r} has nothing called {name!r}: name a host ({', '.join(sorted(state.hosts))}), "
            f"an instance ({', '.join(sorted(state.instances)) or 'none yet'}), upstream or outside"
        )
    if instance.state == "down":
        raise ConflictError(f"{name} is down with {instance.host}: start that host first")
    return directory.pins(instance.host), name


def execute(directory: Directory, name: str, command: Sequence[str]) -> NoReturn:
    """Turn this process into `command` inside a target; the exit status is the command's, 127 where there is none.

    In a host, `onehop status`, `plan`, `plug` and `unplug` find that host's agent.

    Raises:
        NotFoundError, ConflictError: see `target`.
    """
    pins, netns = target(directory, directory.read(), name)
    enter(pins, netns)
    if netns is not None or pins.mnt is None:
        unshare_mounts()
        mount_sys()
    if name in directory.read().hosts:
        os.environ[CONFIG_VARIABLE] = str(directory.host(name) / "agent.toml")
    sys.stdout.flush()
    try:
        os.execvp(command[0], list(command))  # noqa: S606 - no shell is the point
    except OSError as error:
        sys.stderr.write(f"cannot run {command[0]!r} in {name}: {error.strerror}\n")
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)
