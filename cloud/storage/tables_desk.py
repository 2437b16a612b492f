"""Storage under tickets: what joins tickets to each other and how they are searched."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, PrimaryKeyConstraint, Table

from cloud.storage.columns import Id, at, metadata, text

ticket_link = Table(
    "ticket_link",
    metadata,
    Column("ticket_id", Id, ForeignKey("ticket.id"), nullable=False),
    Column("other_id", Id, ForeignKey("ticket.id"), nullable=False),
    text(
        "relation"
    ),  # related (the smaller number first) | duplicate (ticket_id is one of other_id) | previous (other_id)
    at("created_at", null=False),
    text("created_by"),
    PrimaryKeyConstraint("ticket_id", "other_id", "relation"),
    Index("ix_ticket_link_other", "other_id"),
)
