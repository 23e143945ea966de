"""What a daemon needs of its machine: files written whole, sockets, a word to systemd, tasks that end as one."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Coroutine
from pathlib import Path
from typing import Any


def write_whole(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file so that a crash or power failure leaves the old or the new content, never a part.

    Raises:
        OSError: it could not be written (a full disk); the old file is untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make names that were added to, or taken from, a directory survive a power failure."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def handed_in() -> dict[str, socket.socket]:
    """Listening sockets that systemd or the lab handed in (sd_listen_fds(3)), by name; the environment is cleared."""
    count = os.environ.pop("LISTEN_FDS", "")
    names = os.environ.pop("LISTEN_FDNAMES", "").split(":")
    owner = os.environ.pop("LISTEN_PID", "")
    if not count.isdigit() or (owner and owner != str(os.getpid())):
        return {}
    found: dict[str, socket.socket] = {}
    for index in range(int(count)):
        descriptor = 3 + index
        os.set_inheritable(descriptor, False)
        name = names[index] if index < len(names) and names[index] else str(index)
        found[name] = socket.socket(fileno=descriptor)
    return found


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket.

    Raises:
        OSError: the address is taken or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=1024)
    # Inherited by what it accepts. asyncio sets it only where it can tell that a socket is TCP, which it cannot here;
    # without it an answer of two writes waits for the client's delayed acknowledgement: 40 ms for each request.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def notify(message: str) -> None:
    """Tell systemd something (sd_notify(3)); without systemd nothing happens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender, contextlib.suppress(OSError):
        sender.sendto(message.encode(), address)


async def until_one_ends(*work: Coroutine[Any, Any, None]) -> None:
    """Run several things beside each other until one of them returns or fails; the others are cancelled then.

    Raises:
        Exception: what the first one that failed raised, as it is.
    """
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
