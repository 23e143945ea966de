"""Starting and stopping what a lab consists of: hosts, agents, the controller. Doing it twice is harmless."""

import msgspec

from onehop.lab import controller as control
from onehop.lab import host as machine
from onehop.lab import instance
from onehop.lab.state import Directory, host_of, running_host


def stop_host(directory: Directory, name: str) -> None:
    """Power loss: the host's agent, instances, namespaces, links and rules are gone at once."""
    state = directory.read()
    record = host_of(state, name)
    if record.running:
        machine.power_off(directory, record)
    for item in state.instances.values():
        if item.host == name and item.state != "down":
            directory.set_instance(msgspec.structs.replace(item, state="down"))


def start_host(directory: Directory, name: str) -> None:
    """Power again: the host boots, its agent starts from what is on its disk, its instances are booted again.

    Raises:
        StateError: the agent or an instance did not come up.
    """
    state = directory.read()
    record = host_of(state, name)
    machine.power_on(directory, record, state.underlay_mtu)
    machine.start_agent(directory, record)
    instance.revive(directory, directory.read(), name)


def agent(directory: Directory, name: str, action: str) -> None:
    """Start, stop or kill the agent of a host that has power.

    Args:
        directory: the lab.
        name: the host.
        action: ``start``, ``stop`` or ``kill``.
    """
    record = running_host(directory.read(), name)
    if action == "start":
        machine.start_agent(directory, record)
    else:
        machine.stop_agent(directory, name, polite=action == "stop")


def controller(directory: Directory, action: str) -> None:
    """Start, stop or kill the controller.

    Args:
        directory: the lab.
        action: ``start``, ``stop`` or ``kill``.
    """
    if action == "start":
        control.start(directory)
    else:
        directory.read()
        control.stop(directory, polite=action == "stop")
