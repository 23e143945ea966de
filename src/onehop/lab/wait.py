"""`wait`: until every running agent has applied the controller's newest revision."""

import time

from onehop.client import Client, Document
from onehop.errors import StateError
from onehop.lab import guest, host, process
from onehop.lab.state import Directory

_PAUSE = 0.01


def agents(client: Client) -> tuple[int, dict[str, Document]]:
    """The controller's newest revision, and what it knows of each host's agent by name."""
    status = client.get("/onehop/v1/status")
    return int(status["revision"]), {str(agent["name"]): agent for agent in status["hosts"]}


def wait(directory: Directory, limit: float) -> int:
    """Wait until every running agent has applied the newest revision of this moment; returns that revision.

    Raises:
        StateError: not within `limit` seconds; names those who have not.
    """
    client = Client(directory.endpoint, timeout=max(limit, 1))
    try:
        return _wait(directory, client, limit)
    finally:
        client.close()


def _wait(directory: Directory, client: Client, limit: float) -> int:
    deadline = time.monotonic() + limit
    wanted: int | None = None
    while True:
        revision, known = agents(client)
        wanted = revision if wanted is None else wanted
        late = [
            name
            for name, record in directory.read().hosts.items()
            if record.running
            and process.load(host.pid_file(directory, name)) is not None
            and not _applied(known.get(name), wanted)
        ]
        if not late:
            return wanted
        if time.monotonic() > deadline:
            raise StateError(
                f"after {limit:g} s these agents have not applied revision {wanted}: {', '.join(late)}; "
                f"see their logs in {directory.path / 'hosts'}"
            )
        time.sleep(_PAUSE)


def _applied(agent: Document | None, revision: int) -> bool:
    return agent is not None and bool(agent["connected"]) and int(agent["applied"] or 0) >= revision


def applied(directory: Directory, host_name: str, revision: int, limit: float) -> None:
    """Wait until one host's agent says that it has applied `revision`.

    Raises:
        StateError: not within `limit` seconds; with what the agent says.
    """
    deadline = time.monotonic() + limit
    while True:
        status = guest.status(directory.run(host_name))
        if status.applied >= revision:
            return
        if time.monotonic() > deadline:
            why = status.controller_error or f"it is at {status.applied}"
            raise StateError(f"the agent of {host_name} has not applied revision {revision} after {limit:g} s: {why}")
        time.sleep(_PAUSE)


def acknowledged(directory: Directory, client: Client, limit: float) -> None:
    """Wait until every agent that is connected has applied what is newest now, at most `limit` seconds.

    Those that hold what changed are asked themselves, which is quicker; of the others the controller knows.
    """
    deadline = time.monotonic() + limit
    wanted, known = agents(client)
    names = list(directory.read().hosts)
    while time.monotonic() < deadline:
        names = [name for name in names if not _has(directory, name, known.get(name), wanted)]
        if not names:
            return
        time.sleep(_PAUSE)
        known = agents(client)[1]


def _has(directory: Directory, host_name: str, known: Document | None, revision: int) -> bool:
    if _applied(known, revision) or process.load(host.pid_file(directory, host_name)) is None:
        return True
    try:
        status = guest.status(directory.run(host_name))
    except StateError:
        return True
    return not status.connected or status.applied >= revision
