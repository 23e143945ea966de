"""Ports: what the data plane needs to know of one."""

import msgspec

from onehop.model.attribute import (
    ADMIN_STATE,
    BOOL,
    ID,
    JSON,
    NAME,
    QOS_POLICY,
    REQUIRED,
    STANDARD,
    TEXT,
    Attribute,
    Column,
    reference,
    status,
    stored,
)
from onehop.model.kind import BOOLEAN, ip, list_of, mac, mapping, one_of, only, record, text, uuid
from onehop.model.resource import Extension, Parent, Resource, owner
from onehop.model.security_group import MAXIMUM_GROUPS
from onehop.net.identifier import HostName, NetworkId, PortId, ProjectId, RouterId, SecurityGroupId, SubnetId

INTERFACE_OWNERS = frozenset({"network:router_interface_distributed", "network:router_interface"})
"""`device_owner` of a port that is a router's leg on a network."""


class FixedIp(msgspec.Struct, frozen=True, gc=False):
    """One address of a port: canonical, without prefix length."""

    subnet_id: SubnetId
    ip_address: str


class AddressPair(msgspec.Struct, frozen=True, gc=False):
    """What a port may use besides its own: canonical MAC, and address or prefix."""

    mac_address: str
    ip_address: str


class Binding(msgspec.Struct, frozen=True, gc=False):
    """A host on which the port is, or is about to be.

    Attributes:
        host: the host's name.
        active: traffic goes there. At most one binding of a port is active; the others prepare for a move.
        since: the revision at which it became active; 0 for one that is not.
    """

    host: HostName
    active: bool = True
    since: int = 0


