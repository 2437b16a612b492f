"""Storage under tickets: photos and other attachments, parts and hours, proven readings, watchers.

A line that was wrong is not changed: its correction is a new line that ``replaces_id`` it, each at most once.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, PrimaryKeyConstraint, Table, Text, text
from sqlalchemy.schema import SchemaItem

from cloud.storage.columns import Id, at, jsons, metadata, number, texts
from cloud.storage.columns import text as words


def _of_ticket() -> Column[int]:
    return Column("ticket_id", Id, ForeignKey("ticket.id"), nullable=False)


attachment = Table(
    "attachment",
    metadata,
    number(),
    _of_ticket(),
    words("file", None),  # its name in the store of files; nothing else names that file
    words("original_hash", None),  # SHA-256 of what was sent, before location was taken out
    words("stored_hash", None),  # SHA-256 of what is kept
    *texts("media_type", "name", "shows", "note", "device_time"),  # shows: fault | repair | other
    Column("size_bytes", BigInteger, nullable=False),
    Column("width", Integer, nullable=False, server_default=text("0")),
    Column("height", Integer, nullable=False, server_default=text("0")),
    at("added_at", null=False),
    words("added_by"),
    at("removed_at"),
    *texts("removed_by", "removed_why"),
    Index("ix_attachment_ticket", "ticket_id", "id"),
    Index("ix_attachment_file", "file"),
)
_IS_KEPT = text("removed_at IS NULL")
Index(
    "uq_attachment_kept", attachment.c.ticket_id, attachment.c.original_hash,
    unique=True, sqlite_where=_IS_KEPT, postgresql_where=_IS_KEPT,
)  # fmt: skip


def _line(name: str) -> tuple[SchemaItem, ...]:
    """What every line of parts or hours says of itself."""
    return (
        number(),
        _of_ticket(),
        at("added_at", null=False),
        words("added_by"),
        Column("replaces_id", Id, ForeignKey(f"{name}.id"), unique=True),
        words("note"),
    )


part_used = Table(
    "part_used",
    metadata,
    *_line("part_used"),
    *texts("name", "number", "unit"),
    Column("quantity", Float, nullable=False),  # 0: the line that it replaces was wrong
    Column("cost_cents", BigInteger),  # of the whole line; NULL: not said
    words("currency", "CNY"),
    Index("ix_part_used_ticket", "ticket_id", "id"),
)

hours_worked = Table(
    "hours_worked",
    metadata,
    *_line("hours_worked"),
    words("person", None),
    at("from_at"),  # NULL: only how long was said
    Column("minutes", Integer, nullable=False),  # 0: the line that it replaces was wrong
    Index("ix_hours_worked_ticket", "ticket_id", "id"),
)

reading_proof = Table(
    "reading_proof",
    metadata,
    number(),
    _of_ticket(),
    words("point", None),
    at("since_at", null=False),
    at("until_at", null=False),
    *jsons("facts"),  # lowest, highest, unit, samples and the limits it was held against
    Index("ix_reading_proof_ticket", "ticket_id", "point"),
)

watcher = Table(
    "watcher",
    metadata,
    _of_ticket(),
    Column("person", Text, nullable=False),
    at("since_at", null=False),
    PrimaryKeyConstraint("ticket_id", "person"),
    Index("ix_watcher_person", "person"),
)
