"""IP addresses, prefixes and MACs as canonical text.

Values in the model and in kernel objects are canonical strings (``10.0.0.1``, ``fd00::1``, ``10.0.0.0/24``,
``fa:16:3e:00:00:01``), so that equality of text is equality of address. Packing for netlink happens in `pack`.
"""

import ipaddress
import re
from functools import lru_cache

from onehop.errors import AddressError

_MAC = re.compile(r"(?:[0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}")


def parse_ip(text: object) -> str:
    """Return the canonical form of an IPv4 or IPv6 address (RFC 5952 for IPv6).

    Raises:
        AddressError: not an address (integers, zone ids and prefixes are refused).
    """
    if not isinstance(text, str) or "%" in text:
        raise AddressError(f"{text!r} is not an IP address")
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise AddressError(f"{text[:64]!r} is not an IP address") from None


def parse_prefix(text: object, strict: bool = True) -> str:
    """Return the canonical form of a prefix such as ``10.0.0.0/24``.

    Args:
        text: an address with a prefix length.
        strict: refuse set host bits; else clear them.

    Raises:
        AddressError: not a prefix, or host bits set while `strict`.
    """
    if not isinstance(text, str) or "/" not in text or "%" in text:
        raise AddressError(f"{str(text)[:64]!r} is not a prefix in CIDR form")
    try:
        return str(ipaddress.ip_network(text, strict=strict))
    except ValueError:
        raise AddressError(f"{text[:64]!r} is not a prefix in CIDR form") from None


def parse_mac(text: object) -> str:
    """Return a MAC address in lower case with colons.

    Raises:
        AddressError: not six octets.
    """
    if not isinstance(text, str) or _MAC.fullmatch(text) is None:
        raise AddressError(f"{str(text)[:64]!r} is not a MAC address")
    return text.replace("-", ":").lower()


@lru_cache(maxsize=65536)
def pack(address: str) -> bytes:
    """4 or 16 octets in network order of a canonical address."""
    if ":" in address:
        return ipaddress.IPv6Address(address).packed
    return bytes(map(int, address.split(".")))


def unpack(octets: bytes) -> str:
    """The canonical address of 4 or 16 octets in network order."""
    if len(octets) == 4:
        return f"{octets[0]}.{octets[1]}.{octets[2]}.{octets[3]}"  # far faster than ipaddress, and dumps are long
    return str(ipaddress.IPv6Address(octets))


def version(address: str) -> int:
    """4 or 6, of an address or a prefix in canonical form."""
    return 6 if ":" in address else 4


def pack_mac(mac: str) -> bytes:
    """Six octets of a canonical MAC."""
    return bytes.fromhex(mac.replace(":", ""))


def unpack_mac(octets: bytes) -> str:
    """The canonical MAC of six octets."""
    return octets.hex(":")


@lru_cache(maxsize=65536)
def prefix_length(prefix: str) -> int:
    """The length of a canonical prefix or address with length: 24 of ``10.0.0.0/24``."""
    return int(prefix.rpartition("/")[2])


@lru_cache(maxsize=65536)
def network_of(prefix: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """The parsed network of a canonical prefix (cached: prefixes repeat)."""
    return ipaddress.ip_network(prefix)


@lru_cache(maxsize=262144)
def contains(prefix: str, address: str) -> bool:
    """Whether a canonical address lies in a canonical prefix of the same family."""
    parsed = ipaddress.ip_address(address)
    network = network_of(prefix)
    return parsed.version == network.version and parsed in network


def overlaps(one: str, other: str) -> bool:
    """Whether two canonical prefixes share an address."""
    a, b = network_of(one), network_of(other)
    if isinstance(a, ipaddress.IPv4Network) and isinstance(b, ipaddress.IPv4Network):
        return a.overlaps(b)
    if isinstance(a, ipaddress.IPv6Network) and isinstance(b, ipaddress.IPv6Network):
        return a.overlaps(b)
    return False


LINK_LOCAL = "169.254.0.0/16"
"""IPv4 addresses of one link, which nobody routes (RFC 3927, 7)."""


@lru_cache(maxsize=65536)
def link_local(mac: str) -> str:
    """The EUI-64 link-local address of a MAC (RFC 4291 appendix A)."""
    return eui64("fe80::/64", mac)


def eui64(prefix: str, mac: str) -> str:
    """The modified EUI-64 address of `mac` in a /64 prefix (RFC 4291 appendix A).

    Raises:
        AddressError: the prefix is not an IPv6 /64.
    """
    network = network_of(prefix)
    if network.version != 6 or network.prefixlen != 64:
        raise AddressError(f"an EUI-64 address needs an IPv6 /64, not {prefix}")
    octets = pack_mac(mac)
    interface = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return str(network[int.from_bytes(interface, "big")])
