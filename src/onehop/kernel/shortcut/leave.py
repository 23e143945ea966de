"""The program where packets go out: what became of one is learnt for its flow (`onehop.kernel.shortcut.enter`)."""

from itertools import count

from onehop.kernel.bpf_code import BYTE, DOUBLE, FP, HALF, R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, WORD, Code
from onehop.kernel.shortcut.layout import (
    COMES_FROM,
    CSUM_DIFF,
    DADDR,
    DEAD,
    DEVICES,
    EPOCH,
    F_ADDRESSES,
    F_CHANGED,
    F_DADDR,
    F_DEAD,
    F_EPOCH,
    F_FLAGS,
    F_HOPS,
    F_INDEX,
    F_IP,
    F_MACS,
    F_MTU,
    F_PORT,
    F_PORTS,
    F_SADDR,
    FIRST,
    FLOW,
    FLOW_AT,
    FLOWS,
    FRESH,
    ICMP_NUMBER,
    INSIDE,
    KEY_AT,
    KTIME,
    LEG,
    MAC,
    MACS,
    MOST_HOPS,
    MTU,
    NUMBER,
    OUTSIDE,
    PLACE_AT,
    PORTS,
    PROTO,
    REALM,
    REALM_AT,
    SADDR,
    SEAL,
    SEALED,
    SIDE,
    SIZE_ID,
    SKB_IFINDEX,
    SKB_TC_INDEX,
    SLOT,
    SLOT_AT,
    SLOT_KEY,
    SLOT_WORDS,
    SLOTS,
    TCP,
    TCP_NUMBER,
    TCX_NEXT,
    TIME,
    TO_INGRESS,
    TRANSIT,
    TTL,
    UNDERWAY,
    UNTIL,
    UPDATE,
)
from onehop.kernel.shortcut.packet import (
    count_one,
    fold,
    look_up,
    macs_into_key,
    mix,
    parse,
    pointer,
    same_epoch,
    seal_key,
)


def leave(side: int) -> Code:
    """What runs where packets go out; of those that came in at the other side it learns."""
    code = Code()
    code.register("mov", R6, R1)
    code.load(WORD, R8, R6, SKB_TC_INDEX)
    code.when(R8, "==", 0, "out")
    if side != LEG:
        _taken(code)
    code.value("sub", R8, 1)
    code.store(WORD, FP, NUMBER, R8)
    look_up(code, SLOTS, NUMBER)
    if side == LEG:
        # What came in at the host's taps and bridges keeps its number until it leaves by those.
        code.load(WORD, R1, R0, SIDE)
        code.when(R1, "!=", TRANSIT, "out")
        code.register("mov", R8, R0)
        _taken(code)
        code.register("mov", R0, R8)
    for offset in range(0, SLOT, 8):
        code.load(DOUBLE, R1, R0, offset)
        code.store(DOUBLE, FP, SLOT_AT + offset, R1)
    code.load(WORD, R1, FP, SLOT_AT + SIDE)
    for origin in COMES_FROM[side]:
        code.when(R1, "==", origin, "learnable")
    code.jump("out")
    code.label("learnable")
    same_epoch(code, SLOT_AT + EPOCH, "out")
    code.call(KTIME)
    code.load(DOUBLE, R1, FP, SLOT_AT + TIME)
    code.register("sub", R0, R1)
    code.when(R0, ">", UNDERWAY, "out")
    parse(code)
    macs_into_key(code)
    _same_packet(code, side)
    _own_device(code, side)
    _learn(code, side)
    code.label("out")
    code.end(TCX_NEXT)
    return code


def _taken(code: Code) -> None:
    """The number of a slot is of no more use."""
    code.value("mov", R0, 0)
    code.store(WORD, R6, SKB_TC_INDEX, R0)


def _same_packet(code: Code, side: int) -> None:
    """What went out is what came in: what nothing on the way changes is as it was."""
    for place, field in zip(count(SLOT_WORDS, 4), (SIZE_ID, FIRST), strict=False):
        code.load(WORD, R1, FP, SLOT_AT + place)
        code.load(WORD, R2, FP, field)
        code.whenever(R1, "!=", R2, "out")
    far = DADDR if side == OUTSIDE else SADDR
    code.load(BYTE, R1, FP, SLOT_AT + SLOT_KEY + PROTO)
    code.whenever(R1, "!=", R9, "out")
    code.load(WORD, R1, FP, SLOT_AT + SLOT_KEY + far)
    code.load(WORD, R2, FP, KEY_AT + far)
    code.whenever(R1, "!=", R2, "out")
    # Of TCP and UDP the far end's port, of an echo its type.
    code.load(WORD, R1, FP, SLOT_AT + SLOT_KEY + PORTS)
    code.load(WORD, R2, FP, KEY_AT + PORTS)
    if side == OUTSIDE:
        code.when(R9, "==", ICMP_NUMBER, "low")
        code.value("rsh", R1, 16)
        code.value("rsh", R2, 16)
        code.label("low")
    code.value("and", R1, 0xFFFF)
    code.value("and", R2, 0xFFFF)
    code.whenever(R1, "!=", R2, "out")
    code.load(WORD, R8, FP, SLOT_AT + SLOT_WORDS + 8)
    code.load(WORD, R2, FP, TTL)
    code.whenever(R8, "<", R2, "out")
    code.register("sub", R8, R2)
    code.when(R8, ">", MOST_HOPS, "out")


