"""Many tickets → the same step, one by one: what one refuses does not stop the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cloud.clock import Clock
from cloud.errors import Refused
from cloud.storage.session import Database
from cloud.tickets import repository, service
from cloud.tickets.service import Actor, Desk, Details
from cloud.tickets.ticket import Action, ticket_name

BULK: Final = (Action.ACKNOWLEDGE, Action.HAND_OVER, Action.DISPATCH, Action.NOTE, Action.SET_PRIORITY, Action.CLOSE)
"""What may be done to many at once."""
MOST: Final = 200
_ALONE: Final = "life_safety"


@dataclass(frozen=True, slots=True)
class Done:
    """What happened to one ticket; ``refused`` says why nothing did."""

    number: int
    state: str = ""
    refused: Refused | None = None


@dataclass(frozen=True, slots=True)
class Hands:
    """What a step on a ticket needs of the process."""

    desk: Desk
    database: Database
    clock: Clock


async def act_on_each(
    hands: Hands, numbers: Sequence[int], action: Action, actor: Actor, details: Details, key: str | None = None
) -> list[Done]:
    """Do one thing to each of these tickets, each in a transaction of its own. ``key`` makes a repeated call do nothing more."""
    return [await _one(hands, number, action, actor, details, key) for number in dict.fromkeys(numbers)]


async def _one(hands: Hands, number: int, action: Action, actor: Actor, details: Details, key: str | None) -> Done:
    now = hands.clock.now_ms()
    try:
        async with hands.database.write() as connection:
            ticket = await repository.ticket(connection, number, is_locked=True)
            guards_life = _ALONE in {ticket["priority"], ticket["severity"]} or bool(ticket["emergency"])
            if action is Action.ACKNOWLEDGE and guards_life:  # also after its priority was lowered
                raise _life_safety(number)
            once = f"bulk:{key}" if key else None
            row = await service.act(hands.desk, connection, number, action, actor, now, details, key=once)
            return Done(number, row["state"])
    except Refused as refused:
        return Done(number, refused=refused)


def _life_safety(number: int) -> Refused:
    """Nobody has seen a life-safety ticket by ticking it in a list."""
    message = f"{ticket_name(number)} is life safety, which is acknowledged one by one"
    return Refused(409, "bulk_life_safety", message, "open the ticket and acknowledge it there")
