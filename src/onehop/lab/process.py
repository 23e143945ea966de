"""Processes of the lab: started in sessions of their own, found again after this command has ended.

A process is known by its pid and its start time, so a pid that was given to somebody else is never signalled. What a
killed `up` could not write down is found by `ONEHOP_LAB_STATE` in its environment.
"""

import contextlib
import fcntl
import os
import select
import signal
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

MARK = "ONEHOP_LAB_STATE"
"""Environment variable of every process of a lab: the lab's directory."""

_LISTEN = 'LISTEN_PID=$$; export LISTEN_PID; exec "$@"'


class Process(msgspec.Struct, frozen=True):
    """A process that was started.

    Attributes:
        pid: its pid.
        start: its start time in clock ticks since boot (``/proc/<pid>/stat``, field 22).
        boot: the boot it belongs to.
    """

    pid: int
    start: int
    boot: str

    def alive(self) -> bool:
        """Whether it still runs (a zombie does not)."""
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)
        return self.boot == _boot() and _start_time(self.pid) == self.start

    def signal(self, number: int) -> bool:
        """Send a signal; False where it is gone."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            if not self.alive():
                return False
            signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)
        return True

    def wait(self, limit: float) -> bool:
        """Wait until it is gone, at most `limit` seconds; whether it is."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            # Readable when all threads are gone; until then sockets may still be open, though the first thread is not.
            if self.boot == _boot() and _stat(self.pid)[1] == self.start:
                select.select([handle], [], [], limit)
        finally:
            os.close(handle)
        return not self.alive()


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _start_time(pid: int) -> int | None:
    """Start time of a running process, or None where there is none or only its zombie."""
    state, start = _stat(pid)
    return None if state in ("Z", "X") else start


def _stat(pid: int) -> tuple[str, int | None]:
    """State and start time of a process; X where there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return "X", None
    fields = text.rpartition(")")[2].split()
    return fields[0], int(fields[19])


def spawn(
    argv: Sequence[str],
    log: Path,
    marker: Path,
    environment: Mapping[str, str] | None = None,
    sockets: Sequence[tuple[str, socket.socket]] = (),
) -> Process:
    """Start a program in the calling thread's namespaces, detached, with its output appended to `log`.

    Args:
        argv: program and arguments; the program is an absolute path.
        log: file for standard output and error.
        marker: the lab's directory.
        environment: additions to this process's own.
        sockets: listening sockets to hand over with their names (sd_listen_fds(3)).
    """
    env = {**os.environ, MARK: str(marker), "PYTHONUNBUFFERED": "1", **(environment or {})}
    command = list(argv)
    if sockets:
        env["LISTEN_FDS"] = str(len(sockets))
        env["LISTEN_FDNAMES"] = ":".join(name for name, _ in sockets)
        command = ["/bin/sh", "-c", _LISTEN, "sh", *command]
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    # Sources above every target, so that no dup2 overwrites one that comes later.
    copies = [fcntl.fcntl(sock.fileno(), fcntl.F_DUPFD_CLOEXEC, 3 + len(sockets)) for _, sock in sockets]
    actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, output, 1),
        (os.POSIX_SPAWN_DUP2, output, 2),
        *((os.POSIX_SPAWN_DUP2, fd, 3 + index) for index, fd in enumerate(copies)),
    ]
    try:
        pid = os.posix_spawn(command[0], command, env, file_actions=actions, setsid=True, setsigmask=[])
    finally:
        for fd in (output, *copies):
            os.close(fd)
    return Process(pid, _start_time(pid) or 0, _boot())


def save(path: Path, process: Process) -> None:
    """Write a pid file."""
    path.write_bytes(msgspec.json.encode(process))


def load(path: Path) -> Process | None:
    """The running process of a pid file, or None."""
    try:
        process = msgspec.json.decode(path.read_bytes(), type=Process)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return process if process.alive() else None


def end(path: Path, polite: float) -> None:
    """End the process of a pid file and remove the file; harmless where there is none.

    Args:
        path: the pid file.
        polite: seconds after SIGTERM until SIGKILL; 0 sends SIGKILL at once.
    """
    process = load(path)
    if process is not None:
        gone = polite > 0 and process.signal(signal.SIGTERM) and process.wait(polite)
        if not gone:
            process.signal(signal.SIGKILL)
            process.wait(10)
    path.unlink(missing_ok=True)


def _pids() -> Iterable[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _namespaces(pid: int) -> set[str]:
    found = set()
    for kind in ("net", "mnt"):
        with contextlib.suppress(OSError):
            found.add(str(Path(f"/proc/{pid}/ns/{kind}").readlink()))
    return found


def _is_marked(pid: int, marker: bytes) -> bool:
    try:
        return marker in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


_QUIET, _MOMENT = 3, 0.02
"""How many looks in a row must find nobody, and seconds between them."""


def kill_all(namespaces: set[str], marker: Path | None = None, limit: float = 10) -> None:
    """Kill every process that is in one of `namespaces` or that carries `marker`, and wait until they are gone."""
    word = f"{MARK}={marker}".encode() if marker is not None else None
    deadline = time.monotonic() + limit
    quiet = 0
    while time.monotonic() < deadline:
        victims = [
            Process(pid, start, _boot())
            for pid in _pids()
            if pid != os.getpid()
            and (_namespaces(pid) & namespaces or (word is not None and _is_marked(pid, word)))
            and (start := _start_time(pid)) is not None
        ]
        if not victims:
            # A process in the middle of exec shows no environment, and so no mark, for a moment.
            quiet += 1
            if quiet == _QUIET:
                return
            time.sleep(_MOMENT)
            continue
        quiet = 0
        for victim in victims:
            victim.signal(signal.SIGKILL)
        for victim in victims:
            victim.wait(2)
