"""What the lab asks of a host's agent: the same as `onehop plug` and `onehop unplug` do, over the same socket."""

from pathlib import Path

from onehop.agent.call import call
from onehop.agent.plugs import Plugs
from onehop.agent.request import (
    PlugRequest,
    PortAnswer,
    ReleaseRequest,
    StatusAnswer,
    StatusRequest,
    UnplugRequest,
)
from onehop.lab.state import Directory


def plug(run_dir: Path, port_id: str, netns: str, adopt: bool = False, timeout: float = 10) -> None:
    """Attach a namespace to a port; returns when the port is ACTIVE.

    Args:
        run_dir: of the host's agent.
        port_id: the port.
        netns: the instance's namespace.
        adopt: its device is on the host already, released by another.
        timeout: in seconds.

    Raises:
        OnehopError: what the agent says.
    """
    call(run_dir, PlugRequest(port_id=port_id, netns=netns, adopt=adopt, timeout=timeout), PortAnswer)


def unplug(run_dir: Path, port_id: str) -> None:
    """Detach whatever is attached to a port; harmless where nothing is."""
    call(run_dir, UnplugRequest(port_id=port_id), PortAnswer)


def release(run_dir: Path, port_id: str) -> None:
    """Make the agent forget a plug and leave its device alone."""
    call(run_dir, ReleaseRequest(port_id=port_id), PortAnswer)


def status(run_dir: Path) -> StatusAnswer:
    """How the agent is."""
    return call(run_dir, StatusRequest(), StatusAnswer)


def plugged(directory: Directory, host: str) -> set[str]:
    """Ports that the host's disk says are plugged."""
    return set(Plugs(directory.host(host) / "state").all)
