"""Ports: what the data plane needs to know of one."""

import msgspec

from onehop.net.identifier import HostName, NetworkId, PortId, ProjectId, RouterId, SubnetId

INTERFACE_OWNERS = frozenset({"network:router_interface_distributed", "network:router_interface"})
"""`device_owner` of a port that is a router's leg on a network."""


class FixedIp(msgspec.Struct, frozen=True):
    """One address of a port: canonical, without prefix length."""

    subnet_id: SubnetId
    ip_address: str


class AddressPair(msgspec.Struct, frozen=True):
    """What a port may use besides its own: canonical MAC, and address or prefix."""

    mac_address: str
    ip_address: str


class Binding(msgspec.Struct, frozen=True):
    """A host on which the port is, or is about to be.

    Attributes:
        host: the host's name.
        active: traffic goes there. At most one binding of a port is active; the others prepare for a move.
    """

    host: HostName
    active: bool = True


class Port(msgspec.Struct, frozen=True, tag="port", kw_only=True):
    """An attachment to a network: an instance's, or a router's interface.

    Attributes:
        mac_address: canonical.
        fixed_ips: in the API's order.
        device_owner: who uses it; a router's leg has one of `INTERFACE_OWNERS`.
        device_id: the instance's or router's id.
        bindings: sorted by host.
    """

    id: PortId
    network_id: NetworkId
    project_id: ProjectId
    mac_address: str
    fixed_ips: tuple[FixedIp, ...] = ()
    device_owner: str = ""
    device_id: str = ""
    admin_state_up: bool = True
    port_security_enabled: bool = True
    allowed_address_pairs: tuple[AddressPair, ...] = ()
    bindings: tuple[Binding, ...] = ()

    @property
    def host(self) -> HostName | None:
        """The host that traffic for this port goes to, or None while it is unbound."""
        return next((b.host for b in self.bindings if b.active), None)

    @property
    def router_id(self) -> RouterId | None:
        """The router whose interface this is, or None for every other port."""
        return RouterId(self.device_id) if self.device_owner in INTERFACE_OWNERS else None
