"""A route."""

from collections.abc import Iterator, Mapping
from struct import Struct, pack
from typing import ClassVar

import msgspec

from onehop.net import address
from onehop.net.naming import PROTOCOL
from onehop.objects import netlink
from onehop.objects.base import Carried, IndexOf, Key
from onehop.objects.netlink import Found, Request

RTMSG = Struct("=BBBBBBBBI")
"""rtmsg: family, destination and source length, tos, table, protocol, scope, type, flags."""

_HOP = Struct("=HBBi")  # rtnexthop: length, flags, weight less one, link
_DST, _OIF, _GATEWAY, _PRIORITY, _PREFSRC, _MULTIPATH, _TABLE, _VIA = 1, 4, 5, 6, 7, 9, 15, 18
_ONLINK = 4
_UNIVERSE, _LINK, _NOWHERE = 0, 253, 255
_TYPES = {"unicast": 1, "local": 2, "blackhole": 6, "unreachable": 7, "prohibit": 8}
_TYPE_NAMES = {value: name for name, value in _TYPES.items()}

MAIN = 254
"""The main routing table."""


class NextHop(msgspec.Struct, frozen=True):
    """One way on.

    Attributes:
        gateway: IP address of the next router, or None for a destination on the link.
        link: name of the link, or None where the kernel finds it from the gateway.
        onlink: pretend that the gateway is on the link.
        weight: 1 to 256, among several.
    """

    gateway: str | None = None
    link: str | None = None
    onlink: bool = False
    weight: int = 1


class Route(Carried, frozen=True, kw_only=True):
    """A route of ours (``rtm_protocol`` `onehop.net.naming.PROTOCOL`).

    Attributes:
        destination: canonical prefix; ``0.0.0.0/0`` or ``::/0`` is the default.
        table: routing table.
        metric: priority; IPv6 has 1024 where none is given, and we always give one.
        hops: where to; empty for `type` other than ``unicast``. In canonical order.
        type: ``unicast``, ``blackhole``, ``unreachable`` or ``prohibit``.
        source: preferred source address, or None.
    """

    kind: ClassVar[str] = "route"
    destination: str
    table: int = MAIN
    metric: int = 100
    hops: tuple[NextHop, ...] = ()
    type: str = "unicast"
    source: str | None = None

    @property
    def key(self) -> Key:
        return (self.kind, self.namespace, self.table, self.destination, self.metric)

    def to_create(self, index: IndexOf) -> Request:
        return Request(netlink.NEWROUTE, netlink.CREATE | netlink.EXCL, self._body(index))

    def to_replace(self, old: Carried, index: IndexOf) -> tuple[Request, ...]:
        if isinstance(old, Route) and old.type == self.type == "unicast":
            return (Request(netlink.NEWROUTE, netlink.CREATE | netlink.REPLACE, self._body(index)),)
        return old.to_delete(index), self.to_create(index)

    def to_delete(self, index: IndexOf) -> Request:  # noqa: ARG002  # the key says it all, whatever the hops are now
        family, length, destination = netlink.prefix_parts(self.destination)
        header = RTMSG.pack(family, length, 0, 0, 0, PROTOCOL, _NOWHERE, _TYPES[self.type], 0)
        return Request(netlink.DELROUTE, 0, header + self._common(destination))

    def _common(self, destination: bytes) -> bytes:
        return (
            netlink.attribute(_DST, destination) + netlink.u32(_TABLE, self.table) + netlink.u32(_PRIORITY, self.metric)
        )

    def _body(self, index: IndexOf) -> bytes:
        family, length, destination = netlink.prefix_parts(self.destination)
        flags = _ONLINK if len(self.hops) == 1 and self.hops[0].onlink else 0
        direct = self.type == "unicast" and all(hop.gateway is None for hop in self.hops)
        scope = _LINK if direct and family == netlink.AF_INET else _UNIVERSE
        body = RTMSG.pack(family, length, 0, 0, 0, PROTOCOL, scope, _TYPES[self.type], flags)
        body += self._common(destination)
        if self.source is not None:
            body += netlink.attribute(_PREFSRC, address.pack(self.source))
        if len(self.hops) == 1:
            hop = self.hops[0]
            oif = b"" if hop.link is None else netlink.u32(_OIF, index(hop.link))
            return body + oif + _gateway(hop, family)
        if self.hops:
            body += netlink.attribute(_MULTIPATH, b"".join(_packed(hop, family, index) for hop in self.hops))
        return body

    @classmethod
    def decode(cls, found: Found, namespace: str, names: Mapping[int, str]) -> "Route | None":
        data, start, end = found
        family, length, _, _, table, protocol, _, kind, flags = RTMSG.unpack_from(data, start)
        if protocol != PROTOCOL or family not in (netlink.AF_INET, netlink.AF_INET6):
            return None
        values = netlink.attributes(data, start + RTMSG.size, end)
        destination = values.get(_DST, bytes(4 if family == netlink.AF_INET else 16))
        hops: tuple[NextHop, ...] = ()
        if kind == _TYPES["unicast"]:
            hops = tuple(sorted(_hops(values, flags, names), key=hop_order))
        source = values.get(_PREFSRC)
        return cls(
            namespace=namespace,
            destination=f"{address.unpack(destination)}/{length}",
            table=netlink.number(values[_TABLE]) if _TABLE in values else table,
            metric=netlink.number(values.get(_PRIORITY, b"")),
            hops=hops,
            type=_TYPE_NAMES.get(kind, str(kind)),
            source=None if source is None else address.unpack(source),
        )


def hop_order(hop: NextHop) -> tuple[str, str, bool, int]:
    """The canonical order of the hops of a route: by the text of gateway and link."""
    return (hop.gateway or "", hop.link or "", hop.onlink, hop.weight)


def _gateway(hop: NextHop, family: int) -> bytes:
    if hop.gateway is None:
        return b""
    packed = address.pack(hop.gateway)
    own = netlink.FAMILY[address.version(hop.gateway)]
    if own == family:
        return netlink.attribute(_GATEWAY, packed)
    return netlink.attribute(_VIA, pack("=H", own) + packed)


def _packed(hop: NextHop, family: int, index: IndexOf) -> bytes:
    gateway = _gateway(hop, family)
    link = 0 if hop.link is None else index(hop.link)
    return _HOP.pack(_HOP.size + len(gateway), _ONLINK if hop.onlink else 0, hop.weight - 1, link) + gateway


def _hops(values: Mapping[int, bytes], flags: int, names: Mapping[int, str]) -> Iterator[NextHop]:
    several = values.get(_MULTIPATH)
    if several is None:
        if _OIF in values:
            yield _hop(values, flags, 1, netlink.number(values[_OIF]), names)
        return
    at = 0
    while at + _HOP.size <= len(several):
        size, hop_flags, weight, index = _HOP.unpack_from(several, at)
        inner = netlink.attributes(several, at + _HOP.size, at + size)
        yield _hop(inner, hop_flags, weight + 1, index, names)
        at += (size + 3) & ~3


def _hop(values: Mapping[int, bytes], flags: int, weight: int, index: int, names: Mapping[int, str]) -> NextHop:
    gateway = None
    if _GATEWAY in values:
        gateway = address.unpack(values[_GATEWAY])
    elif _VIA in values:
        gateway = address.unpack(values[_VIA][2:])
    link = names.get(index, f"index {index}")
    return NextHop(gateway=gateway, link=link, onlink=bool(flags & _ONLINK), weight=weight)
