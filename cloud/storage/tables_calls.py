"""Storage under escalation: who is told, by what, and every notice that was or will be sent.

An ``owner`` is who can be told: ``person:NAME`` (a user) or ``address:NAME`` (a group, a duty phone, another system).
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, PrimaryKeyConstraint, Table, Text, UniqueConstraint
from sqlalchemy import text as sql

from cloud.storage.columns import Id, Json, at, ats, metadata, number, text, texts

contact = Table(
    "contact",
    metadata,
    Column("owner", Text, primary_key=True),
    *texts("language", "zone"),  # empty: the user's language, the site's zone
    *texts("quiet_from", "quiet_to"),  # wall clock, 22:00; both empty: no quiet hours
)

channel = Table(
    "channel",
    metadata,
    number(),
    text("owner", None),
    Column("position", Integer, nullable=False, server_default=sql("0")),  # the first one that works is used
    text("url", None),  # holds secrets: never shown, never logged
    *texts("kind", "label"),
    at("created_at", null=False),
    *ats("last_ok_at", "last_failed_at"),
    text("last_error"),
    Index("ix_channel_owner", "owner", "position"),
)

duty = Table(
    "duty",
    metadata,
    *(Column(name, Text, nullable=False) for name in ("site_id", "role", "owner")),  # site_id empty: every site
    PrimaryKeyConstraint("site_id", "role", "owner"),
)

chain = Table(
    "chain",
    metadata,
    number(),
    *texts("site_id", "kind", "priority", "emergency"),  # empty: any
    Column("steps", Json, nullable=False),
    at("changed_at", null=False),
    text("changed_by"),
    UniqueConstraint("site_id", "kind", "priority", "emergency"),
)

notice = Table(
    "notice",
    metadata,
    number(),
    Column("ticket_id", Id, ForeignKey("ticket.id"), nullable=False),
    text("clock", None),
    Column("activation", Integer, nullable=False),
    Column("step", Integer, nullable=False),
    Column("repeat", Integer, nullable=False),
    text("owner", None),  # empty: there was nobody to tell
    text("trigger"),  # opened | warned | breached
    at("due_at", null=False),  # when the chain wanted it
    at("planned_at", null=False),
    text("state", "waiting"),  # waiting | sending | sent | failed | cancelled | superseded | nobody
    text("why"),
    text("key", None),
    at("next_at"),
    Column("attempts", Integer, nullable=False, server_default=sql("0")),
    Column("channel", Integer, nullable=False, server_default=sql("0")),  # which of the owner's channels is next
    text("claim"),
    *ats("claimed_until", "sent_at", "failed_at"),
    *texts("via", "receipt", "error"),
    Column("is_possible_repeat", Boolean, nullable=False, server_default=sql("false")),
    UniqueConstraint("ticket_id", "clock", "activation", "step", "repeat", "owner"),
    UniqueConstraint("key"),
)
_IS_PENDING = sql("state IN ('waiting', 'sending')")
Index("ix_notice_pending", notice.c.next_at, sqlite_where=_IS_PENDING, postgresql_where=_IS_PENDING)
_IS_TROUBLE = sql("state IN ('nobody', 'failed')")
Index("ix_notice_trouble", notice.c.ticket_id, sqlite_where=_IS_TROUBLE, postgresql_where=_IS_TROUBLE)
