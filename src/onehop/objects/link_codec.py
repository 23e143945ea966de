"""Links as netlink messages: how one is made, set and recognised.

A link is made in two messages that go in one batch: the first makes it, down and under an index that the sender
chose, the second gives it what the kernel takes only afterwards: the mark of ownership (alias), no IPv6 addresses of
its own, the MTU of a bridge (which would follow its ports otherwise), its master. Only a third brings it up, so
that it is never up half made.
"""

from collections.abc import Mapping
from struct import pack
from typing import NamedTuple

from onehop.net import address
from onehop.net.naming import MARK
from onehop.objects import link_kind, netlink
from onehop.objects.link import Bridge, Link, Tap, Veth, Vxlan
from onehop.objects.link_kind import (
    ADDRESS,
    IFINFOMSG,
    IFNAME,
    INFO_DATA,
    INFO_KIND,
    INFO_SLAVE_DATA,
    INFO_SLAVE_KIND,
    LINKINFO,
    MTU,
    NET_NS_FD,
)
from onehop.objects.netlink import Found, Request, attribute, nested, text, u8, u32

LOOPBACK = 1
"""The index of ``lo`` in every namespace."""

_LARGEST_MTU = 65535

_UP, _RUNNING = 1, 0x40
_LINK, _MASTER, _IFALIAS, _AF_SPEC = 5, 10, 20, 26
_EXT_MASK, _LINK_NETNSID, _TARGET_NETNSID = 29, 37, 46
_GROUP, _DOOMED = 27, 0x6F686F70
_INET6_ADDR_GEN_MODE, _ADDR_GEN_NONE = 8, 1
_SKIP_STATS = 1 << 3

_NO_OWN_IPV6 = nested(_AF_SPEC, nested(netlink.AF_INET6, u8(_INET6_ADDR_GEN_MODE, _ADDR_GEN_NONE)))
_LEAN = u32(_EXT_MASK, _SKIP_STATS)


class LinkRecord(NamedTuple):
    """A link as the kernel tells it; indexes not yet names.

    Attributes:
        lower: index of what it stands on (a veth's other end), in the namespace `nsid`, 0 where there is none.
        nsid: the kernel's number for that namespace, or None where it is this one.
        data, slave: attributes of its kind, and as a bridge's port.
    """

    ifindex: int
    name: str
    alias: str
    up: bool
    running: bool
    mac: str
    mtu: int
    master: int
    lower: int
    nsid: int | None
    kind: str
    data: bytes
    slave: bytes | None

    @property
    def marked(self) -> bool:
        """Whether it carries our mark."""
        return self.alias.startswith(MARK)


def dump_body(index: int = 0) -> bytes:
    """Body of a dump of all links, or of the question for one."""
    return IFINFOMSG.pack(0, 0, index, 0, 0) + _LEAN


def by_name_body(name: str) -> bytes:
    """Body of the question for a link by its name."""
    return IFINFOMSG.pack(0, 0, 0, 0, 0) + text(IFNAME, name) + _LEAN


def elsewhere_body(nsid: int, index: int) -> bytes:
    """Body of the question for a link of another namespace."""
    return IFINFOMSG.pack(0, 0, index, 0, 0) + pack("=HHi", 8, _TARGET_NETNSID, nsid) + _LEAN


def record(found: Found) -> LinkRecord:
    """What one RTM_NEWLINK message says."""
    _, _, index, flags, _ = IFINFOMSG.unpack_from(found.data, found.start)
    values = netlink.attributes(found.data, found.start + IFINFOMSG.size, found.end)
    get = values.get
    kind, data, slave = "", b"", None
    info = get(LINKINFO)
    if info is not None:
        parts = netlink.attributes(info, 0, len(info))
        kind = netlink.string(parts.get(INFO_KIND, b""))
        data = parts.get(INFO_DATA, b"")
        if parts.get(INFO_SLAVE_KIND) == b"bridge\0":
            slave = parts.get(INFO_SLAVE_DATA)
    nsid = get(_LINK_NETNSID)
    return LinkRecord(
        ifindex=index,
        name=netlink.string(values[IFNAME]),
        alias=netlink.string(get(_IFALIAS, b"")),
        up=bool(flags & _UP),
        running=bool(flags & _RUNNING),
        mac=address.unpack_mac(get(ADDRESS, b"")),
        mtu=netlink.number(get(MTU, b"")),
        master=netlink.number(get(_MASTER, b"")),
        lower=netlink.number(get(_LINK, b"")),
        nsid=None if nsid is None else int.from_bytes(nsid, "little", signed=True),
        kind=kind,
        data=data,
        slave=slave,
    )


def link(found: LinkRecord, namespace: str, names: Mapping[int, str], peer: tuple[str, str]) -> Link | None:
    """The Link that a record is, or None where it is of a kind that we do not make.

    Args:
        found: the record.
        namespace: where it was found.
        names: by index, of the masters.
        peer: namespace and name of a veth's other end.
    """
    spec = _spec(found, peer)
    if spec is None:
        return None
    master = names.get(found.master, f"index {found.master}") if found.master else None
    return Link(
        namespace=namespace,
        name=found.name,
        spec=spec,
        alias=found.alias,
        mac=found.mac,
        mtu=found.mtu,
        up=found.up,
        master=master,
        port=None if found.slave is None else link_kind.bridge_port(found.slave),
    )


