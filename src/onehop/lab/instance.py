"""Instances: namespaces on lab hosts whose ``eth0`` is a port, attached like a hypervisor attaches its guests."""

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from onehop.client import Client, Document
from onehop.errors import ApiError, ConflictError, NotFoundError, OnehopError, StateError
from onehop.lab import guest, host, nic, process, wait
from onehop.lab.namespace import NETNS, inside, new_netns, remove_netns
from onehop.lab.state import NODES, Directory, InstanceRecord, Nic, State, check_name, instance_of, running_host
from onehop.net.identifier import parse_uuid

ACTIVE_SECONDS = 10
ACKNOWLEDGED_SECONDS = 5
_PAUSE = 0.01


def boot(directory: Directory, name: str, port_id: str, host_name: str) -> None:
    """Start an instance: bind the port, make the namespace, plug it, set its ``eth0`` up.

    Returns when the port is ACTIVE and every connected host knows it. On failure nothing is left of it.

    Raises:
        InputError: the name or the port's id is malformed.
        NotFoundError: no such host or port.
        ConflictError: the name or the port is taken, or the host is stopped.
        StateError: the port did not become ACTIVE; with the reason that the controller gives.
    """
    check_name(name, "an instance")
    parse_uuid(port_id, "--port")
    state = directory.read()
    running_host(state, host_name)
    host.require_agent(directory, host_name)
    client = Client(directory.endpoint)
    try:
        port = _port(client, port_id, host_name)
        record = InstanceRecord(name, port_id, host_name, nic=nic.describe(client, port))
        _reserve(directory, record)
        try:
            _start(directory, client, record)
        except BaseException as error:
            remaining = _undo(directory, client, record, bound_before=bool(port.get("binding:host_id")))
            if remaining and isinstance(error, OnehopError):
                raise StateError(f"{error}; and it could not be taken back: {'; '.join(remaining)}") from error
            raise
    finally:
        client.close()
    directory.set_instance(msgspec.structs.replace(record, state="up"))


def _port(client: Client, port_id: str, host_name: str) -> Document:
    try:
        port: Document = client.get(f"/v2.0/ports/{port_id}")["port"]
    except ApiError as error:
        if error.status == 404:
            raise NotFoundError(f"there is no port {port_id}: create it through the API first") from error
        raise
    bound = port.get("binding:host_id")
    if bound and bound != host_name:
        raise ConflictError(f"port {port_id} is bound to {bound} already: clear its binding:host_id, or boot it there")
    return port


def _reserve(directory: Directory, record: InstanceRecord) -> None:
    with directory.lock():
        state = directory.read()
        if record.name in state.hosts or record.name in NODES:
            raise ConflictError(f"{record.name} is the name of a part of the lab: choose another for the instance")
        if record.name in state.instances:
            raise ConflictError(f"there is an instance {record.name!r} already: delete it or choose another name")
        for other in state.instances.values():
            if other.port == record.port:
                raise ConflictError(f"port {record.port} belongs to the instance {other.name!r} already")
        directory.write(msgspec.structs.replace(state, instances={**state.instances, record.name: record}))


def _start(directory: Directory, client: Client, record: InstanceRecord) -> None:
    build_namespace(directory, record)
    revision = bind(client, record.port, record.host)
    wait.applied(directory, record.host, revision, ACTIVE_SECONDS)
    guest.plug(directory.run(record.host), record.port, record.name)
    set_up(directory, record)
    wait_active(client, record)
    wait.acknowledged(directory, client, ACKNOWLEDGED_SECONDS)


def bind(client: Client, port_id: str, host_name: str) -> int:
    """Bind a port to a host ("" releases it); returns the controller's revision afterwards."""
    client.put(f"/v2.0/ports/{port_id}", {"port": {"binding:host_id": host_name}})
    return wait.agents(client)[0]


def build_namespace(directory: Directory, record: InstanceRecord) -> None:
    """Make the instance's namespace on its host.

    Raises:
        ConflictError: the host has a namespace of that name, made by somebody else.
    """

    def build() -> None:
        if (NETNS / record.name).exists():
            raise ConflictError(
                f"{record.host} has a network namespace {record.name} that is not an instance: choose another name"
            )
        new_netns(record.name, nic.prepare)

    inside(directory.pins(record.host), build)


