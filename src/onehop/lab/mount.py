"""Mounts of the lab: pins of namespaces, and what a host's own mounts begin with.

A pin is a bind mount of a namespace on a file. Pins of network namespaces lie on a shared mount, so that a copy of the
machine's mounts in somebody else's mount namespace loses them with us; pins of mount namespaces must lie on a private
one (the kernel refuses loops otherwise, `mnt_ns_loop` in linux/fs/namespace.c).
"""

import ctypes
import errno
import os
from pathlib import Path

from onehop.errors import KernelError

BIND = 0x1000
REC = 0x4000
PRIVATE = 1 << 18
SLAVE = 1 << 19
SHARED = 1 << 20
_DETACH = 2

SOURCE = "onehop-lab"
"""Source of every mount of ours, as `mount` shows it."""

libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, what: str) -> None:
    """Raise what a call of the C library left in errno.

    Raises:
        KernelError: `result` is not 0.
    """
    if result:
        number = ctypes.get_errno()
        raise KernelError(f"{what}: {os.strerror(number)}", number)


def mount(source: str | None, target: str, kind: str | None, flags: int) -> None:
    """mount(2)."""
    encoded = [text and text.encode() for text in (source, target, kind)]
    check(libc.mount(*encoded, ctypes.c_ulong(flags), None), f"mount {kind or ''} on {target}")


def umount(target: str) -> None:
    """Let go of a mount; one that somebody else took away meanwhile is fine."""
    try:
        check(libc.umount2(target.encode(), _DETACH), f"umount {target}")
    except KernelError as error:
        if error.errno not in (errno.EINVAL, errno.ENOENT):
            raise


def mounts() -> list[tuple[str, str, str]]:
    """(source, mount point, type) of each mount that the calling thread sees."""
    found = []
    for line in Path("/proc/thread-self/mountinfo").read_text(encoding="utf-8").splitlines():
        fields, _, tail = line.partition(" - ")
        kind, source = tail.split(" ")[:2]
        found.append((source, fields.split(" ")[4].replace("\\040", " "), kind))
    return found


def prepare_pins(shared: Path, private: Path) -> None:
    """Make the two directories that pins lie in; harmless when they are there."""
    mounted = {target for _, target, _ in mounts()}
    for path, propagation in ((shared, SHARED), (private, PRIVATE)):
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        if str(path) not in mounted:
            mount(SOURCE, str(path), "tmpfs", 0)
            mount(None, str(path), None, propagation)


def remove_pins(directory: Path) -> None:
    """Let go of every pin in `directory`, and of the directory; harmless when there is none."""
    for _, target, _ in reversed(mounts()):
        if target == str(directory) or target.startswith(f"{directory}/"):
            umount(target)
    if directory.exists():
        directory.rmdir()


def pin(source: str, target: Path) -> None:
    """Bind a namespace to a file."""
    target.touch(mode=0o400, exist_ok=True)
    mount(source, str(target), None, BIND)


def unpin(path: Path) -> None:
    """Let go of a pin and remove its file; harmless where there is none."""
    while is_pin(path):
        umount(str(path))
    path.unlink(missing_ok=True)


def is_pin(path: Path) -> bool:
    """Whether something is bound to a file."""
    try:
        own = path.stat().st_dev
    except OSError:
        return False
    return own != path.parent.stat().st_dev
