"""Forwarding databases: a bridge's, and a VXLAN device's own."""

from collections.abc import Mapping
from struct import Struct
from typing import ClassVar

from onehop.net.address import pack, unpack, unpack_mac
from onehop.objects import netlink
from onehop.objects.base import Carried, IndexOf, Key
from onehop.objects.neighbour import (
    NDA_DST,
    NDA_LLADDR,
    NDA_MASTER,
    NDA_VLAN,
    NDMSG,
    NTF_MASTER,
    NTF_SELF,
    NTF_STICKY,
    NUD_NOARP,
    NUD_PERMANENT,
    lladdr,
)
from onehop.objects.netlink import Found, Request

_PLAIN_BRIDGE = Struct("=BxxxiHBBHH6sxxHHIHHIHH")
_PLAIN_BRIDGE_SIZE = 60
_PLAIN_VXLAN = Struct("=BxxxiHBBHH6sxxHH4s")
"""How nearly all entries look (fdb_fill_info in net/bridge/br_fdb.c, vxlan_fdb_info in vxlan_core.c): to read one in a
single step takes a fifth of what its attributes take. What looks otherwise is read attribute by attribute."""
_NDA_CACHEINFO, _NDA_FLAGS_EXT = 3, 15

_FLAGS = 10
"""Offset of ``ndm_flags`` in ndmsg."""

ALL_ZERO = "00:00:00:00:00:00"
"""The MAC of VXLAN entries that say where broadcast and multicast go (head-end replication)."""


class BridgeFdb(Carried, frozen=True, kw_only=True):
    """A static entry of a bridge (``bridge fdb replace MAC dev PORT master static sticky``).

    One bridge has one entry for a MAC, so the port is a value and changes in place.

    Attributes:
        bridge: name of the bridge.
        mac: the destination.
        port: name of the link it is behind.
        sticky: it stays where it is, whoever sends with that MAC; any other static entry moves to a port that learns
            (br_fdb_update in net/bridge/br_fdb.c).
    """

    kind: ClassVar[str] = "bridge_fdb"
    bridge: str
    mac: str
    port: str
    sticky: bool = True

    @property
    def key(self) -> Key:
        return (self.kind, self.namespace, self.bridge, self.mac)

    def to_create(self, index: IndexOf) -> Request:
        # What the bridge learned by itself gives way; an entry behind another port moves.
        return Request(netlink.NEWNEIGH, netlink.CREATE | netlink.REPLACE, self._body(index))

    def to_delete(self, index: IndexOf) -> Request:
        return Request(netlink.DELNEIGH, 0, self._body(index))

    def to_replace(self, old: Carried, index: IndexOf) -> tuple[Request, ...]:  # noqa: ARG002  # same key: overwritten
        return (self.to_create(index),)

    def _body(self, index: IndexOf) -> bytes:
        flags = NTF_MASTER | (NTF_STICKY if self.sticky else 0)
        header = NDMSG.pack(netlink.AF_BRIDGE, index(self.port), NUD_NOARP, flags, 0)
        return header + lladdr(self.mac)

    @classmethod
    def decode(cls, found: Found, namespace: str, names: Mapping[int, str]) -> "BridgeFdb | None":
        index, master, mac = _bridge_parts(found)
        bridge = names.get(master)
        if bridge is None:
            return None
        port = names.get(index) or f"index {index}"
        sticky = bool(found.data[found.start + _FLAGS] & NTF_STICKY)
        return cls(namespace=namespace, bridge=bridge, mac=unpack_mac(mac), port=port, sticky=sticky)


class VxlanFdb(Carried, frozen=True, kw_only=True):
    """An entry of a VXLAN device (``bridge fdb replace MAC dev VXLAN self permanent dst VTEP``).

    A unicast MAC is at one VTEP, which changes in place; the all-zero MAC is at many, each an entry of its own.

    Attributes:
        link: name of the VXLAN device.
        mac: the destination, or `ALL_ZERO`.
        vtep: IP address of the host behind which it is.
    """

    kind: ClassVar[str] = "vxlan_fdb"
    link: str
    mac: str
    vtep: str

    @property
    def key(self) -> Key:
        if self.mac == ALL_ZERO:
            return (self.kind, self.namespace, self.link, self.mac, self.vtep)
        return (self.kind, self.namespace, self.link, self.mac)

    def to_create(self, index: IndexOf) -> Request:
        flags = netlink.APPEND if self.mac == ALL_ZERO else netlink.REPLACE
        return Request(netlink.NEWNEIGH, netlink.CREATE | flags, self._body(index))

    def to_delete(self, index: IndexOf) -> Request:
        return Request(netlink.DELNEIGH, 0, self._body(index))

    def to_replace(self, old: Carried, index: IndexOf) -> tuple[Request, ...]:  # noqa: ARG002  # same key: overwritten
        return (self.to_create(index),)

    def _body(self, index: IndexOf) -> bytes:
        header = NDMSG.pack(netlink.AF_BRIDGE, index(self.link), NUD_NOARP | NUD_PERMANENT, NTF_SELF, 0)
        return header + lladdr(self.mac) + netlink.attribute(NDA_DST, pack(self.vtep))

    @classmethod
    def decode(cls, found: Found, namespace: str, names: Mapping[int, str]) -> "VxlanFdb | None":
        data, start, end = found
        _, index, state, flags, _ = NDMSG.unpack_from(data, start)
        link = names.get(index)
        if link is None or not flags & NTF_SELF or not state & (NUD_NOARP | NUD_PERMANENT):
            return None
        mac, vtep = _vxlan_parts(data, start, end)
        if mac is None or vtep is None:
            return None
        return cls(namespace=namespace, link=link, mac=unpack_mac(mac), vtep=unpack(vtep))


def _bridge_parts(found: Found) -> tuple[int, int, bytes]:
    """Port, bridge (0 where it is no static entry of a bridge) and MAC."""
    data, start, end = found
    if end - start == _PLAIN_BRIDGE_SIZE:
        parts = _PLAIN_BRIDGE.unpack_from(data, start)
        _, index, state, flags, _, _, first, mac, _, second, master, _, third, _, _, fourth = parts
        if (first, second, third, fourth) == (NDA_LLADDR, NDA_MASTER, _NDA_FLAGS_EXT, _NDA_CACHEINFO):
            return index, master if state == NUD_NOARP and not flags & NTF_SELF else 0, mac
    _, index, state, flags, _ = NDMSG.unpack_from(data, start)
    # NUD_NOARP alone is "static"; NUD_PERMANENT are the addresses of the ports themselves.
    if state != NUD_NOARP or flags & NTF_SELF:
        return index, 0, b""
    values = netlink.attributes(data, start + NDMSG.size, end)
    mac = values.get(NDA_LLADDR, b"")
    if not mac or NDA_VLAN in values:
        return index, 0, b""
    return index, netlink.number(values.get(NDA_MASTER, b"")), mac


def _vxlan_parts(data: bytes, start: int, end: int) -> tuple[bytes | None, bytes | None]:
    """MAC and VTEP."""
    if start + _PLAIN_VXLAN.size <= end:
        _, _, _, _, _, size, first, mac, other_size, second, vtep = _PLAIN_VXLAN.unpack_from(data, start)
        if (first, second, size, other_size) == (NDA_LLADDR, NDA_DST, 10, 8):
            return mac, vtep
    values = netlink.attributes(data, start + NDMSG.size, end)
    return values.get(NDA_LLADDR), values.get(NDA_DST)
