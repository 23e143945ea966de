"""What both programs do: take a packet apart, seal what they remember, add up and count. Yields instructions."""

from onehop.kernel.bpf_code import BYTE, DOUBLE, FP, HALF, R0, R1, R2, R3, R4, R5, R6, R7, R9, WORD, Code
from onehop.kernel.shortcut.layout import (
    COUNTS,
    DADDR,
    FIRST,
    FRAGMENT,
    HEADERS,
    ICMP_NUMBER,
    IPV4,
    KEY,
    KEY_AT,
    LOOKUP,
    MACS,
    MIX,
    NUMBER,
    PORTS,
    PROTO,
    SADDR,
    SIZE_ID,
    SKB_DATA,
    SKB_DATA_END,
    SKB_PROTOCOL,
    SKB_VLAN,
    STATE,
    SYN_FIN_RST,
    TCP_NUMBER,
    TTL,
    UDP_NUMBER,
)


def parse(code: Code) -> None:
    """R6 is the packet; R7 becomes its first octet, R9 its protocol; most of the key; else to ``out``."""
    code.load(WORD, R0, R6, SKB_VLAN)
    code.when(R0, "!=", 0, "out")
    code.load(WORD, R0, R6, SKB_PROTOCOL)
    code.when(R0, "!=", IPV4, "out")
    code.load(WORD, R7, R6, SKB_DATA)
    code.load(WORD, R3, R6, SKB_DATA_END)
    reaches(code, 42, "out")
    code.load(BYTE, R0, R7, 14)
    code.when(R0, "!=", 0x45, "out")
    code.load(BYTE, R0, R7, 0)
    code.when(R0, "&", 1, "out")
    code.load(HALF, R0, R7, 20)
    code.when(R0, "&", FRAGMENT, "out")
    for offset, place in ((16, SIZE_ID), (26, KEY_AT + SADDR), (30, KEY_AT + DADDR)):
        code.load(WORD, R0, R7, offset)
        code.store(WORD, FP, place, R0)
    code.load(BYTE, R0, R7, 22)
    code.store(WORD, FP, TTL, R0)
    code.load(BYTE, R9, R7, 23)
    code.store(WORD, FP, KEY_AT + PROTO, R9)
    code.value("mov", R4, 0)
    code.value("mov", R5, 28)
    code.when(R9, "==", UDP_NUMBER, "udp")
    code.when(R9, "==", ICMP_NUMBER, "icmp")
    code.when(R9, "!=", TCP_NUMBER, "out")
    reaches(code, 54, "out")
    code.load(BYTE, R0, R7, 47)
    code.when(R0, "&", SYN_FIN_RST, "out")
    code.load(BYTE, R5, R7, 46)
    code.value("rsh", R5, 4)
    code.value("lsh", R5, 2)
    code.value("add", R5, 20)
    code.load(WORD, R4, R7, 38)
    code.load(WORD, R0, R7, 34)
    code.jump("parsed")
    code.label("icmp")
    code.load(HALF, R1, R7, 34)
    code.when(R1, "==", 0, "echo")
    code.when(R1, "!=", 8, "out")
    code.label("echo")
    code.load(HALF, R0, R7, 38)
    code.value("lsh", R0, 16)
    code.register("or", R0, R1)
    code.load(HALF, R4, R7, 40)
    code.jump("parsed")
    code.label("udp")
    code.load(WORD, R0, R7, 34)
    reaches(code, 46, "parsed")
    code.load(WORD, R4, R7, 42)
    code.label("parsed")
    code.store(WORD, FP, KEY_AT + PORTS, R0)
    code.store(WORD, FP, FIRST, R4)
    code.store(WORD, FP, HEADERS, R5)


def reaches(code: Code, octets: int, otherwise: str) -> None:
    """So many octets can be read at R7; R3 is their end."""
    code.register("mov", R2, R7)
    code.value("add", R2, octets)
    code.whenever(R2, ">", R3, otherwise)


def macs_into_key(code: Code) -> None:
    """Both MACs of the packet at R7."""
    for offset in (0, 4, 8):
        code.load(WORD, R0, R7, offset)
        code.store(WORD, FP, KEY_AT + MACS + offset, R0)


def pointer(code: Code, target: int, offset: int) -> None:
    """A register becomes the address of a place on the stack."""
    code.register("mov", target, FP)
    code.value("add", target, offset)


def look_up(code: Code, table: str, key: int, otherwise: str = "out") -> None:
    """R0 becomes the value in a map of the key that stands on the stack; elsewhere where there is none."""
    code.map(R1, table)
    pointer(code, R2, key)
    code.call(LOOKUP)
    code.when(R0, "==", 0, otherwise)


def same_epoch(code: Code, place: int, otherwise: str) -> None:
    """Nothing changed since the epoch that stands on the stack."""
    code.cell(R1, STATE)
    code.load(DOUBLE, R1, R1, 0)
    code.load(DOUBLE, R2, FP, place)
    code.whenever(R1, "!=", R2, otherwise)


def count_one(code: Code, offset: int) -> None:
    """One more of what is counted there; R1 is how many now."""
    code.value("mov", R1, 0)
    code.store(WORD, FP, NUMBER, R1)
    look_up(code, COUNTS, NUMBER)
    code.load(DOUBLE, R1, R0, offset)
    code.value("add", R1, 1)
    code.store(DOUBLE, R0, offset, R1)


def seal_key(code: Code, key: int) -> None:
    """R4 becomes the begin of a seal: that of the key that stands on the stack."""
    code.value("mov", R4, KEY)
    for offset in range(0, KEY, 8):
        code.load(DOUBLE, R1, FP, key + offset)
        mix(code, R4, R1)


def mix(code: Code, into: int, word: int) -> None:
    """A seal goes on with another word; R5 is lost."""
    code.register("xor", into, word)
    code.value("mul", into, MIX)
    code.register("mov", R5, into)
    code.value("rsh", R5, 29)
    code.register("xor", into, R5)


def fold(code: Code, register: int) -> None:
    """A one's complement sum of up to 32 bits becomes one of 16."""
    for _ in range(2):
        code.register("mov", R5, register)
        code.value("rsh", R5, 16)
        code.value("and", register, 0xFFFF)
        code.register("add", register, R5)