def _own_device(code: Code, side: int) -> None:
    """It goes to the instance that this tap is for, or comes from the leg of this (port); R7 is the link's MTU.

    Both links are known, and let TCP through where it is TCP; a transit leg does always.
    """
    code.load(WORD, R1, R6, SKB_IFINDEX)
    code.store(WORD, FP, PLACE_AT, R1)
    _of_router(code, side)
    look_up(code, DEVICES, PLACE_AT)
    at = KEY_AT + MACS + (0 if side == INSIDE else 6)
    for offset in (0, 2, 4):
        code.load(HALF, R1, R0, MAC + offset)
        code.load(HALF, R2, FP, at + offset)
        code.whenever(R1, "!=", R2, "out")
    code.load(HALF, R7, R0, MTU)
    code.load(WORD, R1, R0, REALM)
    code.store(WORD, FP, REALM_AT, R1)
    _lets_through(code, "here")
    if side != LEG:
        code.load(WORD, R1, FP, SLOT_AT + SLOT_KEY)
        code.store(WORD, FP, PLACE_AT, R1)
        look_up(code, DEVICES, PLACE_AT)
        # A packet may be held where its neighbour is asked for, until its slot is another's: of another tenant's never.
        code.load(WORD, R1, R0, REALM)
        code.load(WORD, R2, FP, REALM_AT)
        code.whenever(R1, "!=", R2, "out")
        _lets_through(code, "there")


def _of_router(code: Code, side: int) -> None:
    """The rest of a device's key: nothing; in a router's namespace the MAC that its transit leg was called by."""
    near = SLOT_AT + SLOT_KEY + MACS
    code.value("mov", R1, 0)
    code.value("mov", R2, 0)
    if side == LEG:
        code.load(WORD, R1, FP, near)
        code.load(HALF, R2, FP, near + 4)
    code.store(WORD, FP, PLACE_AT + 4, R1)
    code.store(WORD, FP, PLACE_AT + 8, R2)


def _lets_through(code: Code, where: str) -> None:
    code.when(R9, "!=", TCP_NUMBER, where)
    code.load(WORD, R1, R0, TCP)
    code.when(R1, "==", 0, "out")
    code.label(where)


def _learn(code: Code, side: int) -> None:
    """A flow of what came in and what went out; R8 are its hops, R7 is the MTU of the link by which it goes."""
    code.load(DOUBLE, R1, FP, SLOT_AT + EPOCH)
    code.store(DOUBLE, FP, FLOW_AT + F_EPOCH, R1)
    code.load(DOUBLE, R1, FP, SLOT_AT + TIME)
    code.value("add", R1, FRESH)
    code.store(DOUBLE, FP, FLOW_AT + UNTIL, R1)
    code.value("add", R1, DEAD - FRESH)
    code.store(DOUBLE, FP, FLOW_AT + F_DEAD, R1)
    code.load(WORD, R1, R6, SKB_IFINDEX)
    code.store(WORD, FP, FLOW_AT + F_INDEX, R1)
    code.store_value(WORD, FP, FLOW_AT + F_FLAGS, TO_INGRESS if side == OUTSIDE else 0)
    code.store(WORD, FP, FLOW_AT + F_HOPS, R8)
    code.store(WORD, FP, FLOW_AT + F_MTU, R7)
    pairs = [(F_MACS + offset, MACS + offset) for offset in (0, 4, 8)]
    for field, key in (*pairs, (F_SADDR, SADDR), (F_DADDR, DADDR), (F_PORTS, PORTS)):
        code.load(WORD, R1, FP, KEY_AT + key)
        code.store(WORD, FP, FLOW_AT + field, R1)
    _changed(code)
    _difference(code, PORTS, 4, F_PORT)
    _difference(code, SADDR, 8, F_ADDRESSES)
    fold(code, R0)
    code.value("add", R0, 0xFFFF)
    code.register("sub", R0, R8)
    code.store(WORD, FP, FLOW_AT + F_IP, R0)
    seal_key(code, SLOT_AT + SLOT_KEY)
    for offset in range(SEALED, FLOW, 8):
        code.load(DOUBLE, R1, FP, FLOW_AT + offset)
        mix(code, R4, R1)
    code.store(DOUBLE, FP, FLOW_AT + SEAL, R4)
    code.map(R1, FLOWS)
    pointer(code, R2, SLOT_AT + SLOT_KEY)
    pointer(code, R3, FLOW_AT)
    code.value("mov", R4, 0)
    code.call(UPDATE)
    count_one(code, 16)


def _changed(code: Code) -> None:
    """0 where neither addresses nor ports differ, 1 where only addresses do, else 3."""
    code.value("mov", R3, 3)
    code.load(WORD, R1, FP, SLOT_AT + SLOT_KEY + PORTS)
    code.load(WORD, R2, FP, KEY_AT + PORTS)
    code.whenever(R1, "!=", R2, "changed")
    code.value("mov", R3, 1)
    for field in (SADDR, DADDR):
        code.load(WORD, R1, FP, SLOT_AT + SLOT_KEY + field)
        code.load(WORD, R2, FP, KEY_AT + field)
        code.whenever(R1, "!=", R2, "changed")
    code.value("mov", R3, 0)
    code.label("changed")
    code.store(WORD, FP, FLOW_AT + F_CHANGED, R3)


def _difference(code: Code, field: int, size: int, into: int) -> None:
    """By how much a one's complement sum over a part of the key differs; in R0, too."""
    pointer(code, R1, SLOT_AT + SLOT_KEY + field)
    code.value("mov", R2, size)
    pointer(code, R3, KEY_AT + field)
    code.value("mov", R4, size)
    code.value("mov", R5, 0)
    code.call(CSUM_DIFF)
    code.low(R0)
    code.store(WORD, FP, FLOW_AT + into, R0)
