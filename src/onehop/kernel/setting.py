"""Settings under ``/proc/sys``, of the network namespace in which the thread is."""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from onehop.errors import KernelError
from onehop.objects.sysctl import Sysctl, link_of

_ROOT = "/proc/sys/"
_LONGEST = 4096
_SHALLOW = 2


def _parts(path: str) -> tuple[str, str]:
    """A directory that many settings share (``net/ipv4``), and the path below it."""
    parts = path.split("/")
    if len(parts) <= _SHALLOW or parts[0] != "net" or any(part in ("", ".", "..") for part in parts):
        raise KernelError(f"{path[:128]!r} is no setting of a network namespace")
    return "/".join(parts[:_SHALLOW]), "/".join(parts[_SHALLOW:])


@contextmanager
def _directory(path: str) -> Iterator[int | None]:
    """The directory, or None where there is none.

    Each namespace has its own ``net/ipv4``, but all of them hang below one ``net`` under one name, and to find ours the
    kernel goes through those of all routers. So it is looked for once for many settings, not once for each.
    """
    try:
        descriptor = os.open(_ROOT + path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    except OSError as error:
        raise KernelError(f"settings {path} cannot be read: {error.strerror}", error.errno or 0) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def read(namespace: str, paths: Iterable[str]) -> Iterator[Sysctl]:
    """The settings that are there; a link's that is gone are not.

    Raises:
        KernelError: one is there and cannot be read.
    """
    folders: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for path in paths:
        folder, rest = _parts(path)
        folders[folder].append((path, rest))
    for folder, members in folders.items():
        with _directory(folder) as at:
            for path, rest in members if at is not None else ():
                value = _read(path, rest, at)
                if value is not None:
                    yield Sysctl(namespace=namespace, path=path, value=value, link=link_of(path))


def _read(path: str, rest: str, directory: int | None) -> str | None:
    try:
        descriptor = os.open(rest, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KernelError(f"setting {path} cannot be read: {error.strerror}", error.errno or 0) from error
    try:
        return os.read(descriptor, _LONGEST).decode(errors="replace").rstrip("\n")
    except OSError as error:
        raise KernelError(f"setting {path} cannot be read: {error.strerror}", error.errno or 0) from error
    finally:
        os.close(descriptor)


def write(wanted: Sysctl) -> None:
    """Write a setting.

    Raises:
        OSError: refused.
    """
    descriptor = os.open(_ROOT + "/".join(_parts(wanted.path)), os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, wanted.value.encode() + b"\n")
    finally:
        os.close(descriptor)
