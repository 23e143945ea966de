"""Security groups: what may reach a port, and what may leave it.

A port's rules are those of all its groups. Nothing passes that no rule allows; what belongs to a connection that was
allowed, or is an ICMP error about one, does. The rules themselves are in `security_rule`.
"""

from typing import Literal

import msgspec

from onehop.model.attribute import BOOL, ID, NAME, STANDARD, Attribute, Column
from onehop.model.kind import BOOLEAN, list_of, mapping, only, text
from onehop.model.resource import Extension, Resource, owner
from onehop.net.identifier import PortId, ProjectId, SecurityGroupId

DEFAULT_NAME = "default"
"""Name of the group that every project has."""

MAXIMUM_RULES = 1000
"""Rules of one group."""

MAXIMUM_GROUPS = 64
"""Groups of one port."""

MAXIMUM_OWNED = 1000
"""Groups of one project."""


class SecurityRule(msgspec.Struct, frozen=True, kw_only=True, order=True, gc=False):
    """What may pass.

    Attributes:
        direction: ``ingress`` is towards the port.
        version: of IP, 4 or 6.
        protocol: IP protocol number, or -1 for any.
        first, last: destination ports; of ICMP type and code; -1 for any.
        prefix: the other end's addresses, or "" for any.
        group: the other end is a member of this group, or "" for anybody.
    """

    direction: Literal["ingress", "egress"]
    version: int
    protocol: int = -1
    first: int = -1
    last: int = -1
    prefix: str = ""
    group: str = ""


class SecurityGroup(msgspec.Struct, frozen=True, tag_field="kind", tag="security_group", kw_only=True, gc=False):
    """A named set of rules.

    Attributes:
        stateful: answers pass by themselves.
        rules: sorted, each once.
    """

    id: SecurityGroupId
    project_id: ProjectId
    stateful: bool = True
    rules: tuple[SecurityRule, ...] = ()

    @property
    def remotes(self) -> frozenset[str]:
        """Groups whose members the rules speak of."""
        return frozenset(rule.group for rule in self.rules if rule.group)


class Member(msgspec.Struct, frozen=True, tag_field="kind", tag="member", kw_only=True, gc=False):
    """One port's part in a group that rules speak of: all that a host which uses the group learns of the port.

    Attributes:
        group_id, port_id: which.
        addresses: its fixed IPs, and addresses and prefixes of its address pairs; sorted.
    """

    group_id: SecurityGroupId
    port_id: PortId
    addresses: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """``<group id>:<port id>``."""
        return f"{self.group_id}:{self.port_id}"


SECURITY_GROUP = Resource(
    name="security_group",
    collection="security_groups",
    path="security-groups",
    attributes=(
        ID,
        NAME,
        Attribute(name="stateful", kind=BOOLEAN, column=BOOL, post=True, put=True, default=True, filter=True),
        *owner(),
        Attribute(name="shared", kind=only(False, feature="a shared security group"), filter=True),
        Attribute(name="security_group_rules", kind=list_of(mapping(), MAXIMUM_RULES)),
        Attribute(
            name="default_of", kind=text(none=True), column=Column(type="text", nullable=True), view=False, default=None
        ),
        *STANDARD,
    ),
    unique=(("default_of",),),
    extensions=(
        Extension("security-group", "Security groups", "What may reach a port.", "2012-10-05T10:00:00-00:00"),
        Extension(
            "stateful-security-group",
            "Stateful security groups",
            "Answers pass by themselves, or not.",
            "2019-11-26T09:00:00-00:00",
        ),
        Extension(
            "security-groups-normalized-cidr",
            "Normalized prefixes",
            "Rules show the prefix that they mean.",
            "2021-09-30T10:00:00-00:00",
        ),
    ),
)
"""`default_of` is the project whose default group this is, so that no project has two."""
