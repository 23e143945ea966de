"""A place of its own for a measurement that touches a kernel: private network and mount namespaces.

Whatever is made there ends with the process. The machine's own interfaces, firewall and settings are never touched.
"""

import ctypes
import functools
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

RUN = Path("/run/netns")
_INSIDE = "ONEHOP_BENCH_INSIDE"
_LONGEST = 120
_libc = ctypes.CDLL(None, use_errno=True)


def enter(module: str) -> None:
    """Start this process over inside new namespaces with an empty ``/run/netns``; return where that was done already.

    Args:
        module: dotted name to run again, such as ``benchmarks.realise``.
    """
    if os.geteuid() != 0:
        sys.exit(f"{module} makes network namespaces and so needs root: run it with sudo.")
    if os.environ.get(_INSIDE) == module:
        RUN.mkdir(parents=True, exist_ok=True)
        mount("tmpfs", RUN, "tmpfs")
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        wait_for_the_dead()
        return
    unshare = shutil.which("unshare")
    if unshare is None:
        sys.exit("unshare is missing: install util-linux.")
    os.environ[_INSIDE] = module
    words = [unshare, "--net", "--mount", "--propagation", "private", sys.executable, "-m", module, *sys.argv[1:]]
    os.execv(unshare, words)  # noqa: S606 - fixed words of ours, no shell


def wait_for_the_dead() -> None:
    """Wait until the kernel has taken apart the namespaces that were given up before, here or in an earlier run.

    It does so in the background, holding the lock that every change of a link needs: whoever builds meanwhile spins on
    it, and the time is counted as theirs. The dead are buried in order, so one more of them is a mark in the queue; a
    pair of links shows when its turn has come.
    """
    run = functools.partial(subprocess.run, check=True)
    run(["ip", "netns", "add", "last"])
    run(["ip", "link", "add", "last0", "type", "veth", "peer", "name", "last1", "netns", "last"])
    run(["ip", "netns", "delete", "last"])
    deadline = time.monotonic() + _LONGEST
    while Path("/proc/self/net/dev").read_text().find("last0:") >= 0:
        if time.monotonic() > deadline:
            sys.exit(f"namespaces of an earlier run are still being taken apart after {_LONGEST} s: try again.")
        select.select([], [], [], 0.02)


def mount(source: str, target: Path, kind: str, flags: int = 0) -> None:
    """mount(2).

    Raises:
        OSError: the kernel refused.
    """
    if _libc.mount(source.encode(), str(target).encode(), kind.encode(), flags, None):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(target))
