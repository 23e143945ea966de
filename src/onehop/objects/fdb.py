"""Forwarding databases: a bridge's, and a VXLAN device's own."""

from typing import ClassVar

from onehop.objects.base import KernelObject, Key

ALL_ZERO = "00:00:00:00:00:00"
"""The MAC of VXLAN entries that say where broadcast and multicast go (head-end replication)."""


class BridgeFdb(KernelObject, frozen=True, kw_only=True):
    """A static entry of a bridge (``bridge fdb replace MAC dev PORT master static``).

    One bridge has one entry for a MAC, so the port is a value and changes in place.

    Attributes:
        bridge: name of the bridge.
        mac: the destination.
        port: name of the link it is behind.
    """

    kind: ClassVar[str] = "bridge_fdb"
    bridge: str
    mac: str
    port: str

    @property
    def key(self) -> Key:
        return (self.kind, self.namespace, self.bridge, self.mac)


class VxlanFdb(KernelObject, frozen=True, kw_only=True):
    """An entry of a VXLAN device (``bridge fdb replace MAC dev VXLAN self permanent dst VTEP``).

    A unicast MAC is at one VTEP, which changes in place; the all-zero MAC is at many, each an entry of its own.

    Attributes:
        link: name of the VXLAN device.
        mac: the destination, or `ALL_ZERO`.
        vtep: IP address of the host behind which it is.
    """

    kind: ClassVar[str] = "vxlan_fdb"
    link: str
    mac: str
    vtep: str

    @property
    def key(self) -> Key:
        if self.mac == ALL_ZERO:
            return (self.kind, self.namespace, self.link, self.mac, self.vtep)
        return (self.kind, self.namespace, self.link, self.mac)
