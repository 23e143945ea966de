"""Network and mount namespaces of the lab: made, pinned inside the lab's directory, entered by threads.

Refuses to enter a namespace in the calling thread: work is done in a thread of its own, which ends afterwards.
"""

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from onehop.errors import KernelError, NotFoundError
from onehop.lab import mount

_T = TypeVar("_T")

_CLONE_FS = 0x200
_CLONE_NEWNS = 0x20000
_CLONE_NEWNET = 0x40000000

NETNS = Path("/run/netns")
"""Where `ip netns` keeps names; private to each lab host."""


class Pins(msgspec.Struct, frozen=True):
    """The files on which a node's namespaces are pinned.

    Attributes:
        net: its network namespace.
        mnt: its mount namespace, or None where it uses the machine's.
    """

    net: Path
    mnt: Path | None = None

    def exist(self) -> bool:
        """Whether both are pinned now."""
        return mount.is_pin(self.net) and (self.mnt is None or mount.is_pin(self.mnt))


def setns(fd: int) -> None:
    """Put the calling thread into the namespace behind `fd`."""
    mount.check(mount.libc.setns(fd, 0), "setns")


def unshare_mounts() -> None:
    """Give the calling thread mounts of its own that follow the machine's, but not the other way round."""
    mount.check(mount.libc.unshare(_CLONE_NEWNS), "unshare mounts")
    mount.mount(None, "/", None, mount.REC | mount.SLAVE)


def mount_sys() -> None:
    """Show the network devices of the thread's network namespace in ``/sys``."""
    mount.mount(mount.SOURCE, "/sys", "sysfs", 0)


def in_thread(work: Callable[[], _T]) -> _T:
    """Run `work` in a thread that ends afterwards, and hand its result or exception on."""
    results: list[_T] = []
    errors: list[BaseException] = []

    def body() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - handed to the caller, whatever it is
            errors.append(error)

    thread = threading.Thread(target=body, daemon=True, name="lab-namespace")
    thread.start()
    try:
        thread.join()
    except KeyboardInterrupt:
        thread.join()  # it is short, and what it makes must be known to whoever cleans up after Ctrl-C
        raise
    if errors:
        raise errors[0]
    return results[0]


def inside(pins: Pins, work: Callable[[], _T], netns: str | None = None) -> _T:
    """Run `work` in a thread inside the namespaces of `pins`.

    Args:
        pins: a node.
        work: called without arguments; processes that it spawns stay inside.
        netns: a name in the node's ``/run/netns``: its network namespace in place of the node's own.

    Raises:
        NotFoundError: the node is not there.
    """

    def body() -> _T:
        enter(pins, netns)
        return work()

    return in_thread(body)


