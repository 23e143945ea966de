"""Port blocks are of one of a gateway's addresses; until now, all were of the first."""

import sqlalchemy as sa
from alembic import op
from msgspec import json

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table anew, since its key grows; blocks keep their ports, hosts and quarantine."""
    connection = op.get_bind()
    old = sa.table("port_block", *map(sa.column, ("router_id", "first", "size", "host", "freed_at")))
    blocks = connection.execute(sa.select(old)).all()
    gateway = sa.table("gateway", sa.column("router_id"), sa.column("port_id"))
    port = sa.table("port", sa.column("id"), sa.column("fixed_ips"))
    held = sa.select(gateway.c.router_id, port.c.fixed_ips).join(port, port.c.id == gateway.c.port_id)
    firsts: dict[str, str] = {}
    for router_id, text in connection.execute(held):
        for ip in json.decode(text):
            if ":" not in ip["ip_address"]:
                firsts.setdefault(router_id, ip["ip_address"])
    op.drop_table("port_block")
    new = op.create_table(
        "port_block",
        sa.Column("router_id", TEXT, nullable=False),
        sa.Column("address", TEXT, nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("host", TEXT, nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("freed_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["router_id"], ["gateway.router_id"], name="port_block_router_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("router_id", "address", "first", name="port_block_pkey"),
    )
    # A gateway with IPv6 only translates nothing.
    rows = [{**row._mapping, "address": firsts[row.router_id], "since": 0} for row in blocks if row.router_id in firsts]  # noqa: SLF001  # SQLAlchemy's public name for it
    if rows:
        op.bulk_insert(new, rows)
