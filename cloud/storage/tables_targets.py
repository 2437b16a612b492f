"""Storage under sla: policies and calendars as edited, version by version."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table, Text, text

from cloud.storage.columns import at, jsons, metadata, number, texts
from cloud.storage.columns import text as words

version = Table(
    "target_version",
    metadata,
    number(),
    Column("label", Text, nullable=False, unique=True),  # as written on every ticket it binds
    at("at", null=False),
    words("origin", "edited"),  # file | edited
    *texts("actor", "note"),
    *jsons("body"),  # cloud.sla.written.policy_json
)


def watch_deadlines(deadline: Table) -> None:
    """The index by which the ticker finds what comes next."""
    is_ahead = text("next_at IS NOT NULL")
    Index("ix_deadline_next", deadline.c.next_at, sqlite_where=is_ahead, postgresql_where=is_ahead)
