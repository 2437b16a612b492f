"""Indexes of the figures"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_INDEXES = {
    "ix_ticket_over": ("ticket", ["closed_at", "opened_at"], "closed_at IS NOT NULL"),
    "ix_deadline_breached": ("deadline", ["breached_at"], "breached_at IS NOT NULL"),
}


def upgrade() -> None:
    for name, (table, columns, where) in _INDEXES.items():
        op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def downgrade() -> None:
    for name, (table, _, _) in _INDEXES.items():
        op.drop_index(name, table)
