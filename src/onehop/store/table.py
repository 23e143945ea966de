"""The tables: one for each resource of RESOURCES, derived, and the store's own beside them.

A resource's table has a column for each stored attribute (``provider:network_type`` → ``provider_network_type``), and
columns of the store's own that rows never show. Migrations are written by hand; a test holds them equal to this.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from onehop.model.attribute import Attribute
from onehop.model.resource import Resource
from onehop.model.resources import RESOURCES
from onehop.store.column import TEXT, TYPES, Json

METADATA = sa.MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    }
)

OWN_COLUMNS: Mapping[str, tuple[str, ...]] = MappingProxyType({"port": ("bound_at",), "floatingip": ("bound_at",)})
"""Columns that rows never show: `bound_at` is the revision at which a port's active binding, or where a floating IP
leads to, last changed.
"""


def key_columns(resource: Resource) -> tuple[str, ...]:
    """Names of the columns that tell rows apart: ``id``, or parent's id and key of a child without one."""
    if resource.attribute("id") is not None:
        return ("id",)
    if resource.parent is None:
        raise LookupError(f"{resource.name} has neither an id nor a parent")
    return (resource.parent.attribute, resource.key)


def _column(resource: Resource, attribute: Attribute) -> sa.Column[Any]:
    column = attribute.column
    if column is None:
        raise LookupError(f"{resource.name} does not store {attribute.name}")
    arguments: list[sa.ForeignKey] = []
    if column.references is not None:
        hangs = resource.parent is not None and resource.parent.attribute == attribute.name
        arguments.append(sa.ForeignKey(f"{column.references}.id", ondelete="CASCADE" if hangs else "RESTRICT"))
    kind = TYPES[column.type]
    return sa.Column(attribute.column_name, kind, *arguments, nullable=column.nullable, server_default=column.before)


def _table(resource: Resource) -> sa.Table:
    columns = [_column(resource, a) for a in resource.columns]
    if resource.tags:
        columns.append(sa.Column("tags", Json(), nullable=False, server_default="[]"))
    columns.extend(
        sa.Column(name, sa.BigInteger(), nullable=False, server_default="0")
        for name in OWN_COLUMNS.get(resource.name, ())
    )
    key = key_columns(resource)
    table = sa.Table(resource.name, METADATA, *columns, sa.PrimaryKeyConstraint(*key))
    leading = {key[0]}
    for group in resource.unique:
        names = [group_name.replace(":", "_") for group_name in group]
        leading.add(names[0])
        if tuple(names) != key:
            table.append_constraint(sa.UniqueConstraint(*names))
    for attribute in resource.columns:
        if attribute.column is not None and attribute.column.index and attribute.column_name not in leading:
            sa.Index(None, table.c[attribute.column_name])
    return table


TABLES: Mapping[str, sa.Table] = MappingProxyType({r.name: _table(r) for r in RESOURCES})
"""Resource name → table."""

ACTIVE_BINDING = sa.Index(
    "binding_active_key",
    TABLES["binding"].c.port_id,
    unique=True,
    sqlite_where=TABLES["binding"].c.status == "ACTIVE",
    postgresql_where=TABLES["binding"].c.status == "ACTIVE",
)
"""A port has one active binding at most."""

sa.Index(None, TABLES["port"].c.network_id, TABLES["port"].c.device_owner)

VNI = sa.Table(
    "vni",
    METADATA,
    sa.Column("vni", sa.BigInteger(), nullable=False, autoincrement=False),
    sa.Column("kind", TEXT, nullable=False),
    sa.Column("id", TEXT, nullable=False),
    sa.PrimaryKeyConstraint("vni"),
    sa.UniqueConstraint("kind", "id"),
)
"""Who has which VNI: networks, and the transit networks of routers."""

GATEWAY = sa.Table(
    "gateway",
    METADATA,
    sa.Column("router_id", TEXT, sa.ForeignKey("router.id", ondelete="RESTRICT"), nullable=False),
    sa.Column("port_id", TEXT, sa.ForeignKey("port.id", ondelete="RESTRICT"), nullable=False),
    sa.Column("network_id", TEXT, sa.ForeignKey("network.id", ondelete="RESTRICT"), nullable=False),
    sa.Column("vni", sa.BigInteger(), nullable=False),
    sa.Column("owner", TEXT, nullable=True),
    sa.Column("generation", sa.BigInteger(), nullable=False),
    sa.Column("candidates", Json(), nullable=False),
    sa.PrimaryKeyConstraint("router_id"),
    sa.UniqueConstraint("port_id"),
    sa.UniqueConstraint("vni"),
    sa.Index(None, "network_id"),
    sa.Index(None, "owner"),
)
"""Routers that have a way outside. `generation` is the revision at which `owner` last changed."""

PLACE = sa.Table(
    "place",
    METADATA,
    sa.Column("router_id", TEXT, sa.ForeignKey("gateway.router_id", ondelete="CASCADE"), nullable=False),
    sa.Column("host", TEXT, nullable=False),
    sa.Column("network_id", TEXT, nullable=False),
    sa.Column("number", sa.Integer(), nullable=False),
    sa.Column("mac_address", TEXT, nullable=False),
    sa.Column("transit_ip", TEXT, nullable=False),
    sa.Column("transit_mac", TEXT, nullable=False),
    sa.PrimaryKeyConstraint("router_id", "host"),
    sa.UniqueConstraint("router_id", "number"),
    sa.UniqueConstraint("router_id", "transit_ip"),
    sa.UniqueConstraint("router_id", "transit_mac"),
    sa.UniqueConstraint("network_id", "mac_address"),
    sa.Index(None, "host"),
)
"""What each host of a router with a gateway was given; `network_id` is the external network, for its MACs."""

