"""The short cut's two programs: what is remembered of a packet where it comes in, and learnt of it where it goes out.

`enter` is where packets come into the host's bridges and routers; `leave` where they go out of them. A packet that
nothing is known of gets the number of a slot that holds what it looked like, in ``tc_index``, which bridges, veth pairs
and routers leave alone (net/core/skbuff.c, skb_scrub_packet). Where it leaves, what it looks like then is learnt for
the flow. The next packet of the flow is made to look the same, and sent to where the first one left.

Only for what no rule looks at anew: IPv4 without options, whole (no fragment), TCP without SYN, FIN or RST, UDP, and
ICMP echo; not for broadcast and multicast, frames with a VLAN tag, and what is too large or too old for its way. All
else takes the long way, always. Pure: yields instructions.
"""

from itertools import count

from onehop.kernel.bpf_code import BYTE, DOUBLE, FP, HALF, R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, WORD, Code
from onehop.kernel.shortcut.layout import (
    AGAIN,
    COPY_AT,
    CPU,
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
    FLOWS,
    HEADERS,
    ICMP_NUMBER,
    KEY,
    KEY_AT,
    KTIME,
    L4_CSUM,
    LAST_SLOT,
    NUMBER,
    PROTO,
    PSEUDO,
    REDIRECT,
    REDIRECT_PEER,
    SEAL,
    SEALED,
    SIDE,
    SIZE_ID,
    SKB_DATA,
    SKB_DATA_END,
    SKB_GSO_SIZE,
    SKB_IFINDEX,
    SKB_LEN,
    SKB_MARK,
    SKB_TC_INDEX,
    SLOT_KEY,
    SLOT_WORDS,
    SLOTS,
    STATE,
    TCP_NUMBER,
    TCX_DROP,
    TCX_NEXT,
    TIME,
    TRANSIT,
    TTL,
    UNTIL,
    ZERO_IS_NONE,
)
from onehop.kernel.shortcut.packet import (
    count_one,
    fold,
    look_up,
    macs_into_key,
    mix,
    parse,
    reaches,
    same_epoch,
    seal_key,
)


def enter(side: int, bits: int) -> Code:
    """What runs where packets come in.

    Args:
        side: where that is.
        bits: of the number of slots that each CPU has.
    """
    code = Code()
    code.register("mov", R6, R1)
    code.value("mov", R0, 0)
    code.store(WORD, R6, SKB_TC_INDEX, R0)
    parse(code)
    code.value("mov", R0, side)
    code.store(BYTE, FP, KEY_AT + PROTO + 1, R0)
    macs_into_key(code)
    code.load(WORD, R1, R6, SKB_IFINDEX)
    code.store(WORD, FP, KEY_AT, R1)
    look_up(code, FLOWS, KEY_AT, "miss")
    code.register("mov", R7, R0)
    _copy_sealed(code)
    _may_follow(code)
    count_one(code, 8)
    _translate(code)
    _rewrite(code)
    _send(code, side)
    code.label("miss")
    _remember(code, side, bits)
    code.label("out")
    code.end(TCX_NEXT)
    return code


def _copy_sealed(code: Code) -> None:
    """A flow (R7) onto the stack. What is found may be given to another flow at any time: so it has a seal."""
    seal_key(code, KEY_AT)
    for offset in range(SEALED, FLOW, 8):
        code.load(DOUBLE, R1, R7, offset)
        code.store(DOUBLE, FP, COPY_AT + offset, R1)
        mix(code, R4, R1)
    code.load(DOUBLE, R1, R7, SEAL)
    code.whenever(R1, "!=", R4, "miss")


def _may_follow(code: Code) -> None:
    """Nothing changed since it was learnt, it is not too old, and the packet is neither too large nor too old."""
    same_epoch(code, COPY_AT + F_EPOCH, "miss")
    code.call(KTIME)
    code.load(DOUBLE, R1, FP, COPY_AT + F_DEAD)
    code.whenever(R0, ">=", R1, "miss")
    code.load(DOUBLE, R1, R7, UNTIL)
    code.whenever(R0, "<", R1, "fresh")
    code.value("add", R0, AGAIN)
    code.store(DOUBLE, R7, UNTIL, R0)
    code.jump("miss")
    code.label("fresh")
    code.load(WORD, R1, FP, COPY_AT + F_HOPS)
    code.load(WORD, R2, FP, TTL)
    code.whenever(R2, "<=", R1, "miss")
    code.load(WORD, R1, R6, SKB_GSO_SIZE)
    code.load(WORD, R2, FP, HEADERS)
    code.register("add", R1, R2)
    code.whenever(R1, "!=", R2, "sized")
    code.load(WORD, R1, R6, SKB_LEN)
    code.value("sub", R1, 14)
    code.label("sized")
    code.load(WORD, R2, FP, COPY_AT + F_MTU)
    code.whenever(R1, ">", R2, "miss")


