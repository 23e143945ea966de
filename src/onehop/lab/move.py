"""`move`: live migration. The instance's namespace, its processes and sockets stay; its tap changes hosts.

What a hypervisor does by copying memory is one step here: the tap's end of the veth goes into the other host's network
namespace. Around that step everything is prepared, so that the gap is the time of the step itself:

1. a second binding: the target host builds all but the tap;
2. at the same time, the target's agent waits for the device to adopt it, the device moves, and the API makes the
   target's binding the active one;
3. the source's agent forgets the device (it would make a new one, but not so soon, and not while the instance has an
   ``eth0``);
4. every host knows; the old binding is deleted and the old name of the namespace goes.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import msgspec

from onehop.client import Client, segment
from onehop.errors import ConflictError, OnehopError
from onehop.lab import guest, host, instance, wait
from onehop.lab.namespace import NETNS, inside, name_netns, open_netns, remove_netns
from onehop.lab.netlink import push_link
from onehop.lab.state import Directory, InstanceRecord, instance_of, running_host
from onehop.net import naming
from onehop.net.identifier import PortId


def move(directory: Directory, name: str, target: str) -> None:
    """Move a running instance; harmless when it is there already.

    Raises:
        NotFoundError: no such instance or host.
        ConflictError: the instance is down, or one of the hosts or its agent does not run, or has the name taken.
        StateError: the target did not prepare, or the port did not become ACTIVE there.
    """
    state = directory.read()
    record = instance_of(state, name)
    running_host(state, target)
    if record.host == target:
        return
    if record.state != "up":
        raise ConflictError(f"{name} is {record.state}: only an instance that is up can move")
    for agent in (record.host, target):
        host.require_agent(directory, agent)
    client = Client(directory.endpoint)
    try:
        _prepare(directory, client, record, target)
        moved = msgspec.structs.replace(record, host=target)
        _switch(directory, client, record, target)
        directory.set_instance(moved)
        instance.wait_active(client, moved)
        wait.acknowledged(directory, client, instance.ACKNOWLEDGED_SECONDS)
        client.delete(f"{_bindings(record)}/{segment(record.host)}")
    finally:
        client.close()
    inside(directory.pins(record.host), lambda: remove_netns(name))


def _bindings(record: InstanceRecord) -> str:
    return f"/v2.0/ports/{record.port}/bindings"


def _prepare(directory: Directory, client: Client, record: InstanceRecord, target: str) -> None:
    namespace = inside(directory.pins(record.host), lambda: open_netns(record.name))
    try:
        inside(directory.pins(target), lambda: _share_name(record.name, namespace, target))
    finally:
        os.close(namespace)
    try:
        client.post(_bindings(record), {"binding": {"host": target}})
        wait.applied(directory, target, wait.agents(client)[0], instance.ACTIVE_SECONDS)
    except BaseException:
        inside(directory.pins(target), lambda: remove_netns(record.name))
        raise


def _share_name(name: str, namespace: int, target: str) -> None:
    if (NETNS / name).exists():
        raise ConflictError(f"{target} has a network namespace {name} already: delete it there first")
    name_netns(name, namespace)


def _switch(directory: Directory, client: Client, record: InstanceRecord, target: str) -> None:
    tap = naming.tap(PortId(record.port))
    destination = os.open(directory.pins(target).net, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with ThreadPoolExecutor(max_workers=3) as pool:
            plugged = pool.submit(guest.plug, directory.run(target), record.port, record.name, adopt=True)
            activated = pool.submit(client.put, f"{_bindings(record)}/{segment(target)}/activate")
            try:
                inside(directory.pins(record.host), lambda: push_link(tap, destination))
            except OnehopError:
                activated.result()
                _stay(directory, client, record, target)
                raise
            released = pool.submit(guest.release, directory.run(record.host), record.port)
            for step in (plugged, activated, released):
                step.result()
    finally:
        os.close(destination)


def _stay(directory: Directory, client: Client, record: InstanceRecord, target: str) -> None:
    """The device did not move: make the old binding the active one again."""
    client.put(f"{_bindings(record)}/{segment(record.host)}/activate")
    client.delete(f"{_bindings(record)}/{segment(target)}")
    inside(directory.pins(target), lambda: remove_netns(record.name))
