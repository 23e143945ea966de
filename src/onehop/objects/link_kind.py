"""What a link is, as attributes of netlink messages: of a veth, bridge, VXLAN device, and of a bridge's port."""

from collections.abc import Iterator
from struct import Struct

from onehop.net import address
from onehop.objects import netlink
from onehop.objects.link import Bridge, BridgePort, Link, Veth, Vxlan
from onehop.objects.netlink import attribute, nested, text, u8, u16, u32

IFINFOMSG = Struct("=BxHiII")
"""ifinfomsg: family, type, index, flags, change."""

ADDRESS, IFNAME, MTU, LINKINFO, NET_NS_FD = 1, 3, 4, 18, 28
INFO_KIND, INFO_DATA, INFO_SLAVE_KIND, INFO_SLAVE_DATA = 1, 2, 4, 5
_VETH_PEER = 1
_BR_STP_STATE, _BR_VLAN_FILTERING, _BR_MCAST_SNOOPING, _BR_DEFAULT_PVID = 5, 7, 23, 39
_BR_CALL_IPTABLES, _BR_CALL_IP6TABLES = 36, 37
_VXLAN_ID, _VXLAN_LOCAL, _VXLAN_LEARNING, _VXLAN_PORT, _VXLAN_LOCAL6 = 1, 4, 7, 15, 17
_BRPORT_LEARNING, _BRPORT_FLOOD, _BRPORT_NEIGH_SUPPRESS = 8, 9, 32
_BRPORT_MCAST_FLOOD, _BRPORT_BCAST_FLOOD, _BRPORT_ISOLATED, _BRPORT_LOCKED = 27, 30, 33, 39


def bridge_info(spec: Bridge) -> bytes:
    """IFLA_LINKINFO that makes a bridge."""
    parts = [u32(_BR_STP_STATE, 0), u8(_BR_MCAST_SNOOPING, 0), u16(_BR_DEFAULT_PVID, 0)]
    if spec.tracked:
        # Only then: kernels without bridge netfilter know neither.
        parts += [u8(_BR_CALL_IPTABLES, 1), u8(_BR_CALL_IP6TABLES, 1)]
    return nested(LINKINFO, text(INFO_KIND, "bridge"), nested(INFO_DATA, *parts))


def bridge(data: bytes) -> Bridge:
    """What IFLA_INFO_DATA says of a bridge."""
    values = netlink.attributes(data, 0, len(data))
    return Bridge(
        stp=values.get(_BR_STP_STATE, b"") not in (b"", bytes(4)),
        mcast_snooping=values.get(_BR_MCAST_SNOOPING) == b"\1",
        vlan_filtering=values.get(_BR_VLAN_FILTERING) == b"\1",
        tracked=values.get(_BR_CALL_IPTABLES) == b"\1" and values.get(_BR_CALL_IP6TABLES) == b"\1",
    )


def vxlan(data: bytes) -> Vxlan:
    """What IFLA_INFO_DATA says of a VXLAN device."""
    values = netlink.attributes(data, 0, len(data))
    local = values.get(_VXLAN_LOCAL) or values.get(_VXLAN_LOCAL6)
    return Vxlan(
        vni=netlink.number(values.get(_VXLAN_ID, b"")),
        local="" if local is None else address.unpack(local),
        port=int.from_bytes(values.get(_VXLAN_PORT, b""), "big"),
        learning=values.get(_VXLAN_LEARNING) == b"\1",
    )


def bridge_port(slave: bytes) -> BridgePort:
    """What IFLA_INFO_SLAVE_DATA says of a bridge's port."""
    values = netlink.attributes(slave, 0, len(slave))
    return BridgePort(
        learning=values.get(_BRPORT_LEARNING) == b"\1",
        flood=values.get(_BRPORT_FLOOD) == b"\1",
        neigh_suppress=values.get(_BRPORT_NEIGH_SUPPRESS) == b"\1",
        restrained=values.get(_BRPORT_ISOLATED) == b"\1"
        or values.get(_BRPORT_LOCKED) == b"\1"
        or values.get(_BRPORT_MCAST_FLOOD) == b"\0"
        or values.get(_BRPORT_BCAST_FLOOD) == b"\0",
    )