def _spec(found: LinkRecord, peer: tuple[str, str]) -> Veth | Bridge | Vxlan | Tap | None:
    match found.kind:
        case "veth":
            return Veth(peer_namespace=peer[0], peer_name=peer[1])
        case "bridge":
            return link_kind.bridge(found.data)
        case "vxlan":
            return link_kind.vxlan(found.data)
        case "tun":
            return Tap()
        case _:
            return None


def to_make(wanted: Link, index: int, destination: int | None = None) -> Request:
    """The message that makes a link, down.

    Args:
        wanted: the link; not a `Tap`, which netlink cannot make.
        index: the index that it shall have.
        destination: descriptor of a veth's other end's namespace, or of the namespace to put another link into;
            None is the one that the message is sent in.
    """
    body = IFINFOMSG.pack(0, 0, index, 0, 0) + text(IFNAME, wanted.name)
    if wanted.mac is not None:
        body += attribute(ADDRESS, address.pack_mac(wanted.mac))
    match wanted.spec:
        case Veth():
            body += u32(MTU, wanted.mtu) + link_kind.veth_info(wanted, wanted.spec, destination)
        case Bridge():
            # Only a change of its MTU makes a bridge keep it when a port with a smaller one joins, so it is born with
            # another one than `to_set` gives it (br_change_mtu in net/bridge/br_device.c).
            body += u32(MTU, wanted.mtu + 1 if wanted.mtu < _LARGEST_MTU else wanted.mtu - 1)
            body += link_kind.bridge_info(wanted.spec)
        case Vxlan():
            body += u32(MTU, wanted.mtu) + link_kind.vxlan_info(wanted.spec)
            if destination is not None:
                body += u32(NET_NS_FD, destination)
    return Request(netlink.NEWLINK, netlink.CREATE | netlink.EXCL, body)


def to_set(wanted: Link, index: int, master: int, old: Link | None = None) -> list[Request]:
    """The messages that give a link that is there everything but its kind.

    Args:
        wanted: how it shall be.
        index: its index.
        master: index of its bridge, 0 for none.
        old: how it is, or None for one just made by `to_make`.
    """
    alias = attribute(_IFALIAS, wanted.alias.encode())
    body = alias + _NO_OWN_IPV6
    if old is None:
        if isinstance(wanted.spec, Bridge | Tap):
            body += u32(MTU, wanted.mtu)
        if isinstance(wanted.spec, Tap) and wanted.mac is not None:
            body += attribute(ADDRESS, address.pack_mac(wanted.mac))
    else:
        if old.mtu != wanted.mtu:
            body += u32(MTU, wanted.mtu)
        if wanted.mac is not None and old.mac != wanted.mac:
            body += attribute(ADDRESS, address.pack_mac(wanted.mac))
    if wanted.master != (None if old is None else old.master):
        body += u32(_MASTER, master)
    going_down = old is not None and old.up and not wanted.up
    requests = [_set(index, 0, _UP if going_down else 0, body)]
    if old is not None and old.spec != wanted.spec:
        requests += [_set(index, 0, 0, info) for info in link_kind.changed_info(old.spec, wanted.spec)]
    rest = b"" if wanted.port is None else link_kind.port_info(wanted.port, old)
    if wanted.up:
        requests.append(_set(index, _UP, _UP, rest))
    elif rest:
        requests.append(_set(index, 0, 0, rest))
    return requests


def _set(index: int, flags: int, change: int, body: bytes) -> Request:
    return Request(netlink.NEWLINK, 0, IFINFOMSG.pack(0, 0, index, flags, change) + body)


def to_mark(alias: str, index: int) -> Request:
    """The message that gives a link its alias, and no IPv6 addresses of its own."""
    return _set(index, 0, 0, attribute(_IFALIAS, alias.encode()) + _NO_OWN_IPV6)


def to_delete(index: int) -> Request:
    """The message that deletes a link."""
    return Request(netlink.DELLINK, 0, IFINFOMSG.pack(0, 0, index, 0, 0))


def to_delete_many(indexes: list[int]) -> list[Request]:
    """Messages that delete several links of one namespace at once, which costs the kernel little more than one."""
    if not indexes:
        return []
    group = u32(_GROUP, _DOOMED)
    marks = [Request(netlink.NEWLINK, 0, IFINFOMSG.pack(0, 0, index, 0, 0) + group) for index in indexes]
    return [*marks, Request(netlink.DELLINK, 0, IFINFOMSG.pack(0, 0, 0, 0, 0) + group)]


def to_mark_namespace(mark: str) -> Request:
    """The message that gives a namespace its mark and brings its loopback up."""
    return Request(netlink.NEWLINK, 0, IFINFOMSG.pack(0, 0, LOOPBACK, _UP, _UP) + attribute(_IFALIAS, mark.encode()))
