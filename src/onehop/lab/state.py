"""What a lab remembers on disk, and who may change it when.

One directory per lab: ``lab.json`` (this file's `State`, replaced whole), ``lock``, pins of namespaces, and the files
of controller and hosts. Commands that change the lab's members take the lock only while they change the state, so
several `boot` and `exec` run at a time.
"""

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from onehop.errors import ConflictError, InputError, NotFoundError
from onehop.lab import plan
from onehop.lab.namespace import Pins

DIRECTORY = "ONEHOP_LAB_DIR"
"""Environment variable: where the directories of labs are, in place of ``/run/onehop/lab``."""

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,38}[A-Za-z0-9])?")
_SOCKET_LIMIT = 107

FABRIC, UPSTREAM, OUTSIDE = "fabric", "upstream", "outside"
NODES = (FABRIC, UPSTREAM, OUTSIDE)
"""Nodes that are no hosts: the switches, the external network's router, the server on the far internet."""


class HostRecord(msgspec.Struct, frozen=True):
    """A lab host.

    Attributes:
        name: ``host-1`` and so on.
        vtep: its address on the underlay.
        external: whether it has a link to the external network.
        gateway: whether it may own gateways.
        running: whether it has power.
    """

    name: str
    vtep: str
    external: bool
    gateway: bool
    running: bool = False


class Nic(msgspec.Struct, frozen=True):
    """What an instance is told about its network.

    Attributes:
        mac: of ``eth0``.
        mtu: of ``eth0``.
        addresses: with prefix lengths.
        routes: (destination or "default", next hop).
        automatic: addresses that it makes itself of what routers advertise (SLAAC), with prefix lengths.
        advertised: those of them whose subnet has a router.
    """

    mac: str
    mtu: int
    addresses: tuple[str, ...]
    routes: tuple[tuple[str, str], ...]
    automatic: tuple[str, ...] = ()
    advertised: tuple[str, ...] = ()


class InstanceRecord(msgspec.Struct, frozen=True):
    """An instance.

    Attributes:
        name: its namespace.
        port: id of its port.
        host: where it is.
        state: ``booting`` until its port is ACTIVE, ``up``, or ``down`` with its host.
        nic: how its ``eth0`` is set up; None before it is known.
    """

    name: str
    port: str
    host: str
    state: Literal["booting", "up", "down"] = "booting"
    nic: Nic | None = None


class State(msgspec.Struct, frozen=True):
    """A whole lab.

    Attributes:
        name: the lab's.
        complete: whether `up` came to its end.
        api_port: the endpoint's TCP port on loopback; the same over restarts of the controller.
        underlay_mtu: in octets.
        made_netns: whether `up` had to make the machine's ``/run/netns`` directory.
        hosts, instances: by name.
    """

    name: str
    api_port: int
    underlay_mtu: int
    made_netns: bool = False
    complete: bool = False
    hosts: dict[str, HostRecord] = {}
    instances: dict[str, InstanceRecord] = {}


