"""Hosts: what the others need to know of one."""

import msgspec

from onehop.net.identifier import HostName


class Host(msgspec.Struct, frozen=True, tag="host", kw_only=True):
    """A machine with an agent.

    Attributes:
        name: unique.
        vtep: IP address that the others send VXLAN to.
        physical_networks: names of the physical networks that it reaches, sorted.
    """

    name: HostName
    vtep: str
    physical_networks: tuple[str, ...] = ()

    @property
    def id(self) -> HostName:
        """Hosts are told apart by name."""
        return self.name
