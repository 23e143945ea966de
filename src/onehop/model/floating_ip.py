"""Floating IPs: what the data plane needs to know of one."""

import msgspec

from onehop.net.identifier import FloatingIpId, NetworkId, PortId, RouterId


class Forwarding(msgspec.Struct, frozen=True, kw_only=True):
    """A range of external ports that leads to an instance.

    Attributes:
        protocol: ``tcp`` or ``udp``.
        external_first, external_last: on the floating IP.
        port_id: the instance's port.
        internal_ip: canonical IPv4 address of that port.
        internal_first: the instance's port for `external_first`; the others follow one by one.
    """

    protocol: str
    external_first: int
    external_last: int
    port_id: PortId
    internal_ip: str
    internal_first: int


class FloatingIp(msgspec.Struct, frozen=True, tag_field="kind", tag="floatingip", kw_only=True):
    """An external address that leads to one inside.

    Attributes:
        address: canonical IPv4 address on the external network.
        network_id: the external network.
        router_id: the router that translates it; one without a router is not sent to any host.
        port_id: the port it leads to, or None where only forwardings use it.
        fixed_ip: canonical IPv4 address of that port (or a virtual address that its owner moves), or None.
        forwardings: port forwardings; never together with `port_id`.
    """

    id: FloatingIpId
    address: str
    network_id: NetworkId
    router_id: RouterId
    port_id: PortId | None = None
    fixed_ip: str | None = None
    forwardings: tuple[Forwarding, ...] = ()
