"""A rule of the routing policy database."""

from collections.abc import Mapping
from struct import Struct
from typing import ClassVar

from onehop.net.address import unpack
from onehop.net.naming import DEFAULT_TABLE, HOST, LOCAL_TABLE, MAIN_TABLE, PROTOCOL
from onehop.objects import netlink
from onehop.objects.base import Carried, IndexOf, Key
from onehop.objects.netlink import Found, Request

FIB_RULE = Struct("=BBBBBBBBI")
"""fib_rule_hdr: family, destination and source length, tos, table, two reserved, action, flags."""

_DST, _SRC, _IIFNAME, _PRIORITY, _FWMARK, _TABLE, _FWMASK, _PROTOCOL = 1, 2, 3, 6, 10, 15, 16, 21
_TO_TABLE = 1
_OF_THE_KERNEL = 2  # RTPROT_KERNEL
_VERSION = {netlink.AF_INET: 4, netlink.AF_INET6: 6}


class Rule(Carried, frozen=True, kw_only=True):
    """A policy rule of ours (``FRA_PROTOCOL`` `onehop.net.naming.PROTOCOL`): selector → table.

    In namespaces of ours the rules that the kernel makes there by itself (`born_rules`) count as ours too: they are
    part of what is desired, may be taken away, and are put back when somebody else did.

    Attributes:
        family: 4 or 6.
        priority: lower is asked first.
        table: routing table to look up.
        mark, mask: fwmark and its mask; mask 0 means that the mark does not matter.
        source, destination: canonical prefix or None.
        incoming: name of the link a packet came in by, or None.
    """

    kind: ClassVar[str] = "rule"
    family: int
    priority: int
    table: int
    mark: int = 0
    mask: int = 0
    source: str | None = None
    destination: str | None = None
    incoming: str | None = None

    @property
    def key(self) -> Key:
        return (
            self.kind,
            self.namespace,
            self.family,
            self.priority,
            self.table,
            self.mark,
            self.mask,
            self.source or "",
            self.destination or "",
            self.incoming or "",
        )

    def to_create(self, index: IndexOf) -> Request:  # noqa: ARG002  # rules speak of links by name
        return Request(netlink.NEWRULE, netlink.CREATE | netlink.EXCL, self._body())

    def to_delete(self, index: IndexOf) -> Request:  # noqa: ARG002  # as above
        return Request(netlink.DELRULE, 0, self._body(0 if self.is_born else PROTOCOL))

    @property
    def is_born(self) -> bool:
        """Whether it is one that the kernel makes in each of our namespaces: its own, or ours put back in its place."""
        return self.namespace != HOST and self in born_rules(self.namespace)

    def _body(self, protocol: int = PROTOCOL) -> bytes:
        lengths, body = [0, 0], b""
        for which, (kind, prefix) in enumerate(((_DST, self.destination), (_SRC, self.source))):
            if prefix is not None:
                _, lengths[which], packed = netlink.prefix_parts(prefix)
                body += netlink.attribute(kind, packed)
        if self.incoming is not None:
            body += netlink.text(_IIFNAME, self.incoming)
        if self.mask:
            body += netlink.u32(_FWMARK, self.mark) + netlink.u32(_FWMASK, self.mask)
        header = FIB_RULE.pack(netlink.FAMILY[self.family], lengths[0], lengths[1], 0, 0, 0, 0, _TO_TABLE, 0)
        return (
            header
            + netlink.u32(_PRIORITY, self.priority)
            + netlink.u32(_TABLE, self.table)
            + (netlink.u8(_PROTOCOL, protocol) if protocol else b"")
            + body
        )

    @classmethod
    def decode(cls, found: Found, namespace: str, names: Mapping[int, str]) -> "Rule | None":  # noqa: ARG003  # links by name
        data, start, end = found
        family, to_length, from_length, _, table, _, _, action, _ = FIB_RULE.unpack_from(data, start)
        values = netlink.attributes(data, start + FIB_RULE.size, end)
        protocol = values.get(_PROTOCOL)
        ours = protocol == bytes([PROTOCOL]) or (protocol == bytes([_OF_THE_KERNEL]) and namespace != HOST)
        if not ours or action != _TO_TABLE or family not in _VERSION:
            return None
        to, source, incoming = values.get(_DST), values.get(_SRC), values.get(_IIFNAME)
        return cls(
            namespace=namespace,
            family=_VERSION[family],
            priority=netlink.number(values.get(_PRIORITY, b"")),
            table=netlink.number(values[_TABLE]) if _TABLE in values else table,
            mark=netlink.number(values.get(_FWMARK, b"")),
            mask=netlink.number(values.get(_FWMASK, b"")),
            source=None if source is None else f"{unpack(source)}/{from_length}",
            destination=None if to is None else f"{unpack(to)}/{to_length}",
            incoming=None if incoming is None else netlink.string(incoming),
        )


def born_rules(namespace: str) -> tuple[Rule, ...]:
    """The rules that a new namespace is born with (fib_default_rules_init in net/ipv4, fib6_rules_init in net/ipv6)."""
    born = ((4, 0, LOCAL_TABLE), (4, 32766, MAIN_TABLE), (4, 32767, DEFAULT_TABLE), (6, 0, LOCAL_TABLE))
    return tuple(
        Rule(namespace=namespace, family=family, priority=priority, table=table)
        for family, priority, table in (*born, (6, 32766, MAIN_TABLE))
    )
