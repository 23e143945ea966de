"""Settings under ``/proc/sys``, of the network namespace in which the thread is."""

import os
from collections.abc import Iterable, Iterator

from onehop.errors import KernelError
from onehop.objects.sysctl import Sysctl, link_of

_ROOT = "/proc/sys/"
_LONGEST = 4096


def _path(path: str) -> str:
    parts = path.split("/")
    if parts[0] != "net" or any(part in ("", ".", "..") for part in parts):
        raise KernelError(f"{path[:128]!r} is no setting of a network namespace")
    return _ROOT + path


def read(namespace: str, paths: Iterable[str]) -> Iterator[Sysctl]:
    """The settings that are there; a link's that is gone are not.

    Raises:
        KernelError: one is there and cannot be read.
    """
    for path in paths:
        try:
            descriptor = os.open(_path(path), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise KernelError(f"setting {path} cannot be read: {error.strerror}", error.errno or 0) from error
        try:
            value = os.read(descriptor, _LONGEST).decode(errors="replace").rstrip("\n")
        except OSError as error:
            raise KernelError(f"setting {path} cannot be read: {error.strerror}", error.errno or 0) from error
        finally:
            os.close(descriptor)
        yield Sysctl(namespace=namespace, path=path, value=value, link=link_of(path))


def write(wanted: Sysctl) -> None:
    """Write a setting.

    Raises:
        OSError: refused.
    """
    descriptor = os.open(_path(wanted.path), os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, wanted.value.encode() + b"\n")
    finally:
        os.close(descriptor)
