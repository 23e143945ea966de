"""A permanent entry of the neighbour table (ARP for IPv4, ND for IPv6)."""

from collections.abc import Mapping
from functools import lru_cache
from struct import Struct
from typing import ClassVar

from onehop.net.address import pack, pack_mac, unpack, unpack_mac, version
from onehop.objects import netlink
from onehop.objects.base import Carried, IndexOf, Key
from onehop.objects.netlink import Found, Request

NDMSG = Struct("=BxxxiHBB")
"""ndmsg: family, link, state, flags, type. Neighbours and FDB entries share it."""

NDA_DST, NDA_LLADDR, NDA_VLAN, NDA_IFINDEX, NDA_MASTER = 1, 2, 5, 8, 9
NUD_NOARP, NUD_PERMANENT = 0x40, 0x80
NTF_SELF, NTF_MASTER, NTF_PROXY, NTF_STICKY = 0x02, 0x04, 0x08, 0x40


@lru_cache(maxsize=65536)
def lladdr(mac: str) -> bytes:
    """NDA_LLADDR of a MAC (cached: each is in a neighbour entry and in FDB entries)."""
    return netlink.attribute(NDA_LLADDR, pack_mac(mac))


class Neighbour(Carried, frozen=True, kw_only=True):
    """A permanent neighbour (``NUD_PERMANENT``).

    Attributes:
        link: name of the link.
        address: canonical IP address.
        mac: its MAC.
    """

    kind: ClassVar[str] = "neighbour"
    link: str
    address: str
    mac: str

    @property
    def key(self) -> Key:
        return (self.kind, self.namespace, self.link, self.address)

    def to_create(self, index: IndexOf) -> Request:
        # What the kernel learned by itself gives way.
        return Request(netlink.NEWNEIGH, netlink.CREATE | netlink.REPLACE, self._body(index) + lladdr(self.mac))

    def to_delete(self, index: IndexOf) -> Request:
        return Request(netlink.DELNEIGH, 0, self._body(index))

    def to_replace(self, old: Carried, index: IndexOf) -> tuple[Request, ...]:  # noqa: ARG002  # same key: overwritten
        return (self.to_create(index),)

    def _body(self, index: IndexOf) -> bytes:
        family = netlink.FAMILY[version(self.address)]
        header = NDMSG.pack(family, index(self.link), NUD_PERMANENT, 0, 0)
        return header + netlink.attribute(NDA_DST, pack(self.address))

    @classmethod
    def decode(cls, found: Found, namespace: str, names: Mapping[int, str]) -> "Neighbour | None":
        data, start, end = found
        family, index, state, flags, _ = NDMSG.unpack_from(data, start)
        if not state & NUD_PERMANENT or flags & NTF_PROXY or family == netlink.AF_BRIDGE:
            return None
        link = names.get(index)
        if link is None:
            return None
        values = netlink.attributes(data, start + 12, end)
        destination, mac = values.get(NDA_DST), values.get(NDA_LLADDR)
        if destination is None or mac is None:
            return None
        return cls(namespace=namespace, link=link, address=unpack(destination), mac=unpack_mac(mac))
