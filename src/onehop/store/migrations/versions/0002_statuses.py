"""Why a network is in error; what routers' interfaces say is worked out from what hosts report."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the reason; interfaces are DOWN until a host says that it holds them."""
    op.add_column("network", sa.Column("status_reason", TEXT, nullable=True))
    network = sa.table("network", sa.column("status_reason"))
    op.execute(sa.update(network).values(status_reason=""))
    owners = ("network:router_interface_distributed", "network:router_interface")
    port = sa.table("port", sa.column("status"), sa.column("device_owner"))
    op.execute(sa.update(port).where(port.c.device_owner.in_(owners)).values(status="DOWN"))
