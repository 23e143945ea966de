"""Approvals: what an operator lets a host be. Hosts that there are may be what their agents have said so far."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table, with a row for each host."""
    approvals = op.create_table(
        "approval",
        sa.Column("host", TEXT, nullable=False),
        sa.Column("gateway_host", sa.Boolean(), nullable=False),
        sa.Column("physical_networks", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["host"], ["agent.host"], name="approval_host_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("host", name="approval_pkey"),
    )
    agents = sa.table("agent", sa.column("host"), sa.column("configurations"))
    new = []
    for host, text in op.get_bind().execute(sa.select(agents.c.host, agents.c.configurations)):
        said = json.loads(text)
        reached = json.dumps(sorted(said.get("physical_networks", ())))
        new.append({"host": host, "gateway_host": bool(said.get("gateway_host")), "physical_networks": reached})
    if new:
        op.bulk_insert(approvals, new)
