"""The short cut: flows that the rules let through pass by the rules, until anything changes.

It remembers, it never decides: the first packet of a flow goes through bridge, router, connection tracking and rules,
and what came of it is done to the packets that follow (`onehop.kernel.shortcut.enter`). Once a second one of them goes
the long way again, so that connection tracking knows of the flow; `forget` makes all of them do so at once. TCP that
begins or ends, errors, fragments and all that is not IPv4 always take the long way.

Nothing of it is declared or compared: descriptors hold it, and the kernel takes it away when the process ends, however
it ends; then everything takes the long way.
"""

import errno
import os
import sys
import threading
from contextlib import suppress
from itertools import chain
from pathlib import Path
from struct import iter_unpack, pack
from typing import NamedTuple

from onehop.errors import KernelError
from onehop.kernel import bpf
from onehop.kernel.shortcut.enter import enter
from onehop.kernel.shortcut.layout import (
    COUNTED,
    COUNTS,
    DEVICE,
    DEVICES,
    FLOW,
    FLOWS,
    INSIDE,
    KEY,
    LAST_SLOT,
    OUTSIDE,
    SLOT,
    SLOTS,
    STATE,
)
from onehop.kernel.shortcut.leave import leave
from onehop.log import logger
from onehop.objects.way import Shortened

LOG = logger("kernel")
MOST_FLOWS = 32768
"""Flows remembered at a time, some 150 octets of the kernel's memory each; those not used for longest make room."""
MOST_DEVICES = 4096
_MOST_BITS = 12
_POSSIBLE = Path("/sys/devices/system/cpu/possible")
_NO_LINK = 0x7FFF_FFFF
"""An index that no link has: the kernel gives them out one after another."""
_LICENCE = "Apache-2.0"


class Device(NamedTuple):
    """A link of the host's namespace between which packets are sent the short way.

    Attributes:
        ifindex: the link's.
        mac: of the instance's port for a tap; of the router's external leg for its port of the provider bridge.
        mtu: the largest IPv4 packet that may go out by it.
        outside: it is the port of a provider bridge.
        tcp: TCP may go the short way, too.
    """

    ifindex: int
    mac: str
    mtu: int
    outside: bool
    tcp: bool