class Port(msgspec.Struct, frozen=True, tag_field="kind", tag="port", kw_only=True, gc=False):
    """An attachment to a network: an instance's, or a router's interface.

    Attributes:
        mac_address: canonical.
        fixed_ips: in the API's order.
        device_owner: who uses it; a router's leg has one of `INTERFACE_OWNERS`.
        device_id: the instance's or router's id.
        bindings: sorted by host.
        security_groups: sorted. They count where `port_security_enabled`; with none of them nothing passes.
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
    security_groups: tuple[SecurityGroupId, ...] = ()

    @property
    def host(self) -> HostName | None:
        """The host that traffic for this port goes to, or None while it is unbound."""
        return next((b.host for b in self.bindings if b.active), None)

    @property
    def router_id(self) -> RouterId | None:
        """The router whose interface this is, or None for every other port."""
        return RouterId(self.device_id) if self.device_owner in INTERFACE_OWNERS else None

    @property
    def addresses(self) -> tuple[str, ...]:
        """What it may send from: fixed IPs, and addresses and prefixes of its pairs; sorted, each once."""
        own = {ip.ip_address for ip in self.fixed_ips}
        return tuple(sorted(own.union(pair.ip_address for pair in self.allowed_address_pairs)))


_FIXED_IP = record({"subnet_id": uuid(), "ip_address": ip()})
_PAIR = record({"mac_address": mac(), "ip_address": text(64)})

PORT = Resource(
    name="port",
    collection="ports",
    attributes=(
        ID,
        NAME,
        reference("network_id", "network", post=True),
        *owner(),
        stored("mac_address", mac(), TEXT, post=True, put=True),
        ADMIN_STATE,
        *status("ACTIVE", "DOWN", "ERROR", first="DOWN"),
        stored("device_id", text(), Column(type="text", index=True), post=True, put=True, default=""),
        stored("device_owner", text(), TEXT, post=True, put=True, default=""),
        Attribute(
            name="fixed_ips",
            kind=list_of(_FIXED_IP, 64, unique=False),
            column=JSON,
            post=True,
            put=True,
            filter=True,
        ),
        Attribute(
            name="allowed_address_pairs",
            kind=list_of(_PAIR, 1000, unique=False, null_is_empty=True),
            column=JSON,
            post=True,
            put=True,
            default=[],
        ),
        stored("port_security_enabled", BOOLEAN, BOOL, post=True, put=True),
        Attribute(
            name="security_groups",
            kind=list_of(uuid(), MAXIMUM_GROUPS, null_is_empty=True),
            column=Column(type="json", before="[]"),
            post=True,
            put=True,
            filter=True,
        ),
        stored(
            "binding:host_id",
            text(63, null_is_empty=True),
            Column(type="text", index=True),
            post=True,
            put=True,
            default="",
            admin=True,
        ),
        Attribute(
            name="binding:profile",
            kind=mapping(),
            column=JSON,
            post=True,
            put=True,
            default={},
            admin_see=True,
            admin_set=True,
        ),
        Attribute(
            name="binding:vnic_type",
            kind=only("normal", feature="a vnic_type other than normal"),
            post=True,
            put=True,
            filter=True,
        ),
        Attribute(name="binding:vif_type", kind=text(64), admin_see=True),
        Attribute(name="binding:vif_details", kind=mapping(), admin_see=True),
        Attribute(name="extra_dhcp_opts", kind=only([], feature="DHCP"), post=True, put=True),
        QOS_POLICY,
        Attribute(name="qos_network_policy_id", kind=only(None, feature="quality of service")),
        Attribute(name="dns_name", kind=only("", feature="DNS integration"), post=True, put=True),
        Attribute(name="dns_domain", kind=only("", feature="DNS integration"), post=True, put=True),
        Attribute(name="dns_assignment", kind=list_of(mapping(), 64)),
        Attribute(
            name="propagate_uplink_status",
            kind=only(True, feature="uplink status propagation"),
            post=True,
            put=True,
        ),
        Attribute(name="data_plane_status", kind=only(None, feature="data plane status"), put=True),
        Attribute(name="ip_allocation", kind=one_of("immediate", "none")),
        Attribute(name="resource_request", kind=only(None, feature="placement")),
        *STANDARD,
    ),
    unique=(("network_id", "mac_address"),),
    extensions=(
        Extension("binding", "Port binding", "On which host a port is.", "2014-02-03T10:00:00-00:00"),
        Extension(
            "allowed-address-pairs",
            "Allowed address pairs",
            "Addresses that a port may use besides its own.",
            "2013-07-23T10:00:00-00:00",
        ),
        Extension("port-security", "Port security", "Protection against spoofing.", "2012-07-23T10:00:00-00:00"),
        Extension(
            "ip-substring-filtering",
            "IP address substring filtering",
            "Ports are found by a part of their address.",
            "2017-11-28T09:00:00-00:00",
        ),
        Extension("onehop-status", "Reasons", "status_reason says why a status is ERROR.", "2026-11-23T00:00:00-00:00"),
    ),
)
"""`status` and `status_reason` are written by the store from what the host of the active binding reported.

`fixed_ips` is the one truth about a port's addresses; that no two ports share a (subnet, address) is kept by the
store's allocation table. `security_groups`, sorted, is the one truth about its groups; which ports a group has is the
store's table for it. `binding:host_id` repeats the host of the active binding, "" when there is none.
"""

BINDING = Resource(
    name="binding",
    collection="bindings",
    attributes=(
        Attribute(
            name="port_id",
            kind=uuid(),
            column=Column(type="text", references="port", index=True),
            view=False,
        ),
        stored("host", text(63), Column(type="text", index=True), post=True, default=REQUIRED),
        stored("status", one_of("ACTIVE", "INACTIVE"), TEXT, default="INACTIVE"),
        Attribute(name="profile", kind=mapping(), column=JSON, post=True, put=True, default={}),
        Attribute(name="vnic_type", kind=only("normal", feature="a vnic_type other than normal"), post=True, put=True),
        Attribute(name="vif_type", kind=text(64)),
        Attribute(name="vif_details", kind=mapping()),
    ),
    key="host",
    parent=Parent("port", "port_id"),
    tags=False,
    owned=False,
    unique=(("port_id", "host"),),
    bumps=Parent("port", "port_id"),
    logged="bumps",
    actions=("activate",),
    extensions=(
        Extension(
            "binding-extended",
            "Port bindings, extended",
            "A port can be prepared on a second host before it moves.",
            "2017-07-17T10:00:00-00:00",
        ),
    ),
)
"""A port's place on a host, as the API shows it. It has no id of its own: a port and a host name it."""
