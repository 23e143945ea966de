"""A process that is killed after its n-th request to Linux, by nothing but itself: SIGKILL, as the OOM killer sends it.

It is told when to die by Python's own profiling hook, so that what runs is the product as it is. A request is what may
change the kernel: a netlink send (of which the kernel carries out all, or a transaction), an nftables transaction, a
setting written, a namespace made, bound or unbound, a tap device made.
"""

import multiprocessing
import os
import signal
import socket
import threading
from multiprocessing.connection import Connection
from types import FrameType

from onehop.agent.engine import Engine
from onehop.compiler.state import Local
from onehop.kernel.linux import LinuxKernel
from onehop.model.locality import changed_between
from onehop.model.topology import Topology
from tests.unit.agent.bench import HOST

NEVER = 1 << 30

_ASKING = frozenset({"_ask", "_dump"})
"""Who sends questions only."""

_CALLS = frozenset({"unshare_network", "mount", "unmount"})
"""System calls that change something, as functions of `onehop.kernel.syscall`."""


class Fuse:
    """Kills its process once so many requests were carried out; call it from a profiling hook."""

    def __init__(self, survives: int) -> None:
        self.requests = 0
        self._survives = survives

    def __call__(self, frame: FrameType, event: str, about: object) -> None:
        if _is_request(frame, event, about):
            self.requests += 1
            if self.requests > self._survives:
                os.kill(os.getpid(), signal.SIGKILL)


def _is_request(frame: FrameType, event: str, about: object) -> bool:
    """Whether a request has just been carried out."""
    code = frame.f_code
    if event == "c_return":
        name = getattr(about, "__name__", "")
        if name == "send":
            sender = getattr(about, "__self__", None)
            netlink = isinstance(sender, socket.socket) and sender.family == socket.AF_NETLINK
            caller = frame.f_back
            return netlink and caller is not None and caller.f_code.co_name not in _ASKING
        if name in ("write", "unlink"):
            return code.co_filename.endswith(("/kernel/setting.py", "/pathlib.py"))
        return name == "ioctl" and code.co_filename.endswith("/kernel/tap.py")
    if event == "return":
        file = code.co_filename
        return (code.co_name in _CALLS and file.endswith("/kernel/syscall.py")) or (
            code.co_name == "run" and file.endswith("/kernel/nft.py")
        )
    return False


def live(
    host: str,
    directory: str,
    before: tuple[Topology, Local],
    after: tuple[Topology, Local],
    survives: int,
    answer: Connection,
) -> None:
    """Be an agent that starts while nothing is to be done, learns of a change, and dies of it; else say the count."""
    fuse = Fuse(survives)
    armed = threading.Event()

    def hook(frame: FrameType, event: str, about: object) -> None:
        if armed.is_set():
            fuse(frame, event, about)

    threading.setprofile(hook)
    kernel = LinuxKernel(host, directory)
    view, local = before
    engine = Engine(kernel, HOST, local, lambda: 1000.0)
    engine.confirm(True)
    engine.see(view, changed_between(Topology(), view), confirmed=True)
    while not engine.idle:
        engine.run()
    armed.set()
    if after[1] != local:
        engine.equip(after[1])
    engine.see(after[0], changed_between(view, after[0]), confirmed=True)
    while not engine.idle:
        engine.run()
    armed.clear()
    answer.send(fuse.requests)
    kernel.close()


CONTEXT = multiprocessing.get_context("forkserver")
"""Victims are forked from a process without threads, that has imported everything."""

CONTEXT.set_forkserver_preload([__name__, "pytest"])


def let_live(
    host: str, directory: str, before: tuple[Topology, Local], after: tuple[Topology, Local], survives: int = NEVER
) -> int:
    """Have a victim live; the number of requests that it made, or how it ended before: -9."""
    answer, told = CONTEXT.Pipe(duplex=False)
    victim = CONTEXT.Process(target=live, args=(host, directory, before, after, survives, told))
    victim.start()
    told.close()
    victim.join(60)
    if victim.exitcode is None:
        victim.kill()
        victim.join()
        raise AssertionError("the victim did not end within a minute")
    code = victim.exitcode
    victim.close()
    with answer:
        return int(answer.recv()) if code == 0 else code
