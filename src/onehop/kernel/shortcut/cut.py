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
    LEG,
    OUTSIDE,
    PLACE,
    SLOT,
    SLOTS,
    STATE,
    TRANSIT,
)
from onehop.kernel.shortcut.leave import leave
from onehop.log import logger
from onehop.objects.way import Shortened, Side, Way

LOG = logger("kernel")
MOST_FLOWS = 32768
"""Flows remembered at a time, some 150 octets of the kernel's memory each; those not used for longest make room."""
MOST_DEVICES = 8192
_MOST_BITS = 12
_POSSIBLE = Path("/sys/devices/system/cpu/possible")
_NO_LINK = 0x7FFF_FFFF
"""An index that no link has: the kernel gives them out one after another."""
_LICENCE = "Apache-2.0"
_NO_MAC = "00:00:00:00:00:00"


class Device(NamedTuple):
    """A link between which and others packets are sent the short way.

    Attributes:
        ifindex: the link's, in its namespace.
        way: what it is.
        tcp: TCP may go the short way, too.
    """

    ifindex: int
    way: Way
    tcp: bool

    def same_link(self, other: "Device") -> bool:
        """Whether both are one link, by the same programs."""
        return (self.ifindex, self.way.side) == (other.ifindex, other.way.side)

    @property
    def key(self) -> bytes:
        """By which the programs find it."""
        return pack("=I", self.ifindex) + _octets(self.way.transit or _NO_MAC) + bytes(2)

    @property
    def facts(self) -> bytes:
        """What the programs know of it."""
        return _octets(self.way.mac) + pack("=HII", min(self.way.mtu, 0xFFFF), self.tcp, self.way.realm)


def _octets(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


class Shortcut:
    """One host's. `bind` is for a thread in the link's namespace, `forget` and `counts` for any."""

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
            (bpf.HASH, DEVICES, PLACE, DEVICE, MOST_DEVICES),
        )
        return {name: self._kept(bpf.make_map(kind, f"oh_{name}", *sizes)) for kind, name, *sizes in wanted}

    def _load(self) -> dict[Side, tuple[tuple[int, int], ...]]:
        """Hooks and programs, by what a link is."""
        into, out = bpf.TCX_INGRESS, bpf.TCX_EGRESS
        codes = {
            Side.TAP: ((out, "oh_leave", leave(INSIDE)), (into, "oh_enter", enter(INSIDE, self._bits))),
            Side.EXTERNAL: ((out, "oh_enter_out", enter(OUTSIDE, self._bits)), (into, "oh_leave_out", leave(OUTSIDE))),
            Side.TRANSIT: ((into, "oh_enter_qt", enter(TRANSIT, self._bits)),),
            Side.LEG: ((out, "oh_leave_qr", leave(LEG)),),
        }
        return {
            side: tuple(
                (hook, self._kept(bpf.load_program(name, code.assembled(self._maps), _LICENCE)))
                for hook, name, code in found
            )
            for side, found in codes.items()
        }

    def _try_hook(self) -> None:
        """Can programs be bound to links at all? Then the kernel says of one that cannot be that it is not there."""
        try:
            hook, program = self._programs[Side.TRANSIT][0]
            os.close(bpf.attach(program, _NO_LINK, hook))
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
        try:
            bpf.put(self._maps[DEVICES], device.key, device.facts)
            # One by one: those that are bound when another fails are let go.
            for hook, program in self._programs[device.way.side]:
                hooks.append(bpf.attach(program, device.ifindex, hook))
        except OSError as error:
            for hook in hooks:
                os.close(hook)
            raise KernelError(f"no short cut on link {device.ifindex}: {error.strerror}", error.errno or 0) from error
        self._bound[device] = hooks

    def holds(self, device: Device) -> bool:
        """Whether a link that was bound is there still, and not another that has its index.

        Raises:
            OSError: the kernel does not say.
        """
        hooks = self._bound.get(device, [])
        return bool(hooks) and all(bpf.bound_to(hook) == device.ifindex for hook in hooks)

    def alter(self, before: Device, device: Device) -> None:
        """What is known of a bound link is different now; its index and side are not.

        Raises:
            OSError: refused; then it is as before.
        """
        bpf.put(self._maps[DEVICES], device.key, device.facts)
        self._bound[device] = self._bound.pop(before)
        if device.key != before.key:
            with suppress(FileNotFoundError):
                bpf.take(self._maps[DEVICES], before.key)
        self.forget()

    def unbind(self, device: Device) -> None:
        """Let packets of a link go the long way; also of one that is gone, and of one that never had it."""
        for hook in self._bound.pop(device, []):
            os.close(hook)
        if all(other.key != device.key for other in self._bound):
            with suppress(FileNotFoundError):
                bpf.take(self._maps[DEVICES], device.key)
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