def enter(pins: Pins, netns: str | None = None) -> None:
    """Put the calling thread into the namespaces of `pins` (see `inside`), for good.

    Raises:
        NotFoundError: the node, or `netns` on it, is not there.
    """
    if not pins.exist():
        raise NotFoundError(f"{pins.net.name} is not running")
    net = os.open(pins.net, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if pins.mnt is not None:
            mnt = os.open(pins.mnt, os.O_RDONLY | os.O_CLOEXEC)
            try:
                mount.check(mount.libc.unshare(_CLONE_FS), "unshare working directory")
                setns(mnt)
            finally:
                os.close(mnt)
        if netns is not None:
            os.close(net)
            net = open_netns(netns)
        setns(net)
    finally:
        os.close(net)


def open_netns(name: str) -> int:
    """A file descriptor of ``/run/netns/<name>`` as the calling thread sees it.

    Raises:
        NotFoundError: no such name.
    """
    try:
        return os.open(NETNS / name, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotFoundError(f"there is no network namespace {name} here") from None


def name_netns(name: str, fd: int) -> None:
    """Give a network namespace a name in the calling thread's ``/run/netns``, as ``ip netns attach`` does."""
    path = NETNS / name
    path.touch(mode=0o444, exist_ok=True)
    if not mount.is_pin(path):
        mount.mount(f"/proc/thread-self/fd/{fd}", str(path), None, mount.BIND)


def new_netns(name: str, setup: Callable[[], None]) -> None:
    """Make a network namespace with a name in the calling thread's ``/run/netns``; the thread stays in it.

    Args:
        name: its name.
        setup: called inside, before it has its name.
    """
    mount.check(mount.libc.unshare(_CLONE_NEWNET), "unshare network")
    setup()
    fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        name_netns(name, fd)
    finally:
        os.close(fd)


def remove_netns(name: str) -> None:
    """Take a name out of the calling thread's ``/run/netns``; harmless where it is not there."""
    mount.unpin(NETNS / name)


def create(pins: Pins, setup: Callable[[], None]) -> None:
    """Make a node's namespaces, prepare them by `setup` (called inside), then pin them.

    A node with a mount namespace has the machine's files, but a ``/run/netns`` and ``/sys`` of its own. Where this
    process dies before the pins are there, nothing is left.
    """
    # A mount namespace is pinned only from one that is older by the kernel's numbers (mnt_ns_loop in fs/namespace.c),
    # and Linux 6.18 hands those out to each processor in packs: made on another one, it may count as younger.
    *others, last = (None, *sorted(os.sched_getaffinity(os.getpid())))
    for processor in others:
        try:
            return _create(pins, setup, processor)
        except KernelError as error:
            if error.errno != errno.EINVAL or pins.mnt is None:
                raise
            mount.unpin(pins.net)
    return _create(pins, setup, last)


def _create(pins: Pins, setup: Callable[[], None], processor: int | None) -> None:
    ready, pinned = threading.Event(), threading.Event()
    thread_ids: list[int] = []

    def body() -> None:
        try:
            if processor is not None:
                os.sched_setaffinity(0, {processor})
            mount.check(mount.libc.unshare(_CLONE_NEWNET | (_CLONE_NEWNS if pins.mnt else 0)), "unshare")
            if pins.mnt is not None:
                _private_mounts()
            setup()
            thread_ids.append(threading.get_native_id())
        finally:
            ready.set()
        pinned.wait()

    def fasten() -> None:
        ready.wait()
        try:
            for thread_id in thread_ids:
                mount.pin(f"/proc/self/task/{thread_id}/ns/net", pins.net)
                if pins.mnt is not None:
                    mount.pin(f"/proc/self/task/{thread_id}/ns/mnt", pins.mnt)
        finally:
            pinned.set()

    errors: list[BaseException] = []
    pinner = threading.Thread(target=lambda: _collect(fasten, errors), daemon=True)
    pinner.start()
    in_thread(body)
    pinner.join()
    if errors:
        raise errors[0]


def _collect(work: Callable[[], None], errors: list[BaseException]) -> None:
    try:
        work()
    except BaseException as error:  # noqa: BLE001 - raised again by the caller
        errors.append(error)


def _private_mounts() -> None:
    """Own ``/run/netns`` and ``/sys``; let go of everybody's pins, else they would live as long as this node."""
    mount.mount(None, "/", None, mount.REC | mount.SLAVE)
    for source, target, kind in reversed(mount.mounts()):
        if kind == "nsfs" or source == mount.SOURCE:
            mount.umount(target)
    mount.mount(mount.SOURCE, str(NETNS), "tmpfs", 0)
    mount.mount(None, str(NETNS), None, mount.PRIVATE)
    mount_sys()


def identity(pins: Pins) -> set[str]:
    """The namespaces of a node and of every name in its ``/run/netns``, as ``/proc/<pid>/ns/*`` shows them."""
    if not pins.exist():
        return set()

    def body() -> set[str]:
        enter(pins)
        found = {str(Path("/proc/thread-self/ns/net").readlink())}
        if pins.mnt is not None:
            found.add(str(Path("/proc/thread-self/ns/mnt").readlink()))
            found.update(f"net:[{path.stat().st_ino}]" for path in NETNS.iterdir() if mount.is_pin(path))
        return found

    return in_thread(body)