class Shortcut:
    """One host's. `bind` is for a thread in the host's namespace, `forget` and `counts` for any."""

    def __init__(self) -> None:
        """Make its maps and programs; no link has it yet.

        Raises:
            KernelError: the kernel cannot or may not; says why.
        """
        self._descriptors: list[int] = []
        self._bound: dict[Device, list[int]] = {}
        self._epoch = 0
        self._turn = threading.Lock()
        try:
            self._cpus = _possible_cpus()
            self._maps = self._make_maps()
            self._programs = self._load()
            self._try_hook()
            self.forget()
        except OSError as error:
            self.close()
            raise KernelError(f"no short cut for established flows: {error.strerror}", error.errno or 0) from error

    def _make_maps(self) -> dict[str, int]:
        if sys.byteorder != "little":
            raise OSError(0, "it is written for little-endian machines")
        self._bits = min(_MOST_BITS, (LAST_SLOT // self._cpus).bit_length() - 1)
        wanted = (
            (bpf.ARRAY, STATE, 4, 8, 1),
            (bpf.PERCPU_ARRAY, COUNTS, 4, COUNTED, 1),
            (bpf.ARRAY, SLOTS, 4, SLOT, self._cpus << self._bits),
            (bpf.LRU_HASH, FLOWS, KEY, FLOW, MOST_FLOWS),
            (bpf.HASH, DEVICES, 4, DEVICE, MOST_DEVICES),
        )
        return {name: self._kept(bpf.make_map(kind, f"oh_{name}", *sizes)) for kind, name, *sizes in wanted}

    def _load(self) -> dict[tuple[bool, int], int]:
        """Programs, by whether the link is outside and the hook."""
        codes = {
            (False, bpf.TCX_INGRESS): ("oh_enter", enter(INSIDE, self._bits)),
            (False, bpf.TCX_EGRESS): ("oh_leave", leave(INSIDE)),
            (True, bpf.TCX_EGRESS): ("oh_enter_out", enter(OUTSIDE, self._bits)),
            (True, bpf.TCX_INGRESS): ("oh_leave_out", leave(OUTSIDE)),
        }
        return {
            where: self._kept(bpf.load_program(name, code.assembled(self._maps), _LICENCE))
            for where, (name, code) in codes.items()
        }

    def _try_hook(self) -> None:
        """Can programs be bound to links at all? Then the kernel says of one that cannot be that it is not there."""
        try:
            os.close(bpf.attach(self._programs[False, bpf.TCX_INGRESS], _NO_LINK, bpf.TCX_INGRESS))
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise OSError(error.errno, "links take no programs (tcx): use Linux 6.6 or later") from error

    def _kept(self, descriptor: int) -> int:
        self._descriptors.append(descriptor)
        return descriptor

    @property
    def devices(self) -> frozenset[Device]:
        """The links that have it."""
        return frozenset(self._bound)

    def bind(self, device: Device) -> None:
        """Let packets of a link go the short way. Takes some 25 ms, in which the kernel waits for its readers.

        Raises:
            KernelError: the link is gone, or the kernel refuses.
        """
        hooks: list[int] = []
        mac = bytes.fromhex(device.mac.replace(":", ""))
        try:
            key = pack("=I", device.ifindex)
            bpf.put(self._maps[DEVICES], key, mac + pack("=HI", min(device.mtu, 0xFFFF), device.tcp))
            # One by one: those that are bound when another fails are let go.
            hooks.append(self._attached(device, bpf.TCX_EGRESS))
            hooks.append(self._attached(device, bpf.TCX_INGRESS))
        except OSError as error:
            for hook in hooks:
                os.close(hook)
            raise KernelError(f"no short cut on link {device.ifindex}: {error.strerror}", error.errno or 0) from error
        self._bound[device] = hooks

    def _attached(self, device: Device, where: int) -> int:
        return bpf.attach(self._programs[device.outside, where], device.ifindex, where)

    def unbind(self, device: Device) -> None:
        """Let packets of a link go the long way; also of one that is gone, and of one that never had it."""
        for hook in self._bound.pop(device, []):
            os.close(hook)
        if all(other.ifindex != device.ifindex for other in self._bound):
            with suppress(FileNotFoundError):
                bpf.take(self._maps[DEVICES], pack("=I", device.ifindex))
        self.forget()

    def forget(self) -> None:
        """Send every flow the long way once: something changed. What went in before this does not teach any more."""
        # Of two threads at a time each has an epoch of its own, and none is put back.
        with self._turn:
            if self._descriptors:
                self._epoch += 1
                bpf.put(self._maps[STATE], pack("=I", 0), pack("=Q", self._epoch))

    def epoch(self) -> int:
        """The epoch that flows must be of, as the kernel holds it."""
        return int.from_bytes(bpf.get(self._maps[STATE], pack("=I", 0), 8), sys.byteorder)

    def counts(self) -> Shortened:
        """What went which way; nothing once it is closed."""
        with self._turn:
            if not self._descriptors:
                return Shortened(0, 0, 0)
            values = bpf.get(self._maps[COUNTS], pack("=I", 0), COUNTED * self._cpus)
        return Shortened(*(sum(column) for column in zip(*iter_unpack("=3Q", values), strict=True)))

    def close(self) -> None:
        """Everything goes the long way; nothing is left. Whoever forgets or counts afterwards does no harm."""
        for hook in chain.from_iterable(self._bound.values()):
            os.close(hook)
        self._bound = {}
        with self._turn:
            for descriptor in reversed(self._descriptors):
                os.close(descriptor)
            self._descriptors = []


def open_shortcut() -> Shortcut | None:
    """A short cut, or None where the kernel has none or we may not: then that is logged, and all goes the long way."""
    try:
        return Shortcut()
    except KernelError as error:
        LOG.warning("established flows take the long way, which is slower", why=str(error))
        return None


def _possible_cpus() -> int:
    """How many CPUs the kernel keeps values for, also those that are off (``0-3`` or ``0,2-3``)."""
    text = _POSSIBLE.read_text(encoding="ascii").strip()
    return max(int(part.rpartition("-")[2]) for part in text.split(",")) + 1
