"""Grants: networks that are shared or external become so by an RBAC policy for all."""

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_ACTIONS = {"shared": "access_as_shared", "router_external": "access_as_external"}


def upgrade() -> None:
    """Make the table, and the grants that the networks' flags have stood for."""
    policies = op.create_table(
        "rbac_policy",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("object_type", TEXT, nullable=False),
        sa.Column("object_id", TEXT, nullable=False),
        sa.Column("action", TEXT, nullable=False),
        sa.Column("target_tenant", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["object_id"], ["network.id"], name="rbac_policy_object_id_fkey", ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name="rbac_policy_pkey"),
        sa.UniqueConstraint(
            "object_id", "action", "target_tenant", name="rbac_policy_object_id_action_target_tenant_key"
        ),
    )
    op.create_index("rbac_policy_project_id_idx", "rbac_policy", ["project_id"])
    op.create_index("rbac_policy_target_tenant_idx", "rbac_policy", ["target_tenant"])
    columns = ("id", "project_id", *_ACTIONS)
    networks = sa.table("network", *(sa.column(name) for name in columns))
    found = op.get_bind().execute(sa.select(*(networks.c[name] for name in columns))).mappings()
    new = [
        {
            "id": str(uuid4()),
            "project_id": row["project_id"],
            "object_type": "network",
            "object_id": row["id"],
            "action": action,
            "target_tenant": "*",
        }
        for row in found
        for flag, action in _ACTIONS.items()
        if row[flag]
    ]
    if new:
        op.bulk_insert(policies, new)
