"""Who is told, by what, and every notice"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_COLUMNS = ("next_call_at", "chain", "planned_version")


def _text(name: str, default: str | None = "") -> sa.Column[str]:
    server_default = sa.text(f"('{default}')") if default is not None else None
    return sa.Column(name, sa.Text(), server_default=server_default, nullable=False)


def _count(name: str, default: str | None = "0") -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), server_default=sa.text(default) if default else None, nullable=False)


def _at(name: str, *, null: bool = True) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=null)


def _id() -> sa.Column[int]:
    return sa.Column("id", _NUMBER, autoincrement=True, nullable=False)


def _partial(name: str, table: str, column: str, where: str) -> None:
    op.create_index(name, table, [column], sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def upgrade() -> None:
    _widen_tickets()
    _make_contacts()
    _make_notices()


def _widen_tickets() -> None:
    op.add_column("ticket", _count("planned_version"))
    op.add_column("ticket", sa.Column("chain", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("ticket", _at("next_call_at"))
    # nobody is called for what was over before there were calls
    op.execute("UPDATE ticket SET planned_version = version WHERE state IN ('closed', 'cancelled')")
    _partial("ix_ticket_unplanned", "ticket", "id", "planned_version <> version")
    _partial("ix_ticket_next_call", "ticket", "next_call_at", "next_call_at IS NOT NULL")


def _make_contacts() -> None:
    op.create_table(
        "contact",
        _text("owner", None),
        *(_text(name) for name in ("language", "zone", "quiet_from", "quiet_to")),
        sa.PrimaryKeyConstraint("owner", name=op.f("pk_contact")),
    )
    op.create_table(
        "channel",
        _id(),
        _text("owner", None),
        _count("position"),
        _text("url", None),
        _text("kind"),
        _text("label"),
        _at("created_at", null=False),
        _at("last_ok_at"),
        _at("last_failed_at"),
        _text("last_error"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channel")),
    )
    op.create_index("ix_channel_owner", "channel", ["owner", "position"])
    op.create_table(
        "duty",
        *(_text(name, None) for name in ("site_id", "role", "owner")),
        sa.PrimaryKeyConstraint("site_id", "role", "owner", name=op.f("pk_duty")),
    )
    key = ("site_id", "kind", "priority", "emergency")
    op.create_table(
        "chain",
        _id(),
        *(_text(name) for name in key),
        sa.Column("steps", sa.JSON(none_as_null=True), nullable=False),
        _at("changed_at", null=False),
        _text("changed_by"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chain")),
        sa.UniqueConstraint(*key, name=op.f("uq_chain_site_id_kind_priority_emergency")),
    )


def _make_notices() -> None:
    key = ("ticket_id", "clock", "activation", "step", "repeat", "owner")
    op.create_table(
        "notice",
        _id(),
        sa.Column("ticket_id", _NUMBER, nullable=False),
        _text("clock", None),
        *(_count(name, None) for name in ("activation", "step", "repeat")),
        _text("owner", None),
        _text("trigger"),
        _at("due_at", null=False),
        _at("planned_at", null=False),
        _text("state", "waiting"),
        _text("why"),
        _text("key", None),
        _at("next_at"),
        *(_count(name) for name in ("attempts", "channel")),
        _text("claim"),
        *(_at(name) for name in ("claimed_until", "sent_at", "failed_at")),
        *(_text(name) for name in ("via", "receipt", "error")),
        sa.Column("is_possible_repeat", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_notice_ticket_id")),
        sa.UniqueConstraint(*key, name=op.f(f"uq_notice_{'_'.join(key)}")),
        sa.UniqueConstraint("key", name=op.f("uq_notice_key")),
    )
    _partial("ix_notice_pending", "notice", "next_at", "state IN ('waiting', 'sending')")
    _partial("ix_notice_trouble", "notice", "ticket_id", "state IN ('nobody', 'failed')")


def downgrade() -> None:
    for name in ("notice", "chain", "duty", "channel", "contact"):
        op.drop_table(name)
    for name in ("ix_ticket_next_call", "ix_ticket_unplanned"):
        op.drop_index(name, "ticket")
    for name in _COLUMNS:
        op.drop_column("ticket", name)
