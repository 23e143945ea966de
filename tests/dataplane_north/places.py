"""Network namespaces to work in: made without names, entered by threads that end, gone with their descriptors."""

import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from onehop.kernel import syscall
from tests.contract.hosts import unmounted

T = TypeVar("T")


class Place:
    """A namespace, by its descriptor."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    def new(cls) -> "Place":
        """A new one without a name, with its loopback up."""
        place = cls(in_thread(lambda: (syscall.unshare_network(), _own())[1]))
        place.run("ip link set lo up")
        return place

    @property
    def path(self) -> str:
        """Where others may open it while this process lives."""
        return f"/proc/{os.getpid()}/fd/{self.descriptor}"

    def inside(self, work: Callable[[], T]) -> T:
        """Do something in there; sockets that it opens stay in there."""

        def enter() -> T:
            syscall.setns(self.descriptor)
            return work()

        return in_thread(enter)

    def run(self, *lines: str) -> str:
        """Run commands, each a line, in a shell that ends at the first that fails."""
        script = "set -e\n" + "\n".join(lines)
        command = ["nsenter", f"--net={self.path}", "sh", "-c", script]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == 0, f"{script}: {done.stdout} {done.stderr}"
        return done.stdout

    def write(self, settings: Iterable[tuple[str, str]]) -> None:
        """Write settings under /proc/sys/net; those that this kernel does not have are left out."""

        def work() -> None:
            for path, value in settings:
                where = Path("/proc/sys/net") / path
                if where.exists():
                    where.write_text(value)

        self.inside(work)

    def close(self) -> None:
        """Let go of it."""
        os.close(self.descriptor)


class Shelf:
    """A directory in which namespaces are bound by name: a host's ``/run/netns``."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="onehop-north-"))

    def new(self, name: str) -> Place:
        """A new namespace with a name."""
        path = self.path / name
        path.touch(mode=0o444)

        def work() -> int:
            syscall.unshare_network()
            syscall.mount(syscall.OWN_NAMESPACE, str(path), syscall.MS_BIND)
            return _own()

        place = Place(in_thread(work))
        place.run("ip link set lo up")
        return place

    def lend(self, name: str, other: "Shelf") -> None:
        """Bind one of these on another shelf too, unless it is there from before."""
        path = other.path / name
        if not path.exists():
            path.touch(mode=0o444)
            syscall.mount(str(self.path / name), str(path), syscall.MS_BIND)

    def open(self, name: str) -> Place:
        """One that is there; the caller closes it."""
        return Place(os.open(self.path / name, os.O_RDONLY | os.O_CLOEXEC))

    def close(self) -> None:
        """Leave nothing."""
        unmounted(self.path)
        for path in sorted(self.path.iterdir()):
            unmounted(path)
            path.unlink()
        self.path.rmdir()


def _own() -> int:
    return os.open(syscall.OWN_NAMESPACE, os.O_RDONLY | os.O_CLOEXEC)


def in_thread(work: Callable[[], T]) -> T:
    """Do something in a thread that ends; what it raises is raised here."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001  # handed on to the caller
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
