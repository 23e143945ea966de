"""Frames as points of a space of numbers: the dimensions, and the frame that a point stands for.

| dimension | of |
|---|---|
| source_mac, destination_mac | Ethernet; see `mac_number` |
| source, destination, protocol | IP |
| sport, dport | TCP, UDP, and what any other protocol has in its first four octets |
| flags | TCP |
| type, code, id | ICMP, ICMPv6 |
| quoted_… | the packet that an ICMP error quotes |
| target, option, option_mac | neighbour discovery; `option` is kind and length |
| operation, sender_mac, sender, target_mac, target | ARP |
"""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from msgspec.structs import replace

from onehop.net.address import pack, pack_mac, unpack, unpack_mac
from onehop.verify.packet import ADVERTISE, SOLICIT, Arp, Frame, Packet
from onehop.verify.proof.spans import Box, Numbers, every

_GROUP, _LOW = 1 << 47, (1 << 40) - 1

UNICAST: Numbers = ((0, _GROUP - 1),)
"""MACs of one link, as numbers of `mac_number`."""

GROUPS: Numbers = ((_GROUP, 2 * _GROUP - 1),)

_ETHERNET: Box = MappingProxyType({"source_mac": UNICAST, "destination_mac": every(48)})
_TRANSPORT: Box = MappingProxyType(
    {
        "protocol": every(8),
        "sport": every(16),
        "dport": every(16),
        "flags": every(8),
        "type": every(8),
        "code": every(8),
        "id": every(16),
    }
)
_QUOTED: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "quoted_version": (0, 1),
        "quoted_protocol": (9, 1),
        "quoted_source": (12, 4),
        "quoted_sport": (20, 2),
        "quoted_dport": (22, 2),
        "quoted_id": (24, 2),
    }
)
_DISCOVERY: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"target": (0, 16), "option": (16, 2), "option_mac": (18, 6)}
)
RAW: Mapping[tuple[int, str], str] = MappingProxyType(
    {
        (protocol, f"@th,{64 + 8 * at},{8 * length}"): name
        for protocol, known in ((1, _QUOTED), (58, _DISCOVERY))
        for name, (at, length) in known.items()
    }
)
"""Protocol and field of a rule → the dimension that is read there."""

_SIZES = {1: 28, 58: 24}

PACKETS: Mapping[int, Box] = MappingProxyType(
    {
        version: MappingProxyType(
            {
                **_ETHERNET,
                "source": every(bits),
                "destination": every(bits),
                **_TRANSPORT,
                **{name: every(8 * length) for name, (_, length) in (_QUOTED if version == 4 else _DISCOVERY).items()},
            }
        )
        for version, bits in ((4, 32), (6, 128))
    }
)
"""All IPv4 packets, and all IPv6 packets."""

ARPS: Box = MappingProxyType(
    {
        **_ETHERNET,
        "operation": every(16),
        "sender_mac": every(48),
        "sender": every(32),
        "target_mac": every(48),
        "target": every(32),
    }
)
"""All ARP frames whose sender and target differ; without a `target` those where they are one."""


DISCOVERS = frozenset({SOLICIT, ADVERTISE})

_ALWAYS = frozenset({*_ETHERNET, "source", "destination", "protocol"})
_ERROR = frozenset({"type", "code", "id"})


def is_part(name: str, protocol: int | None, family: int) -> bool:
    """Whether a packet of a protocol (None: ARP) has this dimension."""
    if protocol is None or name in _ALWAYS:
        return True
    if protocol in (1, 58):
        own = (_QUOTED if family == 4 else _DISCOVERY) if (protocol == 1) == (family == 4) else {}
        return name in _ERROR or name in own
    return name in ("sport", "dport") or (name == "flags" and protocol == 6)


@lru_cache(maxsize=65536)
def mac_number(mac: str) -> int:
    """A MAC as a number whose highest bit tells a group: so groups are one span."""
    number = int.from_bytes(pack_mac(mac))
    return (number >> 40 & 1) << 47 | (number >> 41) << 40 | number & _LOW


@lru_cache(maxsize=65536)
def mac_text(number: int) -> str:
    """The MAC of a number of `mac_number`."""
    whole = (number >> 40 & 0x7F) << 41 | (number >> 47) << 40 | number & _LOW
    return unpack_mac(whole.to_bytes(6))


@lru_cache(maxsize=65536)
def ip_number(ip: str) -> int:
    """An address as a number."""
    return int.from_bytes(pack(ip))


@lru_cache(maxsize=65536)
def ip_text(number: int, version: int) -> str:
    """The address of a number."""
    return unpack(number.to_bytes(4 if version == 4 else 16))


def frame_of(values: Mapping[str, int], version: int) -> Frame:
    """The frame of a point; `version` is 4 or 6, or 0 for ARP."""
    source, destination = mac_text(values["source_mac"]), mac_text(values["destination_mac"])
    return Frame(source, destination, _arp(values) if version == 0 else _packet(values, version))


def _arp(values: Mapping[str, int]) -> Arp:
    return Arp(
        operation=values["operation"],
        sender_mac=mac_text(values["sender_mac"]),
        sender=ip_text(values["sender"], 4),
        target_mac=mac_text(values["target_mac"]),
        target=ip_text(values.get("target", values["sender"]), 4),
    )


def _packet(values: Mapping[str, int], version: int) -> Packet:
    protocol = values["protocol"]
    fixed = Packet(
        source=ip_text(values["source"], version),
        destination=ip_text(values["destination"], version),
        protocol=protocol,
    )
    if protocol in (6, 17):
        flags = values["flags"] if protocol == 6 else 0
        return replace(fixed, source_port=values["sport"], destination_port=values["dport"], flags=flags)
    if protocol not in (1, 58):
        return replace(fixed, rest=values["sport"].to_bytes(2) + values["dport"].to_bytes(2) + bytes(4))
    if version == 6 and protocol == 58 and values["type"] in DISCOVERS:
        # With any other hop limit nobody heeds it, and no rule lets pass more of it.
        fixed = replace(fixed, ttl=255)
    rest = bytearray(_SIZES[protocol] if (protocol == 1) == (version == 4) else 0)
    for name, (at, length) in (_QUOTED if version == 4 else _DISCOVERY).items():
        if rest:
            rest[at : at + length] = values[name].to_bytes(length)
    return replace(fixed, type=values["type"], code=values["code"], identifier=values["id"], rest=bytes(rest))
