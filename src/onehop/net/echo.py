"""ICMP and ICMPv6 echo: what a kernel answers without asking anybody (RFC 792, RFC 4443 section 4). Pure."""

from struct import pack, unpack_from

REQUEST = {4: 8, 6: 128}
REPLY = {4: 0, 6: 129}
HEADER_V4 = 20


def request(version: int, identifier: int, sequence: int, content: bytes = b"") -> bytes:
    """An echo request as it is handed to a raw socket; the kernel fills in ICMPv6's checksum."""
    body = pack("!BBHHH", REQUEST[version], 0, 0, identifier, sequence) + content
    return body if version == 6 else body[:2] + pack("!H", _checksum(body)) + body[4:]


def reply(version: int, data: bytes) -> tuple[int, int] | None:
    """Identifier and sequence of an echo reply as a raw socket receives it (IPv4 with its header), else None."""
    start = (data[0] & 0x0F) * 4 if version == 4 and data else 0
    if len(data) < start + 8 or data[start] != REPLY[version]:
        return None
    identifier, sequence = unpack_from("!HH", data, start + 4)
    return identifier, sequence


def asked(version: int, data: bytes) -> bytes | None:
    """What an echo request carries, as a raw socket receives it (IPv4 with its header), else None."""
    start = (data[0] & 0x0F) * 4 if version == 4 and data else 0
    if len(data) < start + 8 or data[start] != REQUEST[version]:
        return None
    return data[start + 8 :]


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    data += bytes(len(data) & 1)
    total: int = sum(unpack_from(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
