"""Permits to work and links for contractors"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _text(name: str, default: str | None = "") -> sa.Column[str]:
    server_default = sa.text(f"('{default}')") if default is not None else None
    return sa.Column(name, sa.Text(), server_default=server_default, nullable=False)


def _at(name: str, *, null: bool = True) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=null)


def upgrade() -> None:
    op.create_table(
        "permit",
        sa.Column("ticket_id", _ID, autoincrement=False, nullable=False),
        _text("site_id"),
        _text("stage", "drafted"),
        _at("from_at", null=False),
        _at("until_at", null=False),
        *(_text(name) for name in ("work", "workers", "contractor", "affected", "window_reason", "watch_instead")),
        sa.Column("measures", sa.JSON(), nullable=False),
        sa.Column("is_notice_needed", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("lead_h", sa.Integer(), server_default=sa.text("24"), nullable=False),
        *(_text(name) for name in ("notice_en", "notice_zh", "notice_how")),
        *(_text(name) for name in ("drafted_by", "asked_by", "approved_by", "done_by", "restore_by")),
        *(_at(name) for name in ("asked_at", "approved_at", "notified_at", "cut_at", "done_at")),
        *(_at(name) for name in ("restore_approved_at", "restored_at", "look_at")),
        sa.PrimaryKeyConstraint("ticket_id", name=op.f("pk_permit")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_permit_ticket_id")),
    )
    op.create_index("ix_permit_stage", "permit", ["stage", "from_at"])
    op.create_index("ix_permit_look", "permit", ["look_at"])
    op.create_table(
        "permit_equipment",
        sa.Column("ticket_id", _ID, nullable=False),
        _text("site_id", None),
        _text("equipment_id", None),
        sa.Column("position", sa.Integer(), server_default=sa.text("0"), nullable=False),
        _text("directive_id"),
        sa.PrimaryKeyConstraint("ticket_id", "site_id", "equipment_id", name=op.f("pk_permit_equipment")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_permit_equipment_ticket_id")),
    )
    op.create_index("ix_permit_equipment_thing", "permit_equipment", ["site_id", "equipment_id"])
    op.create_table(
        "contractor_link",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("ticket_id", _ID, nullable=False),
        _text("token_hash", None),
        *(_text(name) for name in ("name", "contact", "created_by")),
        _at("created_at", null=False),
        _at("expires_at", null=False),
        *(_at(name) for name in ("revoked_at", "seen_at", "accepted_at", "arrived_at", "done_at", "closed_at")),
        sa.Column("may_close", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        _text("revoked_by"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contractor_link")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_contractor_link_ticket_id")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_contractor_link_token_hash")),
    )
    op.create_index("ix_contractor_link_ticket", "contractor_link", ["ticket_id"])


def downgrade() -> None:
    for name in ("contractor_link", "permit_equipment", "permit"):
        op.drop_table(name)
