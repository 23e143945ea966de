"""Why a frame of an instance is refused at its port."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "arp-sender": "ARP that claims a MAC or address that is not the port's",
        "dhcp-answer": "an answer of a DHCP or DHCPv6 server",
        "ethernet-type": "neither IPv4, IPv6, ARP nor RARP",
        "neighbour-discovery": "ND about an address or MAC that is not the port's, or with several options",
        "router-advertisement": "an advertisement or redirect, which are a router's",
        "source-address": "an IP source that is not the port's",
        "source-mac": "an Ethernet source that is not the port's",
        "unreadable-header": "headers that cannot be read to the end, cut off in a fragment perhaps",
        "vlan-tag": "a tag (802.1Q, 802.1ad)",
    }
)
"""Reason → in words. By these names the kernel counts, and by them it is told (``onehop_port_drops_total``)."""
