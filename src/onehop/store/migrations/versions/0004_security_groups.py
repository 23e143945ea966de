"""Security groups: their tables, and the default group for every port that was made before there were any."""

from datetime import UTC, datetime
from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

JSON = sa.Text()
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

_STANDARD = {"description": "", "revision_number": 0}


def upgrade() -> None:
    """Make the tables, and give protected instance ports their project's default group."""
    op.create_table(
        "security_group",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("stateful", sa.Boolean(), nullable=False),
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("default_of", TEXT, nullable=True),
        *_standard(),
        sa.Column("tags", JSON, server_default="[]", nullable=False),
        sa.PrimaryKeyConstraint("id", name="security_group_pkey"),
        sa.UniqueConstraint("default_of", name="security_group_default_of_key"),
    )
    op.create_index("security_group_project_id_idx", "security_group", ["project_id"])
    _rules()
    op.create_table(
        "security_group_port",
        sa.Column("security_group_id", TEXT, nullable=False),
        sa.Column("port_id", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["security_group_id"],
            ["security_group.id"],
            name="security_group_port_security_group_id_fkey",
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(["port_id"], ["port.id"], name="security_group_port_port_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("security_group_id", "port_id", name="security_group_port_pkey"),
    )
    op.create_index("security_group_port_port_id_idx", "security_group_port", ["port_id"])
    op.add_column("port", sa.Column("security_groups", JSON, nullable=False, server_default="[]"))
    _give_defaults()


def _standard() -> list[sa.Column[object]]:
    return [
        sa.Column("description", TEXT, nullable=False),
        sa.Column("created_at", TEXT, nullable=False),
        sa.Column("updated_at", TEXT, nullable=False),
        sa.Column("revision_number", sa.BigInteger(), nullable=False),
    ]


def _rules() -> None:
    op.create_table(
        "security_group_rule",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("security_group_id", TEXT, nullable=False),
        sa.Column("ethertype", TEXT, nullable=False),
        sa.Column("direction", TEXT, nullable=False),
        sa.Column("protocol", TEXT, nullable=True),
        sa.Column("port_range_min", sa.BigInteger(), nullable=True),
        sa.Column("port_range_max", sa.BigInteger(), nullable=True),
        sa.Column("remote_ip_prefix", TEXT, nullable=True),
        sa.Column("remote_group_id", TEXT, nullable=True),
        *_standard(),
        *(
            sa.ForeignKeyConstraint(
                [column], ["security_group.id"], name=f"security_group_rule_{column}_fkey", ondelete="RESTRICT"
            )
            for column in ("security_group_id", "remote_group_id")
        ),
        sa.PrimaryKeyConstraint("id", name="security_group_rule_pkey"),
    )
    for column in ("project_id", "security_group_id", "remote_group_id"):
        op.create_index(f"security_group_rule_{column}_idx", "security_group_rule", [column])


def _give_defaults() -> None:
    """What a port made today would have been given."""
    db = op.get_bind()
    tables = sa.MetaData()
    names = ("port", "security_group", "security_group_rule", "security_group_port")
    port, group, rule, belonging = (sa.Table(name, tables, autoload_with=db) for name in names)
    plain = sa.and_(port.c.port_security_enabled.is_(sa.true()), sa.not_(port.c.device_owner.like("network:%")))
    projects = db.execute(sa.select(port.c.project_id).where(plain).distinct()).scalars().all()
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    for project in projects:
        id = str(uuid4())
        both = {**_STANDARD, "project_id": project, "created_at": now, "updated_at": now}
        own = {"id": id, "name": "default", "stateful": True, "default_of": project, "tags": "[]"}
        db.execute(sa.insert(group).values({**both, **own, "description": "Default security group"}))
        for direction, remote in (("egress", None), ("ingress", id)):
            for ethertype in ("IPv4", "IPv6"):
                said = {"direction": direction, "ethertype": ethertype, "remote_group_id": remote}
                db.execute(sa.insert(rule).values({**both, **said, "id": str(uuid4()), "security_group_id": id}))
        mine = sa.and_(plain, port.c.project_id == project)
        having = sa.select(sa.literal(id), port.c.id).where(mine)
        db.execute(sa.insert(belonging).from_select(["security_group_id", "port_id"], having))
        db.execute(sa.update(port).where(mine).values(security_groups=f'["{id}"]'))