class Directory:
    """The directory of one lab."""

    def __init__(self, name: str, parent: Path | None = None) -> None:
        """Name a lab; touches nothing.

        Raises:
            InputError: the name cannot be part of paths, or makes paths longer than a socket's may be.
        """
        check_name(name, "a lab")
        self.name = name
        self.parent = parent or Path(os.environ.get(DIRECTORY) or plan.RUN).absolute()
        self.path = self.parent / name
        if len(str(self.run("host-250") / "agent.sock")) > _SOCKET_LIMIT:
            raise InputError(f"{self.path} is too long a path for the agents' sockets: choose a shorter {DIRECTORY}")

    @property
    def endpoint(self) -> str:
        """The API's URL."""
        return f"http://127.0.0.1:{self.read().api_port}"

    @property
    def clouds(self) -> Path:
        """``clouds.yaml``."""
        return self.path / "clouds.yaml"

    @property
    def cloud(self) -> str:
        """Name of the administrator's cloud."""
        return f"onehop-{self.name}"

    @property
    def shared_pins(self) -> Path:
        """Pins of network namespaces."""
        return self.path / "net"

    @property
    def private_pins(self) -> Path:
        """Pins of mount namespaces."""
        return self.path / "mnt"

    def pins(self, node: str) -> Pins:
        """The pins of a node; hosts have a mount namespace of their own."""
        return Pins(self.shared_pins / node, None if node in NODES else self.private_pins / node)

    @property
    def controller(self) -> Path:
        """The controller's files."""
        return self.path / "controller"

    def host(self, name: str) -> Path:
        """A host's files: its disk."""
        return self.path / "hosts" / name

    def run(self, name: str) -> Path:
        """A host's run directory."""
        return self.host(name) / "run"

    def exists(self) -> bool:
        """Whether there is such a lab, whole or not."""
        return (self.path / "lab.json").exists()

    def read(self) -> State:
        """The lab's state.

        Raises:
            NotFoundError: there is no such lab.
        """
        try:
            return msgspec.json.decode((self.path / "lab.json").read_bytes(), type=State)
        except FileNotFoundError:
            raise NotFoundError(
                f"there is no lab {self.name!r} in {self.parent}: build it with 'onehop lab up --name {self.name}'"
            ) from None
        except msgspec.DecodeError as error:
            raise ConflictError(f"{self.path / 'lab.json'} is damaged ({error}): run 'onehop lab down'") from error

    def write(self, state: State) -> None:
        """Replace the state; only with the lock held."""
        temporary = self.path / "lab.json.new"
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(state), indent=1))
        temporary.replace(self.path / "lab.json")

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the lab's lock; another command waits."""
        with (self.path / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Make the lab's directory and be the only one that builds or removes the lab.

        Raises:
            ConflictError: somebody else does.
        """
        self.path.mkdir(parents=True, mode=0o700, exist_ok=True)
        with (self.path / "build").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConflictError(
                    f"another command is building or removing lab {self.name!r} at this moment: wait for it"
                ) from None
            yield

    def set_host(self, host: HostRecord) -> None:
        """Replace what is known of a host."""
        with self.lock():
            state = self.read()
            self.write(msgspec.structs.replace(state, hosts={**state.hosts, host.name: host}))

    def set_instance(self, instance: InstanceRecord) -> None:
        """Replace what is known of an instance."""
        with self.lock():
            state = self.read()
            self.write(msgspec.structs.replace(state, instances={**state.instances, instance.name: instance}))

    def drop_instance(self, name: str) -> None:
        """Forget an instance."""
        with self.lock():
            state = self.read()
            self.write(
                msgspec.structs.replace(state, instances={k: v for k, v in state.instances.items() if k != name})
            )


def check_name(text: str, what: str) -> str:
    """Return a name for a lab or an instance that is safe in paths and on command lines.

    Raises:
        InputError: otherwise.
    """
    if _NAME.fullmatch(text) is None:
        raise InputError(
            f"{what} has a name of 1 to 40 letters, digits, '.', '_' or '-' that begins and ends with a letter or "
            f"digit, not {text[:64]!r}"
        )
    return text


def host_of(state: State, name: str) -> HostRecord:
    """A host by name.

    Raises:
        NotFoundError: no such host; lists those there are.
    """
    try:
        return state.hosts[name]
    except KeyError:
        raise NotFoundError(
            f"lab {state.name!r} has no host {name!r}; its hosts are {', '.join(sorted(state.hosts))}"
        ) from None


def running_host(state: State, name: str) -> HostRecord:
    """A host that has power.

    Raises:
        NotFoundError: no such host.
        ConflictError: it is stopped.
    """
    host = host_of(state, name)
    if not host.running:
        raise ConflictError(f"{name} is stopped: start it with 'onehop lab host {name} start --name {state.name}'")
    return host


def instance_of(state: State, name: str) -> InstanceRecord:
    """An instance by name.

    Raises:
        NotFoundError: no such instance.
    """
    try:
        return state.instances[name]
    except KeyError:
        known = ", ".join(sorted(state.instances)) or "none yet"
        raise NotFoundError(f"lab {state.name!r} has no instance {name!r}; there are: {known}") from None
