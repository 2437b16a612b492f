"""What joins tickets: kinds, parents, links"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TEXTS = ("category", "description", "place", "reporter", "reporter_contact", "channel", "entered_by")
_TICKETS = ("parent_ticket_id", "merged_into_id")
_INDEXED = ("previous_ticket_id", *_TICKETS)
_KEY = ("ticket_id", "other_id", "relation")
_ONE_OPEN = "one_open_ticket_per_fault"


def _id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default=sa.text("('')"), nullable=False)


def _keep_one_open(*over: str) -> None:
    where = sa.text(f"state NOT IN ({', '.join(repr(state) for state in over)})")
    op.create_index(_ONE_OPEN, "ticket", ["fault_key"], unique=True, sqlite_where=where, postgresql_where=where)


def upgrade() -> None:
    for name in _TEXTS:
        op.add_column("ticket", _text(name))
    for name in _TICKETS:
        op.add_column("ticket", sa.Column(name, _id(), nullable=True))
    for name in _INDEXED:
        where = sa.text(f"{name} IS NOT NULL")
        op.create_index(f"ix_ticket_{name}", "ticket", [name], sqlite_where=where, postgresql_where=where)
    op.drop_index(_ONE_OPEN, "ticket")
    _keep_one_open("closed", "cancelled", "merged")
    op.create_table(
        "ticket_link",
        *(sa.Column(name, _id(), nullable=False) for name in _KEY[:2]),
        _text("relation"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        _text("created_by"),
        sa.PrimaryKeyConstraint(*_KEY, name=op.f("pk_ticket_link")),
        *(sa.ForeignKeyConstraint([name], ["ticket.id"], name=op.f(f"fk_ticket_link_{name}")) for name in _KEY[:2]),
    )
    op.create_index("ix_ticket_link_other", "ticket_link", ["other_id"])


def downgrade() -> None:
    op.drop_table("ticket_link")
    op.execute("UPDATE ticket SET state = 'closed' WHERE state = 'merged'")
    op.drop_index(_ONE_OPEN, "ticket")
    _keep_one_open("closed", "cancelled")
    for name in _INDEXED:
        op.drop_index(f"ix_ticket_{name}", "ticket")
    for name in (*_TEXTS, *_TICKETS):  # said plainly: to copy the table, SQLite would have to delete what points to it
        op.execute(f"ALTER TABLE ticket DROP COLUMN {name}")
