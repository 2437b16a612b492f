"""Storage under reports: the indexes by which a period's breaches and closings are found among a million tickets."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Index, Table, text

IS_OVER: Final = "closed_at IS NOT NULL"
IS_BREACHED: Final = "breached_at IS NOT NULL"


def add_indexes(ticket: Table, deadline: Table) -> None:
    """None of them is written when a ticket is opened, so that events cost no more."""
    Index("ix_ticket_over", ticket.c.closed_at, ticket.c.opened_at, **_only(IS_OVER))
    Index("ix_deadline_breached", deadline.c.breached_at, **_only(IS_BREACHED))


def _only(where: str) -> dict[str, Any]:
    return {"sqlite_where": text(where), "postgresql_where": text(where)}
