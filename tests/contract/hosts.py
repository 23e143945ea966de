"""Hosts to hold to the contract: one in memory, one that is Linux, each with a hand that is not onehop's."""

import os
import subprocess
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

from onehop.kernel import syscall
from onehop.kernel.base import Kernel
from onehop.kernel.linux import LinuxKernel
from onehop.kernel.memory import MemoryKernel
from onehop.objects import Bridge, KernelObject, Link, Namespace, Route, Rule, Ruleset, Vxlan, nftables

T = TypeVar("T")


class Host(Protocol):
    """A kernel, and somebody else who works on it."""

    kernel: Kernel

    def plant(self, found: KernelObject) -> None:
        """Put something there that does not bear our mark: a bridge, namespace, blackhole route, rule or table."""

    def close(self) -> None:
        """Leave nothing behind."""


class MemoryHost:
    def __init__(self) -> None:
        self.kernel = MemoryKernel()

    def plant(self, found: KernelObject) -> None:
        self.kernel.plant(found, foreign=isinstance(found, Route | Rule))

    def close(self) -> None:
        self.kernel.close()


class LinuxHost:
    """A host's namespace without a name and a directory of its own: nothing of the machine's is touched."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="onehop-contract-"))
        self.descriptor = in_new_namespace(lambda: os.open(syscall.OWN_NAMESPACE, os.O_RDONLY | os.O_CLOEXEC))
        self.path = f"/proc/{os.getpid()}/fd/{self.descriptor}"
        self.run("", "ip", "link", "set", "lo", "up")
        self.kernel = LinuxKernel(self.path, str(self.directory))

    def run(self, namespace: str, *command: str, stdin: str | None = None) -> str:
        """What a command prints that runs in a namespace."""
        path = str(self.directory / namespace) if namespace else self.path
        done = subprocess.run(
            ["nsenter", f"--net={path}", *command], check=False, capture_output=True, text=True, input=stdin
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def inside(self, work: Callable[[], T]) -> T:
        """Do something in the host's namespace, in a thread that ends; what it raises is raised here."""

        def run() -> T:
            syscall.setns(self.descriptor)
            return work()

        with ThreadPoolExecutor(max_workers=1) as pool:
            return pool.submit(run).result()

    def plant(self, found: KernelObject) -> None:
        match found:
            case Namespace():
                path = self.directory / found.namespace
                path.touch(mode=0o444)
                in_new_namespace(lambda: syscall.mount(syscall.OWN_NAMESPACE, str(path), syscall.MS_BIND))
            case Link(spec=Bridge()):
                self.run(found.namespace, "ip", "link", "add", found.name, "type", "bridge")
            case Link(spec=Vxlan(vni, local, port)):
                words = ["vxlan", "id", str(vni), "local", local, "dstport", str(port)]
                self.run(found.namespace, "ip", "link", "add", found.name, "mtu", str(found.mtu), "type", *words)
            case Route():
                self.run(found.namespace, "ip", "route", "add", "blackhole", found.destination)
            case Rule():
                words = ["ip", "rule", "add", "priority", str(found.priority), "table", str(found.table)]
                self.run(found.namespace, *words)
            case Ruleset():
                text = f"table {found.family} {found.table} {{\n{nftables.text_of(found)}}}\n"
                self.run(found.namespace, "nft", "-f", "-", stdin=text)
            case _:
                raise NotImplementedError(found.kind)

    def close(self) -> None:
        self.kernel.close()
        unmounted(self.directory)
        for path in sorted(self.directory.iterdir()):
            unmounted(path)
            path.unlink()
        self.directory.rmdir()
        os.close(self.descriptor)


def unmounted(path: Path) -> None:
    """Unmount a path as often as something is mounted there."""
    while any(line.split()[4] == str(path) for line in Path("/proc/self/mountinfo").read_text().splitlines()):
        syscall.unmount(str(path))


def in_new_namespace(work: Callable[[], T]) -> T:
    """Do something in a network namespace of its own, in a thread that ends."""
    results: list[T] = []

    def run() -> None:
        syscall.unshare_network()
        results.append(work())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return results[0]
