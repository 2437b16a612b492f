"""Tickets: who wants to hear of a ticket although somebody else works on it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.storage import tables as t
from cloud.storage.prepared import Prepared
from cloud.storage.sql import insert_new
from cloud.tickets import repository
from contract.conventions import EpochMs

_watcher = t.proof.watcher
_EACH = Prepared(
    select(_watcher.c.ticket_id, _watcher.c.person)
    .where(_watcher.c.ticket_id.in_(bindparam("numbers", expanding=True)))
    .order_by(_watcher.c.since_at, _watcher.c.person)
)


async def watch(connection: AsyncConnection, number: int, person: str, now: EpochMs) -> bool:
    """Let a person hear of every step of a ticket. False when they do already. Raises Refused (404)."""
    await repository.ticket(connection, number)
    return await insert_new(connection, _watcher, {"ticket_id": number, "person": person, "since_at": now})


async def unwatch(connection: AsyncConnection, number: int, person: str) -> bool:
    """Stop that. False when they did not. Raises Refused (404)."""
    await repository.ticket(connection, number)
    mine = delete(_watcher).where(_watcher.c.ticket_id == number, _watcher.c.person == person)
    return (await connection.execute(mine)).rowcount > 0


async def watching(connection: AsyncConnection, number: int) -> list[str]:
    """The sign-in names of those who watch a ticket, the longest-watching first."""
    query = select(_watcher.c.person).where(_watcher.c.ticket_id == number)
    return list((await connection.execute(query.order_by(_watcher.c.since_at, _watcher.c.person))).scalars())


async def watching_each(connection: AsyncConnection, numbers: Sequence[int]) -> dict[int, list[str]]:
    """The same of several tickets; a ticket that nobody watches is left out."""
    found: dict[int, list[str]] = {}
    for number, person in await _EACH.tuples(connection, {"numbers": tuple(numbers)}):
        found.setdefault(number, []).append(person)
    return found


async def watched_by(connection: AsyncConnection, person: str) -> list[int]:
    """The tickets that a person watches, newest first."""
    query = select(_watcher.c.ticket_id).where(_watcher.c.person == person).order_by(_watcher.c.ticket_id.desc())
    return list((await connection.execute(query)).scalars())