def set_up(directory: Directory, record: InstanceRecord) -> None:
    """Set ``eth0`` up inside; waits for the agent to have put it there, and for what routers advertise.

    Raises:
        StateError: neither came in time.
    """
    assert record.nic is not None  # noqa: S101 - known since boot
    card = record.nic

    def work() -> None:
        deadline = time.monotonic() + ACTIVE_SECONDS
        while not Path("/proc/thread-self/net/dev_snmp6/eth0").exists():
            if time.monotonic() > deadline:
                raise StateError(
                    f"the agent of {record.host} did not put eth0 into {record.name}: see 'onehop status' there and "
                    f"{directory.host(record.host) / 'agent.log'}"
                )
            time.sleep(_PAUSE)
        nic.set_up(card)
        while missing := nic.missing(card):
            if time.monotonic() > deadline:
                raise StateError(
                    f"eth0 of {record.name} did not get {', '.join(sorted(missing))} by a router's advertisement: see "
                    f"'onehop status' on {record.host}"
                )
            time.sleep(_PAUSE)

    inside(directory.pins(record.host), work, record.name)


def wait_active(client: Client, record: InstanceRecord) -> None:
    """Wait until the port is ACTIVE on the instance's host.

    Raises:
        StateError: it is not in time; with the reason.
    """
    deadline = time.monotonic() + ACTIVE_SECONDS
    while True:
        port = client.get(f"/v2.0/ports/{record.port}")["port"]
        if port["status"] == "ACTIVE" and port.get("binding:host_id") == record.host:
            return
        if time.monotonic() > deadline:
            reason = port.get("status_reason") or "no reason is given"
            raise StateError(f"port {record.port} on {record.host} is {port['status']}, not ACTIVE: {reason}")
        time.sleep(_PAUSE)


def _undo(directory: Directory, client: Client, record: InstanceRecord, bound_before: bool) -> list[str]:
    """Take back what a failed boot did, as far as it goes; returns what could not be taken back."""
    steps: list[Callable[[], object]] = [
        lambda: guest.unplug(directory.run(record.host), record.port),
        lambda: _remove_namespace(directory, record),
    ]
    if not bound_before:
        steps.append(lambda: _release(client, record))
    remaining = []
    for step in steps:
        try:
            step()
        except OnehopError as error:
            remaining.append(str(error))
    directory.drop_instance(record.name)
    return remaining


def delete(directory: Directory, name: str) -> None:
    """End an instance: unplug it, kill its processes, remove its namespace, release its port's binding.

    Raises:
        NotFoundError: no such instance.
        UnreachableError: the controller, which must release the binding, does not run.
    """
    state = directory.read()
    record = instance_of(state, name)
    client = Client(directory.endpoint)
    try:
        client.get("/")
        if state.hosts[record.host].running:
            host.require_agent(directory, record.host)
            guest.unplug(directory.run(record.host), record.port)
            _remove_namespace(directory, record)
        _release(client, record)
    finally:
        client.close()
    directory.drop_instance(name)


def _release(client: Client, record: InstanceRecord) -> None:
    try:
        bind(client, record.port, "")
    except ApiError as error:
        if error.status != 404:
            raise


def _remove_namespace(directory: Directory, record: InstanceRecord) -> None:
    def look() -> str | None:
        path = NETNS / record.name
        return f"net:[{path.stat().st_ino}]" if path.exists() else None

    pins = directory.pins(record.host)
    identity = inside(pins, look)
    if identity is not None:
        process.kill_all({identity})
        inside(pins, lambda: remove_netns(record.name))


def revive(directory: Directory, state: State, host_name: str) -> None:
    """Boot a host's instances again after its power came back; the controller need not run.

    The plugs of instances that were deleted meanwhile are forgotten.
    """
    mine = [record for record in state.instances.values() if record.host == host_name]
    run = directory.run(host_name)
    for port in guest.plugged(directory, host_name) - {record.port for record in mine}:
        guest.unplug(run, port)
    for record in mine:
        if record.state != "down":
            continue
        fresh = msgspec.structs.replace(record, state="up", nic=_news(directory, record))
        build_namespace(directory, fresh)
        guest.plug(run, fresh.port, fresh.name)
        set_up(directory, fresh)
        directory.set_instance(fresh)


def _news(directory: Directory, record: InstanceRecord) -> Nic | None:
    """What the instance should know of its network now, or what it knew where the controller cannot be asked."""
    client = Client(directory.endpoint, timeout=2)
    try:
        return nic.describe(client, client.get(f"/v2.0/ports/{record.port}")["port"])
    except StateError:
        return record.nic
    finally:
        client.close()
