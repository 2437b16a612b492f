"""Storage under every arrow of the cloud: all tables, once (SQLAlchemy Core; SQLite and PostgreSQL).

Instants are integer epoch milliseconds in columns named ``…_at``; durations carry their unit (``_ms``, ``_s``).
JSON columns hold plain JSON values; a ``{en, zh}`` object is a text in both languages of the users.
The tables of the desk's later capabilities stand in the modules imported below, each beside what it is for.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.schema import SchemaItem

from cloud.storage import tables_calls as calls
from cloud.storage import tables_desk as desk
from cloud.storage import tables_permits as permits
from cloud.storage import tables_proof as proof
from cloud.storage import tables_reports as reports
from cloud.storage import tables_search as search
from cloud.storage import tables_targets as targets
from cloud.storage.columns import Id as _Id
from cloud.storage.columns import Json as _Json
from cloud.storage.columns import at as _at
from cloud.storage.columns import ats as _ats
from cloud.storage.columns import jsons as _jsons
from cloud.storage.columns import metadata
from cloud.storage.columns import number as _number
from cloud.storage.columns import text as _text
from cloud.storage.columns import texts as _texts

__all__ = ["calls", "desk", "metadata", "permits", "proof", "search", "targets"]

# --- sites, gateways and what they announce -----------------------------------------------------------------------

site = Table(
    "site",
    metadata,
    Column("id", Text, primary_key=True),
    _text("name"),
    _text("zone", "UTC"),
)

gateway = Table(
    "gateway",
    metadata,
    Column("id", Text, primary_key=True),
    Column("site_id", Text, ForeignKey("site.id"), nullable=False),
    Column("credential_hash", Text),
    Column("enrol_hash", Text),
    _at("enrol_expires_at"),
    _at("created_at", null=False),
    *_ats("revoked_at", "last_seen_at"),
    Column("interval_ms", BigInteger, nullable=False, server_default=text("10000")),
    _text("version"),
    Column("clock_offset_ms", BigInteger),
    Column("status", _Json),
    _text("announced_hash"),
    _at("offline_since"),
)

equipment = Table(
    "equipment",
    metadata,
    Column("site_id", Text, ForeignKey("site.id"), nullable=False),
    Column("id", Text, nullable=False),
    _text("class_id"),
    _text("system"),
    *_jsons("name", "roles"),
    _text("place"),
    _text("serves"),
    *_jsons("ratings", "main_points"),
    _text("building"),
    Column("gateway_id", Text, ForeignKey("gateway.id")),  # NULL: in the register, without telemetry
    Column("out_of_service", _Json),
    _at("registered_at", null=False),
    PrimaryKeyConstraint("site_id", "id"),
)


def _per_equipment() -> tuple[SchemaItem, ...]:
    """The key of a table that holds many things of one piece of equipment: ``site_id``, ``equipment_id``, ``id``."""
    return (
        *(Column(name, Text, nullable=False) for name in ("site_id", "equipment_id", "id")),
        PrimaryKeyConstraint("site_id", "equipment_id", "id"),
        ForeignKeyConstraint(["site_id", "equipment_id"], ["equipment.site_id", "equipment.id"], ondelete="CASCADE"),
    )


point = Table(
    "point",
    metadata,
    *_per_equipment(),
    Column("position", Integer, nullable=False),
    Column("name", _Json, nullable=False),
    _text("kind"),
    _text("unit"),
    Column("digits", Integer, nullable=False, server_default=text("1")),
    Column("plausible_low", Float),
    Column("plausible_high", Float),
    Column("states", _Json, nullable=False),
    Column("limits", _Json, nullable=False),  # contract PointLimit objects
    *_texts("device_id", "device_point", "wire"),
    Column("expected_every_ms", BigInteger, nullable=False, server_default=text("0")),
)

limit_value = Table(
    "limit_value",
    metadata,
    *_per_equipment(),
    Column("name", _Json, nullable=False),
    Column("value", Float, nullable=False),
    _text("unit"),
    _text("source"),
    Column("class_value", Float),
    _text("set_by", "library"),
)

rule = Table(
    "rule",
    metadata,
    *_per_equipment(),
    Column("name", _Json, nullable=False),
    *_texts("severity", "clause", "expression"),
    Column("on_delay_ms", BigInteger, nullable=False, server_default=text("0")),
    Column("off_delay_ms", BigInteger, nullable=False, server_default=text("0")),
    Column("cause", _Json),
    Column("consequence", _Json),
    Column("action", _Json),
    Column("points", _Json, nullable=False),
    _text("emergency"),
    Column("resolve", _Json),  # contract Resolving: what a ticket needs before it is resolved
)

periodic_test = Table(
    "periodic_test",
    metadata,
    *_per_equipment(),
    Column("name", _Json, nullable=False),
    *_texts("every", "clause", "proof"),
    _text("anchor", "floating"),
    _text("window", "P1D"),
    _text("grace", "P0D"),
)

occurrence = Table(
    "occurrence",
    metadata,
    *(Column(name, Text, nullable=False) for name in ("site_id", "equipment_id", "test", "due_on")),
    _at("opens_at", null=False),
    _at("due_at", null=False),
    _at("missed_at", null=False),
    _text("state", "due"),  # due | done | missed | withdrawn
    _at("done_at"),
    Column("is_late", Boolean, nullable=False, server_default=text("false")),
    Column("result_event", Text),
    Column("ticket_id", _Id),
    PrimaryKeyConstraint("site_id", "equipment_id", "test", "due_on"),
    ForeignKeyConstraint(["site_id", "equipment_id"], ["equipment.site_id", "equipment.id"], ondelete="CASCADE"),
    Index("ix_occurrence_state", "state", "missed_at"),
)

test_result = Table(
    "test_result",
    metadata,
    Column("event_id", Text, primary_key=True),
    *_texts("site_id", "equipment_id", "test"),
    _at("started_at", null=False),
    _at("ended_at", null=False),
    Column("passed", Boolean, nullable=False),
    *_jsons("reasons", "evidence"),
)

device = Table(
    "device",
    metadata,
    Column("site_id", Text, ForeignKey("site.id"), nullable=False),
    Column("id", Text, nullable=False),
    Column("gateway_id", Text, ForeignKey("gateway.id"), nullable=False),
    *_texts("model", "model_name", "status", "bus", "protocol", "address"),
    Column("every_ms", BigInteger, nullable=False, server_default=text("0")),
    *_jsons("equipment", "plan"),
    _text("state", "not_yet"),
    Column("answered_share", Float),
    _at("last_ok_at"),
    Column("response_ms", Float),
    Column("errors", Integer, nullable=False, server_default=text("0")),
    _text("last_error"),
    Column("recent", _Json),  # contract DeviceTrouble objects, newest first
    Column("reads", _Json),  # contract DeviceRead objects: the last answers as they came
    PrimaryKeyConstraint("site_id", "id"),
)

# --- ingest -------------------------------------------------------------------------------------------------------


def _lane_key() -> tuple[SchemaItem, ...]:
    return (
        Column("gateway_id", Text, ForeignKey("gateway.id"), nullable=False),
        Column("epoch", BigInteger, nullable=False),
        Column("lane", Text, nullable=False),
    )


lane = Table(
    "lane",
    metadata,
    *_lane_key(),
    Column("through", BigInteger, nullable=False),
    _at("first_seen_at", null=False),
    Column("previous", _Json),
    PrimaryKeyConstraint("gateway_id", "epoch", "lane"),
)

record = Table(
    "record",
    metadata,
    *_lane_key(),
    Column("seq", BigInteger, nullable=False),
    _text("type"),
    Column("body", LargeBinary, nullable=False),
    _at("received_at", null=False),
    _at("applied_at"),
    PrimaryKeyConstraint("gateway_id", "epoch", "lane", "seq"),
)
_IS_WAITING = text("applied_at IS NULL")
Index("ix_record_waiting", record.c.received_at, sqlite_where=_IS_WAITING, postgresql_where=_IS_WAITING)

quarantine = Table(
    "quarantine",
    metadata,
    _number(),
    *_lane_key(),
    Column("seq", BigInteger, nullable=False),
    _text("reason"),
    Column("body", LargeBinary, nullable=False),
    _at("received_at", null=False),
    UniqueConstraint("gateway_id", "epoch", "lane", "seq"),
)

# --- alarms and tickets -------------------------------------------------------------------------------------------

alarm = Table(
    "alarm",
    metadata,
    _number(),
    *_texts("site_id", "equipment_id", "rule", "instance"),
    _text("fault_key", None),
    _text("severity"),
    _text("clause"),
    _text("state", "active"),  # active | cleared
    _at("began_at", null=False),
    _at("raised_at", null=False),
    _at("received_at", null=False),
    _at("cleared_at"),
    Column("because", _Json, nullable=False),  # contract Term objects
    Column("raised_event", Text, unique=True),
    Column("cleared_event", Text),
    _text("suppressed_by"),
    *_ats("shelved_until", "acknowledged_at"),
    Column("acknowledged_by", Text),
    Column("ticket_id", _Id),
    Index("ix_alarm_history", "site_id", "equipment_id", "raised_at"),
    Index("ix_alarm_ticket", "ticket_id"),
    Index("ix_alarm_fault", "fault_key", "raised_at"),
)
_IS_ACTIVE = text("state = 'active'")
Index(
    "one_active_alarm_per_fault", alarm.c.fault_key, unique=True, sqlite_where=_IS_ACTIVE, postgresql_where=_IS_ACTIVE
)

storm = Table(
    "storm",
    metadata,
    Column("gateway_id", Text, ForeignKey("gateway.id"), nullable=False),
    Column("id", Text, nullable=False),  # as the gateway named it
    _text("site_id"),
    _text("kind"),  # chattering | flood
    _text("fault_key", None),  # of its own alarm and ticket
    _at("began_at", null=False),
    _at("recognised_at", null=False),
    _at("ended_at"),
    Column("within_ms", BigInteger, nullable=False, server_default=text("0")),
    Column("ticket_id", _Id),
    PrimaryKeyConstraint("gateway_id", "id"),
    Index("ix_storm_ticket", "ticket_id"),
)

storm_member = Table(
    "storm_member",
    metadata,
    *(Column(name, Text, nullable=False) for name in ("gateway_id", "storm_id", "fault_key")),
    _at("raised_at", null=False),
    *_texts("site_id", "equipment_id", "rule", "instance", "severity"),
    PrimaryKeyConstraint("gateway_id", "storm_id", "fault_key", "raised_at"),
    Index("ix_storm_member_fault", "fault_key", "raised_at"),
)

ticket = Table(
    "ticket",
    metadata,
    _number(),  # shown as T-%06d
    _text("kind", "fault"),
    Column("fault_key", Text),  # NULL: entered by a person
    _text("site_id"),
    _text("equipment_id"),  # the gateway's id when the rule is gateway_silent
    _text("rule"),
    _text("instance"),
    Column("title", _Json, nullable=False),
    *_texts("priority", "severity", "system", "clause", "emergency"),
    _text("state", "new"),
    *_ats("began_at", "raised_at", "received_at"),
    _at("opened_at", null=False),
    _text("holder"),
    Column("is_past", Boolean, nullable=False, server_default=text("false")),
    _text("cause_text"),
    _text("action_text"),
    *_ats("hold_until", "resolved_at", "closed_at"),
    Column("occurrences", Integer, nullable=False, server_default=text("1")),
    Column("activations", Integer, nullable=False, server_default=text("1")),
    Column("reopened", Integer, nullable=False, server_default=text("0")),
    Column("previous_ticket_id", _Id),
    _text("policy"),
    _text("category"),  # what a request, complaint or fault is in particular: cloud.sla.policy.CATEGORIES
    _text("description"),
    _text("place"),  # in words, where there is no equipment
    *_texts("reporter", "reporter_contact", "channel", "entered_by"),  # of what staff entered
    Column("parent_ticket_id", _Id),
    Column("merged_into_id", _Id),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("planned_version", Integer, nullable=False, server_default=text("0")),  # which version its notices follow
    Column("chain", _Json),  # the calling steps as they were when it was first planned
    _at("next_call_at"),
    Column("next_due_at", BigInteger, nullable=False, server_default=text(str(search.NEVER))),  # of its clocks that run
    _at("breached_at"),  # the first of its breaches
    Column("indexed_version", Integer, nullable=False, server_default=text("0")),  # which version its words are of
    Index("ix_ticket_state", "state", "opened_at"),
    Index("ix_ticket_fault", "fault_key", "opened_at"),
    Index("ix_ticket_equipment", "site_id", "equipment_id", "opened_at"),
)
_IS_OPEN = text("state NOT IN ('closed', 'cancelled', 'merged')")
_IS_UNPLANNED = text("planned_version <> version")
Index("ix_ticket_unplanned", ticket.c.id, sqlite_where=_IS_UNPLANNED, postgresql_where=_IS_UNPLANNED)
_IS_CALLED = text("next_call_at IS NOT NULL")
Index("ix_ticket_next_call", ticket.c.next_call_at, sqlite_where=_IS_CALLED, postgresql_where=_IS_CALLED)
Index("one_open_ticket_per_fault", ticket.c.fault_key, unique=True, sqlite_where=_IS_OPEN, postgresql_where=_IS_OPEN)
for _column in (ticket.c.previous_ticket_id, ticket.c.parent_ticket_id, ticket.c.merged_into_id):
    _is_set = text(f"{_column.name} IS NOT NULL")
    Index(f"ix_ticket_{_column.name}", _column, sqlite_where=_is_set, postgresql_where=_is_set)
search.add_indexes(ticket)

timeline = Table(
    "timeline",
    metadata,
    _number(),
    Column("ticket_id", _Id, ForeignKey("ticket.id"), nullable=False),
    _at("at", null=False),
    _text("kind"),
    _text("actor_kind", "system"),  # machine | person | system
    _text("actor"),
    Column("data", _Json, nullable=False),
    Column("dedupe", Text, unique=True),
    Index("ix_timeline_ticket", "ticket_id", "id"),
)

deadline = Table(
    "deadline",
    metadata,
    _number(),
    Column("ticket_id", _Id, ForeignKey("ticket.id"), nullable=False),
    _text("clock"),  # response | arrival | resolution
    Column("activation", Integer, nullable=False, server_default=text("1")),
    Column("target_s", BigInteger, nullable=False),
    _at("start_at", null=False),
    _at("due_at"),  # NULL while held: a held clock has no due instant
    *_texts("calendar", "clause", "source"),
    _text("state", "running"),  # running | held | met | breached (sticky)
    _at("met_at"),  # when it stopped, also for a breached one
    _at("breached_at"),
    Column("used_s", Float, nullable=False, server_default=text("0")),
    _at("next_at"),  # when the ticker has something to record: a warning or the breach; NULL: nothing more
    _text("policy"),  # version of the policy that binds
    UniqueConstraint("ticket_id", "clock", "activation"),
    Index("ix_deadline_due", "state", "due_at"),
)
targets.watch_deadlines(deadline)

reports.add_indexes(ticket, deadline)

# --- people -------------------------------------------------------------------------------------------------------

app_user = Table(
    "app_user",
    metadata,
    _number(),
    Column("name", Text, nullable=False, unique=True),
    _text("display_name"),
    _text("role", "viewer"),
    Column("password_hash", Text),
    _text("language"),
    _text("theme"),
    _at("disabled_at"),
)

session = Table(
    "session",
    metadata,
    Column("token_hash", Text, primary_key=True),
    Column("user_id", _Id, ForeignKey("app_user.id", ondelete="CASCADE"), nullable=False),
    _at("created_at", null=False),
    _at("expires_at", null=False),
)

sign_in_code = Table(
    "sign_in_code",
    metadata,
    Column("code_hash", Text, primary_key=True),
    Column("user_id", _Id, ForeignKey("app_user.id", ondelete="CASCADE"), nullable=False),
    _at("expires_at", null=False),
    _at("used_at"),
)

directive = Table(
    "directive",
    metadata,
    Column("id", Text, primary_key=True),
    Column("gateway_id", Text, ForeignKey("gateway.id"), nullable=False),
    _text("kind"),
    Column("body", _Json, nullable=False),  # a contract Directive
    _text("created_by"),
    _at("created_at", null=False),
    _at("sent_at"),
    _at("applied_at"),  # when the gateway answered
    Column("applied", Boolean),
    _text("reason"),
    Index("ix_directive_waiting", "gateway_id", "applied_at"),
)

audit = Table(
    "audit",
    metadata,
    _number(),
    _at("at", null=False),
    *_texts("actor", "action", "object"),
    Column("data", _Json, nullable=False),
)
