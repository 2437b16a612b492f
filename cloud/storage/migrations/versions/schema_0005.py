"""Policies and calendars, version by version"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_AHEAD = sa.text("next_at IS NOT NULL")


def upgrade() -> None:
    """The ticker looks once at every clock that runs: what it has missed is recorded at its own instant."""
    op.create_table(
        "target_version",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("origin", sa.Text(), server_default=sa.text("'edited'"), nullable=False),
        sa.Column("actor", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("note", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("body", sa.JSON(none_as_null=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_target_version"),
        sa.UniqueConstraint("label", name="uq_target_version_label"),
    )
    op.add_column("deadline", sa.Column("next_at", sa.BigInteger(), nullable=True))
    op.add_column("deadline", sa.Column("policy", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.execute("UPDATE deadline SET next_at = start_at WHERE state = 'running'")
    op.create_index("ix_deadline_next", "deadline", ["next_at"], sqlite_where=_AHEAD, postgresql_where=_AHEAD)


def downgrade() -> None:
    op.drop_index("ix_deadline_next", "deadline")
    op.drop_column("deadline", "policy")
    op.drop_column("deadline", "next_at")
    op.drop_table("target_version")
