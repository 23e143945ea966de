"""A route."""

from typing import ClassVar

import msgspec

from onehop.objects.base import KernelObject, Key

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


class Route(KernelObject, frozen=True, kw_only=True):
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
