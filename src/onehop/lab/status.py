"""`status`: the lab as one document, in the words of the contract (every key is part of it)."""

from ipaddress import ip_interface
from pathlib import Path
from typing import Literal

import msgspec

from onehop.client import Client, Document
from onehop.errors import StateError
from onehop.lab import controller, host, plan, process
from onehop.lab.state import Directory, HostRecord, InstanceRecord
from onehop.lab.wait import agents

_SECONDS = 5


class External(msgspec.Struct, frozen=True):
    """The external network; addresses are plain strings."""

    physical_network: str = plan.PHYSICAL_NETWORK
    cidr: str = str(plan.EXTERNAL)
    gateway: str = plan.GATEWAY
    outside: str = plan.OUTSIDE
    cidr_v6: str = str(plan.EXTERNAL_V6)
    gateway_v6: str = plan.GATEWAY_V6
    outside_v6: str = plan.OUTSIDE_V6


class ControllerStatus(msgspec.Struct, frozen=True):
    """A controller; `pid` is None when it does not run."""

    name: str
    state: Literal["running", "stopped"]
    pid: int | None


class HostStatus(msgspec.Struct, frozen=True):
    """A host.

    Attributes:
        revision: what its agent has applied; None while that cannot be known.
        in_sync: whether that is the controller's newest.
    """

    name: str
    state: Literal["running", "stopped"]
    vtep: str
    gateway_host: bool
    agent_pid: int | None
    revision: int | None
    in_sync: bool


class InstanceStatus(msgspec.Struct, frozen=True):
    """An instance; `state` is booting, up or down."""

    name: str
    port: str
    host: str
    state: str
    fixed_ips: tuple[str, ...]


class Status(msgspec.Struct, frozen=True):
    """A whole lab."""

    name: str
    endpoint: str
    clouds_yaml: str
    cloud: str
    external: External
    controllers: tuple[ControllerStatus, ...]
    hosts: tuple[HostStatus, ...]
    instances: tuple[InstanceStatus, ...]


def status(directory: Directory) -> Status:
    """Look at the lab; asks the controller only if it runs.

    Raises:
        NotFoundError: there is no such lab.
    """
    state = directory.read()
    running = _pid(controller.pid_file(directory))
    known = _known(directory) if running is not None else {}
    return Status(
        name=state.name,
        endpoint=directory.endpoint,
        clouds_yaml=str(directory.clouds),
        cloud=directory.cloud,
        external=External(),
        controllers=(ControllerStatus("controller", "stopped" if running is None else "running", running),),
        hosts=tuple(_host(directory, record, known.get(record.name)) for record in state.hosts.values()),
        instances=tuple(_instance(record) for record in state.instances.values()),
    )


def _pid(path: Path) -> int | None:
    found = process.load(path)
    return None if found is None else found.pid


def _known(directory: Directory) -> dict[str, Document]:
    client = Client(directory.endpoint, timeout=_SECONDS)
    try:
        return agents(client)[1]
    except StateError:
        return {}
    finally:
        client.close()


def _host(directory: Directory, record: HostRecord, known: Document | None) -> HostStatus:
    pid = _pid(host.pid_file(directory, record.name)) if record.running else None
    applied = known.get("applied") if known else None
    return HostStatus(
        name=record.name,
        state="running" if record.running else "stopped",
        vtep=record.vtep,
        gateway_host=record.gateway,
        agent_pid=pid,
        revision=applied,
        in_sync=bool(known and pid is not None and known["connected"] and known["in_sync"]),
    )


def _instance(record: InstanceRecord) -> InstanceStatus:
    addresses = (*record.nic.addresses, *record.nic.automatic) if record.nic else ()
    return InstanceStatus(
        record.name, record.port, record.host, record.state, tuple(str(ip_interface(a).ip) for a in addresses)
    )
