"""Storms of alarms and their members"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_MEMBER_KEY = ("gateway_id", "storm_id", "fault_key", "raised_at")


def _text(name: str, default: str | None = "") -> sa.Column[str]:
    server_default = sa.text(f"('{default}')") if default is not None else None
    return sa.Column(name, sa.Text(), server_default=server_default, nullable=False)


def upgrade() -> None:
    op.create_table(
        "storm",
        _text("gateway_id", None),
        _text("id", None),
        _text("site_id"),
        _text("kind"),
        _text("fault_key", None),
        sa.Column("began_at", sa.BigInteger(), nullable=False),
        sa.Column("recognised_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("within_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("ticket_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.PrimaryKeyConstraint("gateway_id", "id", name=op.f("pk_storm")),
        sa.ForeignKeyConstraint(["gateway_id"], ["gateway.id"], name=op.f("fk_storm_gateway_id")),
    )
    op.create_index("ix_storm_ticket", "storm", ["ticket_id"])
    op.create_table(
        "storm_member",
        *(_text(name, None) for name in ("gateway_id", "storm_id", "fault_key")),
        sa.Column("raised_at", sa.BigInteger(), nullable=False),
        *(_text(name) for name in ("site_id", "equipment_id", "rule", "instance", "severity")),
        sa.PrimaryKeyConstraint(*_MEMBER_KEY, name=op.f("pk_storm_member")),
    )
    op.create_index("ix_storm_member_fault", "storm_member", ["fault_key", "raised_at"])


def downgrade() -> None:
    op.drop_table("storm_member")
    op.drop_table("storm")
