"""Forwarding databases: a bridge's, and a VXLAN device's own."""

from collections.abc import Mapping
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
    NUD_NOARP,
    NUD_PERMANENT,
    lladdr,
)
from onehop.objects.netlink import Found, Request

ALL_ZERO = "00:00:00:00:00:00"
"""The MAC of VXLAN entries that say where broadcast and multicast go (head-end replication)."""


class BridgeFdb(Carried, frozen=True, kw_only=True):
    """A static entry of a bridge (``bridge fdb replace MAC dev PORT master static``).

    One bridge has one entry for a MAC, so the port is a value and changes in place.

    Attributes:
        bridge: name of the bridge.
        mac: the destination.
        port: name of the link it is behind.
    """

    kind: ClassVar[str] = "bridge_fdb"
    bridge: str
    mac: str
    port: str

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
        header = NDMSG.pack(netlink.AF_BRIDGE, index(self.port), NUD_NOARP, NTF_MASTER, 0)
        return header + lladdr(self.mac)

    @classmethod
    def decode(cls, found: Found, namespace: str, names: Mapping[int, str]) -> "BridgeFdb | None":
        data, start, end = found
        _, index, state, flags, _ = NDMSG.unpack_from(data, start)
        # NUD_NOARP alone is "static"; NUD_PERMANENT are the addresses of the ports themselves.
        if state != NUD_NOARP or flags & NTF_SELF:
            return None
        values = netlink.attributes(data, start + 12, end)
        master, mac = values.get(NDA_MASTER), values.get(NDA_LLADDR)
        if master is None or mac is None or NDA_VLAN in values:
            return None
        bridge = names.get(netlink.number(master))
        if bridge is None:
            return None
        return cls(namespace=namespace, bridge=bridge, mac=unpack_mac(mac), port=names.get(index, f"index {index}"))


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
        values = netlink.attributes(data, start + 12, end)
        mac, vtep = values.get(NDA_LLADDR), values.get(NDA_DST)
        if mac is None or vtep is None:
            return None
        return cls(namespace=namespace, link=link, mac=unpack_mac(mac), vtep=unpack(vtep))
