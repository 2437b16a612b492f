"""A process that cuts under a permit and is gone, as after SIGKILL, at a named moment: ``python dying_permit.py URL TICKET NOW MOMENT``."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

from cloud.storage.session import open_database
from cloud.tickets import permits_out
from cloud.tickets.desk import Desk
from cloud.tickets.permits import Step
from cloud.tickets.permits_service import Given, take
from cloud.tickets.service import Actor
from tests.support.permits import MEASURES

MOMENTS = ("before the wish", "before the commit", "after the commit")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def cut(url: str, number: int, now: int, moment: str) -> None:
    """Cut, and end at the moment."""
    send = vars(permits_out)["send"]

    async def dying_send(*arguments: Any) -> bool:
        if moment == "before the wish":
            die()
        return bool(await send(*arguments))

    vars(permits_out)["send"] = dying_send
    database = open_database(url)
    async with database.write() as connection:
        given = Given(checked=MEASURES)
        await take(Desk(), connection, number, Step.CUT, Actor("anna", "engineer"), now, given)
        if moment == "before the commit":
            die()
    die()


if __name__ == "__main__":
    asyncio.run(cut(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
