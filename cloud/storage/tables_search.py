"""Storage under lists and search: the indexes by which tickets are listed, and the words by which they are found.

The words stand beside the metadata, because each database has a way of its own: an FTS5 table on SQLite, a ``tsvector``
with a GIN index on PostgreSQL. Both are called ``ticket_words`` and hold one row a ticket.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import DDL, Column, Index, Table, event, text

OVER: Final = ("closed", "cancelled", "merged")
"""States of a ticket that is over, as the partial indexes name them."""
IS_OPEN: Final = f"state NOT IN ({', '.join(repr(state) for state in OVER)})"
IS_OVER: Final = f"state IN ({', '.join(repr(state) for state in OVER)})"
"""Written out and never bound: both databases use a partial index only for a condition that they can read."""
IS_LATE: Final = "breached_at IS NOT NULL"
IS_UNINDEXED: Final = "indexed_version < version"
IS_HELD: Final = "hold_until IS NOT NULL"
NEVER: Final = 2**53
"""``next_due_at`` of a ticket none of whose clocks runs: after everything else."""

CREATE_WORDS: Final = {
    "sqlite": (
        "CREATE VIRTUAL TABLE IF NOT EXISTS ticket_words USING fts5 (words, detail=none, columnsize=0, tokenize='unicode61 remove_diacritics 0')",
    ),
    "postgresql": (
        "CREATE TABLE IF NOT EXISTS ticket_words (ticket_id BIGINT PRIMARY KEY, words TSVECTOR NOT NULL)",
        "CREATE INDEX IF NOT EXISTS ix_ticket_words ON ticket_words USING gin (words) WITH (gin_pending_list_limit = 256)",
    ),
}

ORDERED: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "ix_ticket_due": (("next_due_at", "id"), IS_OPEN),
    "ix_ticket_worst": (("severity", "next_due_at", "id"), IS_OPEN),
    "ix_ticket_machine": (("site_id", "equipment_id", "id"), IS_OPEN),
    "ix_ticket_held_by": (("holder", "next_due_at", "id"), IS_OPEN),
    "ix_ticket_pressing": (("priority", "next_due_at", "id"), IS_OPEN),
    "ix_ticket_of_rule": (("rule", "next_due_at", "id"), IS_OPEN),
    "ix_ticket_closed": (("id", "next_due_at"), IS_OVER),
    "ix_ticket_late": (("id",), IS_LATE),
    "ix_ticket_unindexed": (("id",), IS_UNINDEXED),
    "ix_ticket_hold": (("hold_until",), IS_HELD),
    "ix_ticket_opened": (("opened_at", "id"), ""),
    "ix_ticket_holder": (("holder", "id"), ""),
    "ix_ticket_clause": (("clause", "id"), ""),
    "ix_ticket_system": (("system", "id"), ""),
    "ix_ticket_rule": (("rule", "id"), ""),
    "ix_ticket_kind": (("kind", "id"), ""),
    "ix_ticket_priority": (("priority", "id"), ""),
}
"""Index name to its columns and the condition of its rows."""


def add_indexes(ticket: Table) -> None:
    """Give the table of tickets the indexes of its lists, and a database made from the metadata its words."""
    for name, (columns, where) in ORDERED.items():
        Index(name, *(_column(ticket, column) for column in columns), **partial(where))
    for statement in CREATE_WORDS["sqlite"]:
        made = DDL(statement)  # type: ignore[no-untyped-call]
        event.listen(ticket.metadata, "after_create", made.execute_if(dialect="sqlite"))


def _column(table: Table, name: str) -> Column[Any]:
    found: Column[Any] = table.c[name]
    return found


def partial(where: str) -> dict[str, Any]:
    """What makes an index hold only some rows."""
    return {"sqlite_where": text(where), "postgresql_where": text(where)} if where else {}


def is_ours(name: str | None, kind: str, _parents: Mapping[str, str | None]) -> bool:
    """Whether the metadata answers for a table: the words and what FTS5 keeps for them it does not (Alembic's ``include_name``)."""
    return not (kind == "table" and (name or "").startswith("ticket_words"))
