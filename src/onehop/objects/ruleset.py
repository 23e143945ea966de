"""An nftables table, whole."""

from typing import ClassVar

from onehop.objects.base import KernelObject, Key


class Ruleset(KernelObject, frozen=True, kw_only=True):
    """One nftables table with all that is in it, replaced as a whole in one transaction.

    Attributes:
        family: ``inet``, ``ip``, ``ip6``, ``arp``, ``bridge`` or ``netdev``.
        table: its name, beginning with `onehop.net.naming.TABLE`.
        body: the lines between the table's braces, in exactly the form that ``nft -s list table`` prints them
            (tabs, quotes, order), made from typed values only.
        devices: links that its chains hook (``netdev``); they must exist before it, and it must stand before they
            come up.
    """

    kind: ClassVar[str] = "ruleset"
    family: str
    table: str
    body: str
    devices: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        return (self.kind, self.namespace, self.family, self.table)
