"""Instructions of eBPF, as the kernel takes them: as many as our programs use. No I/O.

An instruction is eight octets: opcode, two registers, an offset, an immediate value (Documentation/bpf/standardization/
instruction-set.rst). Jumps name labels here; their distances are worked out when the code is put together. Maps are
named, too: the loader puts their descriptors in (`Code.assembled`).
"""

from collections.abc import Mapping
from struct import pack
from typing import NamedTuple

R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, FP = range(11)
"""Registers: R0 returns, R1 to R5 are arguments and lost by calls, R6 to R9 stay, FP is the end of the stack."""

BYTE, HALF, WORD, DOUBLE = 1, 2, 4, 8
"""Sizes of loads and stores, in octets."""

_SIZE = {BYTE: 0x10, HALF: 0x08, WORD: 0x00, DOUBLE: 0x18}
_ALU = {
    "add": 0x00,
    "sub": 0x10,
    "or": 0x40,
    "and": 0x50,
    "lsh": 0x60,
    "rsh": 0x70,
    "xor": 0xA0,
    "mov": 0xB0,
    "mul": 0x20,
}
_JUMP = {"==": 0x10, ">": 0x20, ">=": 0x30, "&": 0x40, "!=": 0x50, "<": 0xA0, "<=": 0xB0}
_LOAD, _STORE_VALUE, _STORE, _ALU32, _JUMP_OP, _ALU64 = 0x61, 0x62, 0x63, 0x04, 0x05, 0x07
_REGISTER = 0x08
_PSEUDO_MAP, _PSEUDO_MAP_VALUE = 1, 2


class _Line(NamedTuple):
    opcode: int
    target: int = 0
    source: int = 0
    offset: int = 0
    value: int = 0
    label: str = ""
    map: str = ""


class Code:
    """A program in the making; each method adds to its end."""

    def __init__(self) -> None:
        self._lines: list[_Line] = []
        self._labels: dict[str, int] = {}

    def label(self, name: str) -> None:
        """Name the place that follows, by a name of its own."""
        self._labels[name] = len(self._lines)

    def load(self, size: int, target: int, source: int, offset: int) -> None:
        """``target = *(source + offset)``."""
        self._lines.append(_Line(_LOAD | _SIZE[size], target, source, offset))

    def store(self, size: int, target: int, offset: int, source: int) -> None:
        """``*(target + offset) = source``."""
        self._lines.append(_Line(_STORE | _SIZE[size], target, source, offset))

    def store_value(self, size: int, target: int, offset: int, value: int) -> None:
        """``*(target + offset) = value``."""
        self._lines.append(_Line(_STORE_VALUE | _SIZE[size], target, 0, offset, value))

    def value(self, what: str, target: int, value: int) -> None:
        """``target = target <what> value``, 64 bits; value is signed and of 32."""
        self._lines.append(_Line(_ALU64 | _ALU[what], target, 0, 0, value))

    def register(self, what: str, target: int, source: int) -> None:
        """``target = target <what> source``, 64 bits."""
        self._lines.append(_Line(_ALU64 | _REGISTER | _ALU[what], target, source))

    def low(self, target: int) -> None:
        """Keep the lower 32 bits of a register."""
        self._lines.append(_Line(_ALU32 | _REGISTER | _ALU["mov"], target, target))

    def map(self, target: int, name: str) -> None:
        """``target =`` the map of that name."""
        self._lines.append(_Line(0x18, target, _PSEUDO_MAP, map=name))
        self._lines.append(_Line(0x00))

    def cell(self, target: int, name: str) -> None:
        """``target =`` the address of an array's first value."""
        self._lines.append(_Line(0x18, target, _PSEUDO_MAP_VALUE, map=name))
        self._lines.append(_Line(0x00))

    def jump(self, label: str) -> None:
        """Go on at a label, which lies ahead."""
        self._lines.append(_Line(_JUMP_OP, label=label))

    def when(self, left: int, what: str, value: int, label: str) -> None:
        """Go on at a label where ``left <what> value``; both are taken as unsigned."""
        self._lines.append(_Line(_JUMP_OP | _JUMP[what], left, 0, 0, value, label))

    def whenever(self, left: int, what: str, right: int, label: str) -> None:
        """Go on at a label where ``left <what> right``, two registers."""
        self._lines.append(_Line(_JUMP_OP | _REGISTER | _JUMP[what], left, right, 0, 0, label))

    def call(self, helper: int) -> None:
        """Call a helper of the kernel by its number (enum bpf_func_id)."""
        self._lines.append(_Line(0x85, 0, 0, 0, helper))

    def end(self, value: int) -> None:
        """Return a number."""
        self.value("mov", R0, value)
        self.leave()

    def leave(self) -> None:
        """Return what is in R0."""
        self._lines.append(_Line(0x95))

    def assembled(self, maps: Mapping[str, int]) -> bytes:
        """The octets, with descriptors for the maps' names."""
        parts = []
        for place, line in enumerate(self._lines):
            offset = self._labels[line.label] - place - 1 if line.label else line.offset
            value = maps[line.map] if line.map else line.value
            registers = line.source << 4 | line.target
            parts.append(pack("=BBhI", line.opcode, registers, offset, value & 0xFFFFFFFF))
        return b"".join(parts)
