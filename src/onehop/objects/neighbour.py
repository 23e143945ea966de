"""A permanent entry of the neighbour table (ARP for IPv4, ND for IPv6)."""

from typing import ClassVar

from onehop.objects.base import KernelObject, Key


class Neighbour(KernelObject, frozen=True, kw_only=True):
    """A permanent neighbour (``NUD_PERMANENT``).

    Attributes:
        link: name of the link.
        address: canonical IP address.
        mac: its MAC.
    """

    kind: ClassVar[str] = "neighbour"
    link: str
    address: str
    mac: str

    @property
    def key(self) -> Key:
        return (self.kind, self.namespace, self.link, self.address)
