"""An IP address on a link."""

from collections.abc import Mapping
from struct import Struct
from typing import ClassVar

from onehop.net.address import unpack
from onehop.objects import netlink
from onehop.objects.base import Carried, IndexOf, Key
from onehop.objects.netlink import Found, Request

IFADDRMSG = Struct("=BBBBI")
"""ifaddrmsg: family, prefix length, flags, scope, link."""

_ADDRESS, _LOCAL, _FLAGS, _PROTOCOL = 1, 2, 8, 11
_NODAD, _PERMANENT = 0x02, 0x80
_OF_THE_KERNEL = frozenset({b"\1", b"\2", b"\3"})  # IFAPROT_KERNEL_LO, _RA, _LL
_SCOPES = {"global": 0, "site": 200, "link": 253, "host": 254}
_SCOPE_NAMES = {value: name for name, value in _SCOPES.items()}


class Address(Carried, frozen=True, kw_only=True):
    """An address with its prefix length; IPv6 without duplicate address detection (``nodad``).

    Attributes:
        link: name of the link.
        address: canonical, with prefix length: ``10.0.0.1/24``.
        scope: ``global`` or ``link``; IPv6 link-locals are ``link``.
        connected: whether the route to its subnet is there that came with it; only a new address brings one back.
    """

    kind: ClassVar[str] = "address"
    link: str
    address: str
    scope: str = "global"
    connected: bool = True

    @property
    def key(self) -> Key:
        return (self.kind, self.namespace, self.link, self.address)

    def to_create(self, index: IndexOf) -> Request:
        return Request(netlink.NEWADDR, netlink.CREATE | netlink.EXCL, self._body(index))

    def to_delete(self, index: IndexOf) -> Request:
        return Request(netlink.DELADDR, 0, self._body(index))

    def _body(self, index: IndexOf) -> bytes:
        family, length, packed = netlink.prefix_parts(self.address)
        flags = _NODAD if family == netlink.AF_INET6 else 0
        header = IFADDRMSG.pack(family, length, flags, _SCOPES[self.scope], index(self.link))
        return header + netlink.attribute(_LOCAL, packed) + netlink.attribute(_ADDRESS, packed)

    @classmethod
    def decode(cls, found: Found, namespace: str, names: Mapping[int, str]) -> "Address | None":
        family, length, flags, scope, index = IFADDRMSG.unpack_from(found.data, found.start)
        link = names.get(index)
        if link is None or family not in (netlink.AF_INET, netlink.AF_INET6) or not flags & _PERMANENT:
            return None
        values = netlink.attributes(found.data, found.start + IFADDRMSG.size, found.end)
        packed = values.get(_LOCAL) or values.get(_ADDRESS)
        if packed is None or values.get(_PROTOCOL) in _OF_THE_KERNEL:
            return None
        if link == "lo" and (packed[:1] == b"\x7f" or packed == bytes(15) + b"\1"):
            return None
        return cls(
            namespace=namespace,
            link=link,
            address=f"{unpack(packed)}/{length}",
            scope=_SCOPE_NAMES.get(scope, str(scope)),
        )
