"""Words by which tickets are found"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_NEVER = 2**53
_IS_OPEN = "state NOT IN ('closed', 'cancelled', 'merged')"
_COLUMNS = ("next_due_at", "breached_at", "indexed_version")
_INDEXES = {
    "ix_ticket_due": (("next_due_at", "id"), _IS_OPEN),
    "ix_ticket_worst": (("severity", "next_due_at", "id"), _IS_OPEN),
    "ix_ticket_machine": (("site_id", "equipment_id", "id"), _IS_OPEN),
    "ix_ticket_held_by": (("holder", "next_due_at", "id"), _IS_OPEN),
    "ix_ticket_pressing": (("priority", "next_due_at", "id"), _IS_OPEN),
    "ix_ticket_of_rule": (("rule", "next_due_at", "id"), _IS_OPEN),
    "ix_ticket_closed": (("id", "next_due_at"), "state IN ('closed', 'cancelled', 'merged')"),
    "ix_ticket_late": (("id",), "breached_at IS NOT NULL"),
    "ix_ticket_unindexed": (("id",), "indexed_version < version"),
    "ix_ticket_hold": (("hold_until",), "hold_until IS NOT NULL"),
    "ix_ticket_opened": (("opened_at", "id"), ""),
    "ix_ticket_holder": (("holder", "id"), ""),
    "ix_ticket_clause": (("clause", "id"), ""),
    "ix_ticket_system": (("system", "id"), ""),
    "ix_ticket_rule": (("rule", "id"), ""),
    "ix_ticket_kind": (("kind", "id"), ""),
    "ix_ticket_priority": (("priority", "id"), ""),
}
_WORDS = {
    "sqlite": (
        "CREATE VIRTUAL TABLE ticket_words USING fts5 (words, detail=none, columnsize=0, tokenize='unicode61 remove_diacritics 0')",
    ),
    "postgresql": (
        "CREATE TABLE ticket_words (ticket_id BIGINT PRIMARY KEY, words TSVECTOR NOT NULL)",
        "CREATE INDEX ix_ticket_words ON ticket_words USING gin (words) WITH (gin_pending_list_limit = 256)",
    ),
}
_CLOCKS = f"""
UPDATE ticket SET
  next_due_at = COALESCE((SELECT MIN(due_at) FROM deadline
                          WHERE deadline.ticket_id = ticket.id AND met_at IS NULL AND due_at IS NOT NULL), {_NEVER}),
  breached_at = (SELECT MIN(breached_at) FROM deadline WHERE deadline.ticket_id = ticket.id)
"""  # noqa: S608  a number of ours


def upgrade() -> None:
    never = sa.text(str(_NEVER))
    op.add_column("ticket", sa.Column("next_due_at", sa.BigInteger(), server_default=never, nullable=False))
    op.add_column("ticket", sa.Column("breached_at", sa.BigInteger(), nullable=True))
    op.add_column("ticket", sa.Column("indexed_version", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.execute(_CLOCKS)
    for name, (columns, where) in _INDEXES.items():
        only: dict[str, Any] = {"sqlite_where": sa.text(where), "postgresql_where": sa.text(where)} if where else {}
        op.create_index(name, "ticket", list(columns), **only)
    for statement in _WORDS[op.get_bind().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE ticket_words")
    for name in _INDEXES:
        op.drop_index(name, "ticket")
    for name in _COLUMNS:  # said plainly: to copy the table, SQLite would have to delete what points to it
        op.execute(f"ALTER TABLE ticket DROP COLUMN {name}")
