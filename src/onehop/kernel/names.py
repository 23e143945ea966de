"""Names of namespaces: files of one directory, on which namespaces are bound. It knows nothing of what is in these.

A file gets its name with our mark in it, which shows only while no namespace is on it. So whoever comes after somebody
who died between the two steps, of making or unmaking, knows whose it is.
"""

import os
from contextlib import suppress
from pathlib import Path

from onehop.errors import KernelError
from onehop.kernel import syscall
from onehop.net.naming import MARK


def entries(directory: Path) -> list[str]:
    """Every name that there is, with a namespace or without.

    Raises:
        KernelError: the directory cannot be read.
    """
    try:
        return sorted(os.listdir(directory))  # noqa: PTH208  # names only: there are many, and often
    except FileNotFoundError:
        return []
    except OSError as error:
        raise KernelError(f"{directory} cannot be read: {error.strerror}", error.errno or 0) from error


def reserve(directory: Path, name: str) -> Path:
    """Make the file on which a namespace can be bound; one without a namespace that is there is taken over.

    Raises:
        OSError: refused.
    """
    path = directory / name
    if not directory.is_dir():
        directory.mkdir(mode=0o755, parents=True)
    _share(str(directory))
    descriptor = os.open(directory, os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC, 0o444)
    try:
        os.write(descriptor, MARK.encode())
        with suppress(FileExistsError):
            # Only with some directory's descriptor does Python have the kernel follow the link.
            os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=descriptor, follow_symlinks=True)
    finally:
        os.close(descriptor)
    return path


def tidy(directory: Path) -> list[str]:
    """Remove the names of ours that have no namespace; returns them.

    Raises:
        KernelError: the directory cannot be read.
        OSError: a name cannot be removed.
    """
    gone = []
    for name in entries(directory):
        if _is_ours(directory / name, directory.stat().st_dev):
            (directory / name).unlink(missing_ok=True)
            gone.append(name)
    return gone


def _is_ours(path: Path, device: int) -> bool:
    """Whether a file is a name of ours; what a namespace is bound on is no file of the directory's own `device`."""
    try:
        return path.stat().st_dev == device and path.is_file() and path.read_bytes() == MARK.encode()
    except (FileNotFoundError, PermissionError):
        return False  # gone meanwhile; or one of iproute2, which lets nobody read it


def _share(directory: str) -> None:
    """Let mounts in the directory be seen by every mount namespace that sees it, as iproute2 does."""
    try:
        # Not those below it as well, which came to be shared when they were bound: there is one for each router.
        syscall.mount("", directory, syscall.MS_SHARED)
    except OSError:
        syscall.mount(directory, directory, syscall.MS_BIND | syscall.MS_REC)
        syscall.mount("", directory, syscall.MS_SHARED | syscall.MS_REC)
