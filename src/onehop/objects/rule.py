"""A rule of the routing policy database."""

from typing import ClassVar

from onehop.objects.base import KernelObject, Key


class Rule(KernelObject, frozen=True, kw_only=True):
    """A policy rule of ours (``FRA_PROTOCOL`` `onehop.net.naming.PROTOCOL`): selector → table.

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
