"""A place of its own for a measurement that touches a kernel: private network and mount namespaces.

Whatever is made there ends with the process. The machine's own interfaces, firewall and settings are never touched.
"""

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

RUN = Path("/run/netns")
_INSIDE = "ONEHOP_BENCH_INSIDE"
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
        return
    unshare = shutil.which("unshare")
    if unshare is None:
        sys.exit("unshare is missing: install util-linux.")
    os.environ[_INSIDE] = module
    words = [unshare, "--net", "--mount", "--propagation", "private", sys.executable, "-m", module, *sys.argv[1:]]
    os.execv(unshare, words)  # noqa: S606 - fixed words of ours, no shell


def mount(source: str, target: Path, kind: str, flags: int = 0) -> None:
    """mount(2).

    Raises:
        OSError: the kernel refused.
    """
    if _libc.mount(source.encode(), str(target).encode(), kind.encode(), flags, None):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(target))
