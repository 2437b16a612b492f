"""Attachments, parts and hours, proven readings, watchers"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.schema import SchemaItem

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _text(name: str, default: str | None = "") -> sa.Column[str]:
    server_default = sa.text(f"'{default}'") if default is not None else None
    return sa.Column(name, sa.Text(), server_default=server_default, nullable=False)


def _at(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=null)


def _keys(table: str) -> tuple[SchemaItem, ...]:
    """A number of its own and the ticket it belongs to."""
    return (
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("ticket_id", _ID, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f(f"fk_{table}_ticket_id")),
    )


def _line(table: str) -> tuple[SchemaItem, ...]:
    return (
        *_keys(table),
        _at("added_at"),
        _text("added_by"),
        sa.Column("replaces_id", _ID, nullable=True),
        _text("note"),
        sa.ForeignKeyConstraint(["replaces_id"], [f"{table}.id"], name=op.f(f"fk_{table}_replaces_id")),
        sa.UniqueConstraint("replaces_id", name=op.f(f"uq_{table}_replaces_id")),
    )


def upgrade() -> None:
    op.add_column("rule", sa.Column("resolve", sa.JSON(none_as_null=True), nullable=True))
    _attachment()
    op.create_table(
        "part_used",
        *_line("part_used"),
        *(_text(name) for name in ("name", "number", "unit")),
        sa.Column("quantity", sa.Float(), nullable=False),
        _at("cost_cents", null=True),
        _text("currency", "CNY"),
    )
    op.create_index("ix_part_used_ticket", "part_used", ["ticket_id", "id"])
    op.create_table(
        "hours_worked",
        *_line("hours_worked"),
        _text("person", None),
        _at("from_at", null=True),
        sa.Column("minutes", sa.Integer(), nullable=False),
    )
    op.create_index("ix_hours_worked_ticket", "hours_worked", ["ticket_id", "id"])
    op.create_table(
        "reading_proof",
        *_keys("reading_proof"),
        _text("point", None),
        _at("since_at"),
        _at("until_at"),
        sa.Column("facts", sa.JSON(none_as_null=True), nullable=False),
    )
    op.create_index("ix_reading_proof_ticket", "reading_proof", ["ticket_id", "point"])
    op.create_table(
        "watcher",
        sa.Column("ticket_id", _ID, nullable=False),
        _text("person", None),
        _at("since_at"),
        sa.PrimaryKeyConstraint("ticket_id", "person", name=op.f("pk_watcher")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_watcher_ticket_id")),
    )
    op.create_index("ix_watcher_person", "watcher", ["person"])


def _attachment() -> None:
    op.create_table(
        "attachment",
        *_keys("attachment"),
        *(_text(name, None) for name in ("file", "original_hash", "stored_hash")),
        *(_text(name) for name in ("media_type", "name", "shows", "note", "device_time")),
        _at("size_bytes"),
        *(sa.Column(name, sa.Integer(), server_default=sa.text("0"), nullable=False) for name in ("width", "height")),
        _at("added_at"),
        _text("added_by"),
        _at("removed_at", null=True),
        *(_text(name) for name in ("removed_by", "removed_why")),
    )
    op.create_index("ix_attachment_ticket", "attachment", ["ticket_id", "id"])
    op.create_index("ix_attachment_file", "attachment", ["file"])
    is_kept = sa.text("removed_at IS NULL")
    op.create_index(
        "uq_attachment_kept", "attachment", ["ticket_id", "original_hash"],
        unique=True, sqlite_where=is_kept, postgresql_where=is_kept,
    )  # fmt: skip


def downgrade() -> None:
    for table in ("watcher", "reading_proof", "hours_worked", "part_used", "attachment"):
        op.drop_table(table)
    op.drop_column("rule", "resolve")
