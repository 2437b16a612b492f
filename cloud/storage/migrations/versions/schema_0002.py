"""Due dates of periodic tests"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_COLUMNS = (("anchor", "floating"), ("window", "P1D"), ("grace", "P0D"))
_KEY = ("site_id", "equipment_id", "test", "due_on")


def upgrade() -> None:
    for name, default in _COLUMNS:
        op.add_column(
            "periodic_test", sa.Column(name, sa.Text(), server_default=sa.text(f"('{default}')"), nullable=False)
        )
    op.create_table(
        "occurrence",
        *(sa.Column(name, sa.Text(), nullable=False) for name in _KEY),
        sa.Column("opens_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("missed_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("('due')"), nullable=False),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.Column("is_late", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("result_event", sa.Text(), nullable=True),
        sa.Column("ticket_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.PrimaryKeyConstraint(*_KEY, name=op.f("pk_occurrence")),
        sa.ForeignKeyConstraint(
            ["site_id", "equipment_id"],
            ["equipment.site_id", "equipment.id"],
            name=op.f("fk_occurrence_site_id_equipment_id"),
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_occurrence_state", "occurrence", ["state", "missed_at"])


def downgrade() -> None:
    op.drop_table("occurrence")
    with op.batch_alter_table("periodic_test", schema=None) as batch_op:
        for name, _ in _COLUMNS:
            batch_op.drop_column(name)