PORT_BLOCK = sa.Table(
    "port_block",
    METADATA,
    sa.Column("router_id", TEXT, sa.ForeignKey("gateway.router_id", ondelete="CASCADE"), nullable=False),
    sa.Column("address", TEXT, nullable=False),
    sa.Column("first", sa.Integer(), nullable=False),
    sa.Column("size", sa.Integer(), nullable=False),
    sa.Column("host", TEXT, nullable=False),
    sa.Column("since", sa.BigInteger(), nullable=False),
    sa.Column("freed_at", sa.Double(), nullable=True),
    sa.PrimaryKeyConstraint("router_id", "address", "first"),
)
"""Who has which source ports of which IPv4 address of a gateway, since which revision; with `freed_at` who had them, in
quarantine.
"""

TAG = sa.Table(
    "tag",
    METADATA,
    sa.Column("kind", TEXT, nullable=False),
    sa.Column("tag", TEXT, nullable=False),
    sa.Column("id", TEXT, nullable=False),
    sa.PrimaryKeyConstraint("kind", "tag", "id"),
    sa.Index(None, "kind", "id"),
)
"""For finding rows by tag; the row itself repeats them."""

ALLOCATION = sa.Table(
    "allocation",
    METADATA,
    sa.Column("subnet_id", TEXT, sa.ForeignKey("subnet.id", ondelete="RESTRICT"), nullable=False),
    sa.Column("octets", sa.LargeBinary(), nullable=False),
    sa.Column("ip_address", TEXT, nullable=False),
    sa.Column(
        "port_id",
        TEXT,
        sa.ForeignKey("port.id", ondelete="CASCADE", deferrable=True, initially="DEFERRED"),
        nullable=False,
    ),
    sa.PrimaryKeyConstraint("subnet_id", "octets"),
    sa.Index(None, "ip_address"),
    sa.Index(None, "port_id"),
)
"""Who has which address of a subnet. `octets`, in network order, sort as addresses do; `ip_address` is their text."""

SECURITY_GROUP_PORT = sa.Table(
    "security_group_port",
    METADATA,
    sa.Column("security_group_id", TEXT, sa.ForeignKey("security_group.id", ondelete="RESTRICT"), nullable=False),
    sa.Column("port_id", TEXT, sa.ForeignKey("port.id", ondelete="CASCADE"), nullable=False),
    sa.PrimaryKeyConstraint("security_group_id", "port_id"),
    sa.Index(None, "port_id"),
)
"""Which ports have which security group: what rows of ports say in ``security_groups``."""

REVISION = sa.Table(
    "revision",
    METADATA,
    sa.Column("only", sa.Integer(), nullable=False, autoincrement=False),
    sa.Column("value", sa.BigInteger(), nullable=False),
    sa.Column("pruned", sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint("only"),
)
"""One row: the newest revision, and the newest one whose changes were forgotten."""

CHANGE_LOG = sa.Table(
    "change_log",
    METADATA,
    sa.Column("revision", sa.BigInteger(), nullable=False, autoincrement=False),
    sa.Column("kind", TEXT, nullable=False),
    sa.Column("id", TEXT, nullable=False),
    sa.Column("deleted", sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint("revision", "kind", "id"),
)

HOST_STATUS = sa.Table(
    "host_status",
    METADATA,
    sa.Column("kind", TEXT, nullable=False),
    sa.Column("id", TEXT, nullable=False),
    sa.Column("host", TEXT, nullable=False),
    sa.Column("state", TEXT, nullable=False),
    sa.Column("reason", TEXT, nullable=False),
    sa.Column("revision", sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint("kind", "id", "host"),
    sa.Index(None, "host"),
)
"""What each host said last of each resource."""

LIVENESS = sa.Table(
    "liveness",
    METADATA,
    sa.Column("host", TEXT, sa.ForeignKey("agent.host", ondelete="CASCADE"), nullable=False),
    sa.Column("session", sa.BigInteger(), nullable=False),
    sa.Column("connected", sa.Boolean(), nullable=False),
    sa.Column("applied", sa.BigInteger(), nullable=False),
    sa.Column("heartbeat_at", sa.Double(), nullable=True),
    sa.PrimaryKeyConstraint("host"),
)
"""What changes with every sign of life, apart from the agent's row."""

APPROVAL = sa.Table(
    "approval",
    METADATA,
    sa.Column("host", TEXT, sa.ForeignKey("agent.host", ondelete="CASCADE"), nullable=False),
    sa.Column("gateway_host", sa.Boolean(), nullable=False),
    sa.Column("physical_networks", Json(), nullable=False),
    sa.PrimaryKeyConstraint("host"),
)
"""What an operator lets a host be; its agent's words are in the agent's row."""

JOIN_TOKEN = sa.Table(
    "join_token",
    METADATA,
    sa.Column("digest", TEXT, nullable=False),
    sa.Column("host", TEXT, sa.ForeignKey("agent.host", ondelete="CASCADE"), nullable=False),
    sa.Column("expires_at", sa.Double(), nullable=False),
    sa.PrimaryKeyConstraint("digest"),
    sa.Index(None, "host"),
)

CERTIFICATE = sa.Table(
    "certificate",
    METADATA,
    sa.Column("serial", TEXT, nullable=False),
    sa.Column("host", TEXT, nullable=False),
    sa.Column("not_after", sa.Double(), nullable=False),
    sa.Column("revoked_at", sa.Double(), nullable=True),
    sa.PrimaryKeyConstraint("serial"),
    sa.Index(None, "host"),
)
"""Not tied to the host's row: a removed host stays locked out."""
