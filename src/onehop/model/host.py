"""Hosts: what the others need to know of one."""

import msgspec

from onehop.model.attribute import BOOL, ID, JSON, NULLABLE_TEXT, TEXT, Attribute, Column
from onehop.model.kind import BOOLEAN, mapping, one_of, text
from onehop.model.resource import Extension, Resource
from onehop.net.identifier import HostName


class Host(msgspec.Struct, frozen=True, tag_field="kind", tag="host", kw_only=True):
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


AGENT = Resource(
    name="agent",
    collection="agents",
    attributes=(
        ID,
        Attribute(name="agent_type", kind=one_of("L3 agent"), filter=True),
        Attribute(name="binary", kind=text(), filter=True),
        Attribute(name="topic", kind=text(), filter=True),
        Attribute(name="host", kind=text(63), column=Column(type="text", index=True), filter=True, sort=True),
        Attribute(name="admin_state_up", kind=BOOLEAN, column=BOOL, put=True, default=True, filter=True, sort=True),
        Attribute(name="created_at", kind=text(), column=TEXT, sort=True),
        Attribute(name="started_at", kind=text(none=True), column=NULLABLE_TEXT, default=None, sort=True),
        Attribute(name="heartbeat_timestamp", kind=text(none=True), column=NULLABLE_TEXT, default=None, sort=True),
        Attribute(name="description", kind=text(none=True), column=NULLABLE_TEXT, put=True, default=None, filter=True),
        Attribute(name="resources_synced", kind=BOOLEAN),
        Attribute(name="availability_zone", kind=text(none=True), filter=True),
        Attribute(name="alive", kind=BOOLEAN, filter=True),
        Attribute(name="configurations", kind=mapping(65536), column=JSON, default={}),
    ),
    tags=False,
    owned=False,
    unique=(("host",),),
    operations=("list", "show", "update", "delete"),
    extensions=(Extension("agent", "Agents", "The agents, and whether they are alive.", "2013-02-03T10:00:00-00:00"),),
)
"""A host as the API shows it: one agent of type "L3 agent" each. The row is made when an operator adds the host.

`configurations` has ``vtep``, ``underlay_mtu`` and ``physical_networks`` (a sorted list) from the agent's last hello;
the data plane's `Host` is read from there. Writing `heartbeat_timestamp` is no change to the resource: no revision,
no change log.
"""