def _translate(code: Code) -> None:
    """The checksum of what follows the IPv4 header, by how addresses and ports differ."""
    code.load(WORD, R1, FP, COPY_AT + F_CHANGED)
    code.when(R1, "==", 0, "summed")
    code.value("mov", R8, 36)
    code.value("mov", R7, 0)
    code.when(R9, "==", ICMP_NUMBER, "ports")
    code.value("mov", R8, 50)
    code.when(R9, "==", TCP_NUMBER, "addresses")
    code.value("mov", R8, 40)
    code.value("mov", R7, ZERO_IS_NONE)
    code.label("addresses")
    code.value("mov", R5, PSEUDO)
    code.register("or", R5, R7)
    _sum(code, F_ADDRESSES)
    code.load(WORD, R1, FP, COPY_AT + F_CHANGED)
    code.when(R1, "==", 1, "summed")
    code.label("ports")
    code.register("mov", R5, R7)
    _sum(code, F_PORT)
    code.label("summed")


def _sum(code: Code, delta: int) -> None:
    code.register("mov", R1, R6)
    code.register("mov", R2, R8)
    code.value("mov", R3, 0)
    code.load(WORD, R4, FP, COPY_AT + delta)
    code.call(L4_CSUM)
    code.when(R0, "!=", 0, "lost")


def _rewrite(code: Code) -> None:
    """Addresses, ports, time to live."""
    code.load(WORD, R7, R6, SKB_DATA)
    code.load(WORD, R3, R6, SKB_DATA_END)
    reaches(code, 42, "lost")
    for offset in (0, 4, 8):
        code.load(WORD, R0, FP, COPY_AT + F_MACS + offset)
        code.store(WORD, R7, offset, R0)
    code.load(WORD, R1, FP, COPY_AT + F_HOPS)
    code.load(WORD, R0, FP, TTL)
    code.register("sub", R0, R1)
    code.store(BYTE, R7, 22, R0)
    code.load(HALF, R0, R7, 24)
    code.value("xor", R0, 0xFFFF)
    code.load(WORD, R1, FP, COPY_AT + F_IP)
    code.register("add", R0, R1)
    fold(code, R0)
    code.value("xor", R0, 0xFFFF)
    code.store(HALF, R7, 24, R0)
    for offset, field in ((26, F_SADDR), (30, F_DADDR)):
        code.load(WORD, R0, FP, COPY_AT + field)
        code.store(WORD, R7, offset, R0)
    code.load(WORD, R0, FP, COPY_AT + F_PORTS)
    code.when(R9, "==", ICMP_NUMBER, "number")
    code.store(WORD, R7, 34, R0)
    code.jump("written")
    code.label("number")
    code.value("rsh", R0, 16)
    code.store(HALF, R7, 38, R0)
    code.label("written")
    code.value("mov", R0, 0)
    code.store(WORD, R6, SKB_MARK, R0)


def _send(code: Code, side: int) -> None:
    """Away: by the link; or, from a router's namespace, right to the host's end of that leg."""
    code.load(WORD, R1, FP, COPY_AT + F_INDEX)
    code.load(WORD, R2, FP, COPY_AT + F_FLAGS)
    code.call(REDIRECT_PEER if side == TRANSIT else REDIRECT)
    code.leave()
    code.label("lost")
    code.end(TCX_DROP)


def _remember(code: Code, side: int, bits: int) -> None:
    """What the packet looks like goes into the CPU's next slot."""
    count_one(code, 0)
    code.register("mov", R7, R1)
    code.call(CPU)
    code.value("lsh", R0, bits)
    code.value("and", R7, (1 << bits) - 1)
    code.register("or", R7, R0)
    code.when(R7, ">", LAST_SLOT, "out")
    code.store(WORD, FP, NUMBER, R7)
    look_up(code, SLOTS, NUMBER)
    code.register("mov", R8, R0)
    code.call(KTIME)
    code.store(DOUBLE, R8, TIME, R0)
    code.cell(R1, STATE)
    code.load(DOUBLE, R1, R1, 0)
    code.store(DOUBLE, R8, EPOCH, R1)
    for offset in range(0, KEY, 8):
        code.load(DOUBLE, R1, FP, KEY_AT + offset)
        code.store(DOUBLE, R8, SLOT_KEY + offset, R1)
    for place, field in zip(count(SLOT_WORDS, 4), (SIZE_ID, FIRST, TTL), strict=False):
        code.load(WORD, R1, FP, field)
        code.store(WORD, R8, place, R1)
    code.store_value(WORD, R8, SIDE, side)
    code.value("add", R7, 1)
    code.store(WORD, R6, SKB_TC_INDEX, R7)
