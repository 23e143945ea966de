"""Capabilities: which the agent needs, how it gives the others away, and which a process has (capabilities(7))."""

import ctypes
import os
import struct
from pathlib import Path
from typing import Final

_libc = ctypes.CDLL(None, use_errno=True)

NAMES: Final = {1: "CAP_DAC_OVERRIDE", 11: "CAP_NET_BROADCAST", 12: "CAP_NET_ADMIN", 13: "CAP_NET_RAW",
                16: "CAP_SYS_MODULE", 19: "CAP_SYS_PTRACE", 21: "CAP_SYS_ADMIN", 39: "CAP_BPF"}  # fmt: skip
NEEDED: Final = frozenset({11, 12, 13, 21})
"""Broadcast (to hear of all namespaces on one socket), net admin, net raw, sys admin (to make and enter namespaces)."""

AT_START: Final = frozenset({39})
"""Only to load the short cut's programs; then it goes with the others. Without it flows take the long way."""

_VERSION_3 = 0x20080522
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38


def name(number: int) -> str:
    """``CAP_NET_ADMIN``, or the number of one that has no name here."""
    return NAMES.get(number, f"capability {number}")


def of_process(pid: int) -> frozenset[int]:
    """The effective capabilities of a process.

    Raises:
        OSError: there is none of that id.
    """
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        key, _, value = line.partition(":")
        if key == "CapEff":
            bits = int(value.strip(), 16)
            return frozenset(number for number in range(bits.bit_length()) if bits >> number & 1)
    return frozenset()


def keep(kept: frozenset[int] = NEEDED) -> None:
    """Give away every capability but these, for good: of the calling thread, and of those that it starts.

    To be called before there are other threads. Whoever has none of the others loses nothing.

    Raises:
        OSError: refused.
    """
    have = of_process(os.getpid())
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    for number in range(last + 1):
        # Only who may change it can lower the bound; without the right there is nothing that could come back either.
        if number not in kept and 8 in have:  # CAP_SETPCAP
            _check(_libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0), "prctl")
    left = sum(1 << number for number in have & kept)
    header = struct.pack("=Ii", _VERSION_3, 0)
    low, high = left & 0xFFFFFFFF, left >> 32
    sets = struct.pack("=6I", low, low, 0, high, high, 0)
    _check(_libc.capset(header, sets), "capset")
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")


def _check(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
