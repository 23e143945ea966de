"""The first schema: networks, subnets, ports, routers, floating IPs, agents, and the store's own tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

JSON = sa.Text()
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make every table."""
    _hosts()
    _resources()
    _ports()
    _floating_ips()
    _gateways()
    _own()


def _hosts() -> None:
    """Hosts, and how they join."""
    op.create_table(
        "agent",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("host", TEXT, nullable=False),
        sa.Column("admin_state_up", sa.Boolean(), nullable=False),
        sa.Column("created_at", TEXT, nullable=False),
        sa.Column("started_at", TEXT, nullable=True),
        sa.Column("heartbeat_timestamp", TEXT, nullable=True),
        sa.Column("description", TEXT, nullable=True),
        sa.Column("configurations", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="agent_pkey"),
        sa.UniqueConstraint("host", name="agent_host_key"),
    )
    op.create_table(
        "liveness",
        sa.Column("host", TEXT, nullable=False),
        sa.Column("session", sa.BigInteger(), nullable=False),
        sa.Column("connected", sa.Boolean(), nullable=False),
        sa.Column("applied", sa.BigInteger(), nullable=False),
        sa.Column("heartbeat_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["host"], ["agent.host"], name="liveness_host_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("host", name="liveness_pkey"),
    )
    op.create_table(
        "join_token",
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("host", TEXT, nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["host"], ["agent.host"], name="join_token_host_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("digest", name="join_token_pkey"),
    )
    op.create_index("join_token_host_idx", "join_token", ["host"])
    op.create_table(
        "certificate",
        sa.Column("serial", TEXT, nullable=False),
        sa.Column("host", TEXT, nullable=False),
        sa.Column("not_after", sa.Double(), nullable=False),
        sa.Column("revoked_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("serial", name="certificate_pkey"),
    )
    op.create_index("certificate_host_idx", "certificate", ["host"])


def _resources() -> None:
    """Networks, subnets, routers."""
    op.create_table(
        "network",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("admin_state_up", sa.Boolean(), nullable=False),
        sa.Column("mtu", sa.BigInteger(), nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("port_security_enabled", sa.Boolean(), nullable=False),
        sa.Column("router_external", sa.Boolean(), nullable=False),
        sa.Column("provider_network_type", TEXT, nullable=False),
        sa.Column("provider_physical_network", TEXT, nullable=True),
        sa.Column("provider_segmentation_id", sa.BigInteger(), nullable=True),
        sa.Column("description", TEXT, nullable=False),
        sa.Column("created_at", TEXT, nullable=False),
        sa.Column("updated_at", TEXT, nullable=False),
        sa.Column("revision_number", sa.BigInteger(), nullable=False),
        sa.Column("tags", JSON, server_default="[]", nullable=False),
        sa.PrimaryKeyConstraint("id", name="network_pkey"),
        sa.UniqueConstraint("provider_physical_network", name="network_provider_physical_network_key"),
        sa.UniqueConstraint("provider_segmentation_id", name="network_provider_segmentation_id_key"),
    )
    op.create_index("network_project_id_idx", "network", ["project_id"])
    op.create_table(
        "subnet",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("network_id", TEXT, nullable=False),
        sa.Column("ip_version", sa.BigInteger(), nullable=False),
        sa.Column("cidr", TEXT, nullable=False),
        sa.Column("gateway_ip", TEXT, nullable=True),
        sa.Column("allocation_pools", JSON, nullable=False),
        sa.Column("dns_nameservers", JSON, nullable=False),
        sa.Column("host_routes", JSON, nullable=False),
        sa.Column("enable_dhcp", sa.Boolean(), nullable=False),
        sa.Column("ipv6_ra_mode", TEXT, nullable=True),
        sa.Column("ipv6_address_mode", TEXT, nullable=True),
        sa.Column("description", TEXT, nullable=False),
        sa.Column("created_at", TEXT, nullable=False),
        sa.Column("updated_at", TEXT, nullable=False),
        sa.Column("revision_number", sa.BigInteger(), nullable=False),
        sa.Column("tags", JSON, server_default="[]", nullable=False),
        sa.ForeignKeyConstraint(["network_id"], ["network.id"], name="subnet_network_id_fkey", ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name="subnet_pkey"),
    )
    op.create_index("subnet_network_id_idx", "subnet", ["network_id"])
    op.create_index("subnet_project_id_idx", "subnet", ["project_id"])
    op.create_table(
        "router",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("admin_state_up", sa.Boolean(), nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("status_reason", TEXT, nullable=False),
        sa.Column("enable_snat", sa.Boolean(), nullable=False),
        sa.Column("snat", TEXT, nullable=False),
        sa.Column("port_block_size", sa.BigInteger(), nullable=False),
        sa.Column("routes", JSON, nullable=False),
        sa.Column("description", TEXT, nullable=False),
        sa.Column("created_at", TEXT, nullable=False),
        sa.Column("updated_at", TEXT, nullable=False),
        sa.Column("revision_number", sa.BigInteger(), nullable=False),
        sa.Column("tags", JSON, server_default="[]", nullable=False),
        sa.PrimaryKeyConstraint("id", name="router_pkey"),
    )
    op.create_index("router_project_id_idx", "router", ["project_id"])


def _ports() -> None:
    """Ports, where they are, and which addresses they have."""
    op.create_table(
        "port",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("network_id", TEXT, nullable=False),
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("mac_address", TEXT, nullable=False),
        sa.Column("admin_state_up", sa.Boolean(), nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("status_reason", TEXT, nullable=False),
        sa.Column("device_id", TEXT, nullable=False),
        sa.Column("device_owner", TEXT, nullable=False),
        sa.Column("fixed_ips", JSON, nullable=False),
        sa.Column("allowed_address_pairs", JSON, nullable=False),
        sa.Column("port_security_enabled", sa.Boolean(), nullable=False),
        sa.Column("binding_host_id", TEXT, nullable=False),
        sa.Column("binding_profile", JSON, nullable=False),
        sa.Column("description", TEXT, nullable=False),
        sa.Column("created_at", TEXT, nullable=False),
        sa.Column("updated_at", TEXT, nullable=False),
        sa.Column("revision_number", sa.BigInteger(), nullable=False),
        sa.Column("tags", JSON, server_default="[]", nullable=False),
        sa.Column("bound_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["network_id"], ["network.id"], name="port_network_id_fkey", ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name="port_pkey"),
        sa.UniqueConstraint("network_id", "mac_address", name="port_network_id_mac_address_key"),
    )
    op.create_index("port_binding_host_id_idx", "port", ["binding_host_id"])
    op.create_index("port_device_id_idx", "port", ["device_id"])
    op.create_index("port_project_id_idx", "port", ["project_id"])
    op.create_index("port_network_id_device_owner_idx", "port", ["network_id", "device_owner"])
    op.create_table(
        "binding",
        sa.Column("port_id", TEXT, nullable=False),
        sa.Column("host", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("profile", JSON, nullable=False),
        sa.ForeignKeyConstraint(["port_id"], ["port.id"], name="binding_port_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("port_id", "host", name="binding_pkey"),
    )
    op.create_index(
        "binding_active_key",
        "binding",
        ["port_id"],
        unique=True,
        sqlite_where=sa.text("status = 'ACTIVE'"),
        postgresql_where=sa.text("status = 'ACTIVE'"),
    )
    op.create_index("binding_host_idx", "binding", ["host"])
    op.create_table(
        "allocation",
        sa.Column("subnet_id", TEXT, nullable=False),
        sa.Column("octets", sa.LargeBinary(), nullable=False),
        sa.Column("ip_address", TEXT, nullable=False),
        sa.Column("port_id", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["port_id"],
            ["port.id"],
            name="allocation_port_id_fkey",
            ondelete="CASCADE",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(["subnet_id"], ["subnet.id"], name="allocation_subnet_id_fkey", ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("subnet_id", "octets", name="allocation_pkey"),
    )
    op.create_index("allocation_ip_address_idx", "allocation", ["ip_address"])
    op.create_index("allocation_port_id_idx", "allocation", ["port_id"])


def _floating_ips() -> None:
    """Floating IPs and port forwardings."""
    op.create_table(
        "floatingip",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("floating_ip_address", TEXT, nullable=False),
        sa.Column("floating_network_id", TEXT, nullable=False),
        sa.Column("router_id", TEXT, nullable=True),
        sa.Column("port_id", TEXT, nullable=True),
        sa.Column("fixed_ip_address", TEXT, nullable=True),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("status_reason", TEXT, nullable=False),
        sa.Column("description", TEXT, nullable=False),
        sa.Column("created_at", TEXT, nullable=False),
        sa.Column("updated_at", TEXT, nullable=False),
        sa.Column("revision_number", sa.BigInteger(), nullable=False),
        sa.Column("tags", JSON, server_default="[]", nullable=False),
        sa.Column("bound_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["floating_network_id"], ["network.id"], name="floatingip_floating_network_id_fkey", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(["router_id"], ["router.id"], name="floatingip_router_id_fkey", ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["port_id"], ["port.id"], name="floatingip_port_id_fkey", ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name="floatingip_pkey"),
        sa.UniqueConstraint(
            "floating_network_id", "floating_ip_address", name="floatingip_floating_network_id_floating_ip_address_key"
        ),
        sa.UniqueConstraint(
            "floating_network_id",
            "port_id",
            "fixed_ip_address",
            name="floatingip_floating_network_id_port_id_fixed_ip_address_key",
        ),
    )
    for column in ("project_id", "router_id", "port_id"):
        op.create_index(f"floatingip_{column}_idx", "floatingip", [column])
    op.create_table(
        "port_forwarding",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("floatingip_id", TEXT, nullable=False),
        sa.Column("internal_port_id", TEXT, nullable=False),
        sa.Column("internal_ip_address", TEXT, nullable=False),
        sa.Column("protocol", TEXT, nullable=False),
        sa.Column("internal_first", sa.BigInteger(), nullable=False),
        sa.Column("external_first", sa.BigInteger(), nullable=False),
        sa.Column("external_last", sa.BigInteger(), nullable=False),
        sa.Column("description", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["floatingip_id"], ["floatingip.id"], name="port_forwarding_floatingip_id_fkey", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["internal_port_id"], ["port.id"], name="port_forwarding_internal_port_id_fkey", ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name="port_forwarding_pkey"),
        sa.UniqueConstraint(
            "floatingip_id",
            "protocol",
            "external_first",
            name="port_forwarding_floatingip_id_protocol_external_first_key",
        ),
    )
    op.create_index("port_forwarding_internal_port_id_idx", "port_forwarding", ["internal_port_id"])


def _gateways() -> None:
    """Routers' ways outside, and what each host was given for them."""
    op.create_table(
        "vni",
        sa.Column("vni", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("vni", name="vni_pkey"),
        sa.UniqueConstraint("kind", "id", name="vni_kind_id_key"),
    )
    op.create_table(
        "gateway",
        sa.Column("router_id", TEXT, nullable=False),
        sa.Column("port_id", TEXT, nullable=False),
        sa.Column("network_id", TEXT, nullable=False),
        sa.Column("vni", sa.BigInteger(), nullable=False),
        sa.Column("owner", TEXT, nullable=True),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("candidates", JSON, nullable=False),
        sa.ForeignKeyConstraint(["network_id"], ["network.id"], name="gateway_network_id_fkey", ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["port_id"], ["port.id"], name="gateway_port_id_fkey", ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["router_id"], ["router.id"], name="gateway_router_id_fkey", ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("router_id", name="gateway_pkey"),
        sa.UniqueConstraint("port_id", name="gateway_port_id_key"),
        sa.UniqueConstraint("vni", name="gateway_vni_key"),
    )
    op.create_index("gateway_network_id_idx", "gateway", ["network_id"])
    op.create_index("gateway_owner_idx", "gateway", ["owner"])
    op.create_table(
        "place",
        sa.Column("router_id", TEXT, nullable=False),
        sa.Column("host", TEXT, nullable=False),
        sa.Column("network_id", TEXT, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("mac_address", TEXT, nullable=False),
        sa.Column("transit_ip", TEXT, nullable=False),
        sa.Column("transit_mac", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["router_id"], ["gateway.router_id"], name="place_router_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("router_id", "host", name="place_pkey"),
        sa.UniqueConstraint("network_id", "mac_address", name="place_network_id_mac_address_key"),
        sa.UniqueConstraint("router_id", "number", name="place_router_id_number_key"),
        sa.UniqueConstraint("router_id", "transit_ip", name="place_router_id_transit_ip_key"),
        sa.UniqueConstraint("router_id", "transit_mac", name="place_router_id_transit_mac_key"),
    )
    op.create_index("place_host_idx", "place", ["host"])
    op.create_table(
        "port_block",
        sa.Column("router_id", TEXT, nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("host", TEXT, nullable=False),
        sa.Column("freed_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["router_id"], ["gateway.router_id"], name="port_block_router_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("router_id", "first", name="port_block_pkey"),
    )


def _own() -> None:
    """Tags, statuses, the change log."""
    op.create_table(
        "tag",
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("tag", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("kind", "tag", "id", name="tag_pkey"),
    )
    op.create_index("tag_kind_id_idx", "tag", ["kind", "id"])
    op.create_table(
        "host_status",
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("host", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "id", "host", name="host_status_pkey"),
    )
    op.create_index("host_status_host_idx", "host_status", ["host"])
    op.create_table(
        "revision",
        sa.Column("only", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("pruned", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("only", name="revision_pkey"),
    )
    op.create_table(
        "change_log",
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("revision", "kind", "id", name="change_log_pkey"),
    )