def veth_info(wanted: Link, spec: Veth, peer_namespace: int | None) -> bytes:
    """IFLA_LINKINFO that makes a pair; the namespace of its other end is a descriptor, or None for the same."""
    far = IFINFOMSG.pack(0, 0, 0, 0, 0) + text(IFNAME, spec.peer_name) + u32(MTU, wanted.mtu)
    if spec.peer_mac is not None:
        far += attribute(ADDRESS, address.pack_mac(spec.peer_mac))
    if peer_namespace is not None:
        far += u32(NET_NS_FD, peer_namespace)
    data = nested(INFO_DATA, attribute(_VETH_PEER | netlink.NESTED, far))
    return nested(LINKINFO, text(INFO_KIND, "veth"), data)


def vxlan_info(spec: Vxlan) -> bytes:
    """IFLA_LINKINFO that makes a VXLAN device."""
    data = nested(
        INFO_DATA,
        u32(_VXLAN_ID, spec.vni),
        _vxlan_local(spec),
        u8(_VXLAN_LEARNING, 0),
        netlink.be16(_VXLAN_PORT, spec.port),
    )
    return nested(LINKINFO, text(INFO_KIND, "vxlan"), data)


def _vxlan_local(spec: Vxlan) -> bytes:
    kind = _VXLAN_LOCAL6 if address.version(spec.local) == 6 else _VXLAN_LOCAL
    return attribute(kind, address.pack(spec.local))


def changed_info(old: object, wanted: object) -> Iterator[bytes]:
    """What makes a bridge or VXLAN device that is there as it shall be."""
    if isinstance(wanted, Vxlan):
        # Alone: with an MTU in the same message it is refused (vxlan_nl2conf in drivers/net/vxlan/vxlan_core.c).
        data = nested(INFO_DATA, _vxlan_local(wanted), u8(_VXLAN_LEARNING, wanted.learning))
        yield nested(LINKINFO, text(INFO_KIND, "vxlan"), data)
    if isinstance(wanted, Bridge) and isinstance(old, Bridge):
        parts = [u32(_BR_STP_STATE, wanted.stp), u8(_BR_MCAST_SNOOPING, wanted.mcast_snooping)]
        if old.vlan_filtering != wanted.vlan_filtering:
            # Only then: kernels without it refuse the word.
            parts.append(u8(_BR_VLAN_FILTERING, wanted.vlan_filtering))
        if old.tracked != wanted.tracked:
            parts += [u8(_BR_CALL_IPTABLES, wanted.tracked), u8(_BR_CALL_IP6TABLES, wanted.tracked)]
        yield nested(LINKINFO, text(INFO_KIND, "bridge"), nested(INFO_DATA, *parts))


def port_info(port: BridgePort, old: Link | None) -> bytes:
    """IFLA_LINKINFO that makes a bridge's port behave; `old` is how the link is, or None for a new one."""
    parts = [
        u8(_BRPORT_LEARNING, port.learning),
        u8(_BRPORT_FLOOD, port.flood),
        u8(_BRPORT_NEIGH_SUPPRESS, port.neigh_suppress),
    ]
    if old is not None and old.port is not None and old.port.restrained != port.restrained:
        free = not port.restrained
        parts += [u8(_BRPORT_ISOLATED, not free), u8(_BRPORT_LOCKED, False)]
        parts += [u8(_BRPORT_MCAST_FLOOD, free), u8(_BRPORT_BCAST_FLOOD, free)]
    data = nested(INFO_SLAVE_DATA, *parts)
    return nested(LINKINFO, text(INFO_SLAVE_KIND, "bridge"), data)
