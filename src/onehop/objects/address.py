"""An IP address on a link."""

from typing import ClassVar

from onehop.objects.base import KernelObject, Key


class Address(KernelObject, frozen=True, kw_only=True):
    """An address with its prefix length; IPv6 without duplicate address detection (``nodad``).

    Attributes:
        link: name of the link.
        address: canonical, with prefix length: ``10.0.0.1/24``.
        scope: ``global`` or ``link``; IPv6 link-locals are ``link``.
    """

    kind: ClassVar[str] = "address"
    link: str
    address: str
    scope: str = "global"

    @property
    def key(self) -> Key:
        return (self.kind, self.namespace, self.link, self.address)
