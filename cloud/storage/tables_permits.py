"""Storage under tickets: planned outages with their permits to work, and the links outside contractors come by."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, PrimaryKeyConstraint, Table, Text
from sqlalchemy import text as sql

from cloud.storage.columns import Id, at, ats, jsons, metadata, number, text, texts

permit = Table(
    "permit",
    metadata,
    Column("ticket_id", Id, ForeignKey("ticket.id"), primary_key=True, autoincrement=False),
    text("site_id"),
    text("stage", "drafted"),  # cloud.tickets.permits.Stage
    at("from_at", null=False),
    at("until_at", null=False),  # moved by an extension; what was planned first stands in the timeline
    *texts("work", "workers", "contractor", "affected", "window_reason", "watch_instead"),
    jsons("measures")[0],  # keys of cloud.tickets.permits.MEASURES and free texts, in order
    Column("is_notice_needed", Boolean, nullable=False, server_default=sql("true")),
    Column("lead_h", Integer, nullable=False, server_default=sql("24")),
    *texts("notice_en", "notice_zh", "notice_how"),
    *texts("drafted_by", "asked_by", "approved_by", "done_by", "restore_by"),
    *ats("asked_at", "approved_at", "notified_at", "cut_at", "done_at", "restore_approved_at", "restored_at"),
    at("look_at"),  # when the keeper has to look next; NULL: never
    Index("ix_permit_stage", "stage", "from_at"),
    Index("ix_permit_look", "look_at"),
)

permit_equipment = Table(
    "permit_equipment",
    metadata,
    Column("ticket_id", Id, ForeignKey("ticket.id"), nullable=False),
    *(Column(name, Text, nullable=False) for name in ("site_id", "equipment_id")),
    Column("position", Integer, nullable=False, server_default=sql("0")),
    text("directive_id"),  # the newest wish about it; empty: none yet, or no gateway serves it
    PrimaryKeyConstraint("ticket_id", "site_id", "equipment_id"),
    Index("ix_permit_equipment_thing", "site_id", "equipment_id"),
)

contractor_link = Table(
    "contractor_link",
    metadata,
    number(),
    Column("ticket_id", Id, ForeignKey("ticket.id"), nullable=False),
    Column("token_hash", Text, nullable=False, unique=True),
    *texts("name", "contact", "created_by"),
    at("created_at", null=False),
    at("expires_at", null=False),
    *ats("revoked_at", "seen_at", "accepted_at", "arrived_at", "done_at", "closed_at"),
    Column("may_close", Boolean, nullable=False, server_default=sql("false")),
    text("revoked_by"),
    Index("ix_contractor_link_ticket", "ticket_id"),
)
