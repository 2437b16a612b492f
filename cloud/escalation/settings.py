"""Beside escalation: a site's own calling steps, checked as they are entered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.errors import invalid, not_found
from cloud.escalation.chain import MOST_REPEATS, STOPS, TRIGGERS, Step, from_plain, to_plain
from cloud.escalation.contacts import check_owner
from cloud.people.service import audit
from cloud.sla.policy import CLOCKS, PRIORITIES
from cloud.storage import tables as t
from cloud.storage.sql import upsert
from contract.conventions import EpochMs

MOST_STEPS = 50
_KEY = ("site_id", "kind", "priority", "emergency")
_LONGEST = timedelta(days=400)


async def set_chain(
    connection: AsyncConnection, bound: Mapping[str, str], rows: Sequence[Mapping[str, Any]], now: EpochMs, actor: str
) -> None:
    """Keep a chain for the tickets that ``bound`` names (site_id, kind, priority, emergency; empty: any).

    Tickets that were planned keep the chain they have. Raises Refused: 404 no such site, 422 a step that cannot be.
    """
    if (
        bound["site_id"]
        and not (await connection.execute(select(t.site.c.id).where(t.site.c.id == bound["site_id"]))).first()
    ):
        raise not_found("site", bound["site_id"])
    if bound["priority"] not in {"", *PRIORITIES}:
        raise invalid("priority", f"{bound['priority']!r} is not a priority", f"choose one of {', '.join(PRIORITIES)}")
    if not 0 < len(rows) <= MOST_STEPS:
        raise invalid("steps", f"a chain has 1 to {MOST_STEPS} steps", "remove the chain to return to the shipped one")
    steps = from_plain(rows)
    for index, step in enumerate(steps):
        await _check(connection, index, step)
    row = {**{name: bound[name] for name in _KEY}, "steps": to_plain(steps), "changed_at": now, "changed_by": actor}
    await upsert(connection, t.calls.chain, _KEY, [row])
    await audit(connection, actor, "chain_changed", "/".join(bound[name] or "*" for name in _KEY), now, {"steps": row["steps"]})  # fmt: skip


async def remove_chain(connection: AsyncConnection, number: int, now: EpochMs, actor: str) -> None:
    """Return to the shipped chain. Raises Refused (404)."""
    row = (await connection.execute(select(t.calls.chain).where(t.calls.chain.c.id == number))).mappings().first()
    if row is None:
        raise not_found("chain", str(number))
    await connection.execute(delete(t.calls.chain).where(t.calls.chain.c.id == number))
    await audit(connection, actor, "chain_removed", "/".join(row[name] or "*" for name in _KEY), now, {"steps": row["steps"]})  # fmt: skip


async def _check(connection: AsyncConnection, index: int, step: Step) -> None:
    path = f"steps.{index}"
    for name, value, known in (
        ("trigger", step.trigger, TRIGGERS),
        ("clock", step.clock, CLOCKS),
        ("until", step.until, ("", *STOPS)),
    ):
        if value not in known:
            raise invalid(
                f"{path}.{name}", f"{value!r} is not known", f"choose one of {', '.join(filter(None, known))}"
            )
    if not step.whom:
        raise invalid(
            f"{path}.whom", "a step that calls nobody", "name role:…, person:…, address:…, holder or watchers"
        )
    for one in step.whom:
        if one not in {"holder", "watchers"} and not (one.startswith("role:") and len(one) > len("role:")):
            await check_owner(connection, one)
    if not 0 < step.share < 1:
        raise invalid(f"{path}.share", f"{step.share} is not a share", "write a figure between 0 and 1, such as 0.75")
    if step.trigger == "event" and not step.event:
        raise invalid(f"{path}.event", "which event is missing", "name a kind of the timeline, such as reopened")
    lengths = (step.after, step.repeat_every or timedelta(0))
    if step.repeats > MOST_REPEATS or min(lengths) < timedelta(0) or max(lengths) > _LONGEST or step.repeats < 0:
        raise invalid(
            path, "a delay or a number of repeats that cannot be", f"at most {MOST_REPEATS} repeats and 400 days"
        )
