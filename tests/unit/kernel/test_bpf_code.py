"""Instructions are laid out as the kernel's document of the instruction set says."""

from struct import iter_unpack

from onehop.kernel.bpf_code import BYTE, DOUBLE, FP, HALF, R0, R1, R2, R6, WORD, Code
from onehop.kernel.shortcut.enter import enter
from onehop.kernel.shortcut.layout import COUNTS, DEVICES, FLOWS, INSIDE, OUTSIDE, SLOTS, STATE
from onehop.kernel.shortcut.leave import leave

MAPS = {COUNTS: 11, DEVICES: 12, FLOWS: 13, SLOTS: 14, STATE: 15}
MOST = 4096
"""Instructions that the kernel takes of a program whose loader may not load larger ones (BPF_MAXINSNS)."""


def words(code: Code, maps: dict[str, int] | None = None) -> list[tuple[int, int, int, int]]:
    return list(iter_unpack("=BBhi", code.assembled(maps or {})))


def test_loads_stores_and_arithmetic() -> None:
    code = Code()
    code.load(WORD, R0, R1, 76)
    code.load(DOUBLE, R2, FP, -8)
    code.store(HALF, FP, -16, R2)
    code.store_value(BYTE, R6, 4, 7)
    code.value("add", R2, -1)
    code.register("xor", R0, R6)
    code.low(R0)
    assert words(code) == [
        (0x61, 0x10, 76, 0),
        (0x79, 0xA2, -8, 0),
        (0x6B, 0x2A, -16, 0),
        (0x72, 0x06, 4, 7),
        (0x07, 0x02, 0, -1),
        (0xAF, 0x60, 0, 0),
        (0xBC, 0x00, 0, 0),
    ]


def test_jumps_count_from_the_instruction_behind_them() -> None:
    code = Code()
    code.when(R0, "==", 5, "end")
    code.whenever(R0, ">", R1, "end")
    code.jump("end")
    code.call(12)
    code.label("end")
    code.end(-1)
    assert words(code) == [
        (0x15, 0x00, 3, 5),
        (0x2D, 0x10, 2, 0),
        (0x05, 0x00, 1, 0),
        (0x85, 0x00, 0, 12),
        (0xB7, 0x00, 0, -1),
        (0x95, 0x00, 0, 0),
    ]


def test_maps_are_named_until_they_have_a_descriptor() -> None:
    code = Code()
    code.map(R1, FLOWS)
    code.cell(R2, STATE)
    assert words(code, MAPS) == [(0x18, 0x11, 0, 13), (0, 0, 0, 0), (0x18, 0x22, 0, 15), (0, 0, 0, 0)]


def test_the_programs_are_short_and_jump_forwards_only() -> None:
    for code in (enter(INSIDE, 12), enter(OUTSIDE, 12), leave(INSIDE), leave(OUTSIDE)):
        found = words(code, MAPS)
        assert len(found) < MOST / 8
        assert found[-1][0] == 0x95
        jumps = [
            (at, offset)
            for at, (opcode, _, offset, _) in enumerate(found)
            if opcode & 7 == 5 and opcode not in (0x85, 0x95)
        ]
        assert jumps
        assert all(0 <= offset < len(found) - at for at, offset in jumps)
