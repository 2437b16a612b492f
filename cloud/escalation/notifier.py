"""Escalation → the people: the background task that plans notices and sends them.

Any number of replicas run it over one database. What is planned and who sends what is decided by rows: a ticket is locked while it is
planned, a notice is taken before it is sent. Nothing is sent before the commit of what it follows from.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

import structlog
from sqlalchemy import update
from sqlalchemy.exc import InterfaceError, OperationalError

from cloud.clock import Clock
from cloud.escalation import contacts, planning, sending
from cloud.escalation.courier import PER_SERVER, THREADS, Courier, Undelivered, server_of
from cloud.escalation.sending import Due
from cloud.people.secrets import Tokens, new_token
from cloud.storage import tables as t
from cloud.storage.session import Database
from cloud.tickets.desk import Desk
from cloud.tickets.ticker import GATHER_S
from contract.conventions import EpochMs

log = structlog.get_logger("calls")
LONGEST_NAP_S = 5.0
_BUSY_NAP_S = 0.2
_SET_ASIDE_MS = 600_000
_RECORD_TRIES = 20


class Notifier:
    """Plans and sends until cancelled. ``counts`` since the start: sent, failed (an attempt), given_up, repeated."""

    def __init__(
        self,
        database: Database,
        desk: Desk,
        clock: Clock,
        publish: Callable[..., None],
        courier: Courier,
        public_url: str = "",
        longest_nap_s: float = LONGEST_NAP_S,
        tokens: Tokens = new_token,
    ) -> None:
        self._database = database
        self._desk = desk
        self._clock = clock
        self._publish = publish
        self._courier = courier
        self._public_url = public_url
        self._longest_nap_s = longest_nap_s
        self._tokens = tokens
        self._woken = asyncio.Event()
        self._under_way: dict[str, int] = {}
        self.counts: Counter[str] = Counter()

    def wake(self) -> None:
        """Look again now: a ticket was opened or changed."""
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled. A message under way holds up neither planning nor other messages."""
        self._under_way = {}
        async with asyncio.TaskGroup() as group:
            while True:
                self._woken.clear()
                is_done = await self.plan_all()
                for one, token in await self._take():
                    group.create_task(self._carry(one, token), name=f"notice {one.row['id']}")
                await self._clock.sleep(GATHER_S)
                with suppress(TimeoutError):
                    async with asyncio.timeout(await self._nap_s() if is_done else _BUSY_NAP_S):
                        await self._woken.wait()

    async def tick(self) -> None:
        """Plan and send all that is due now, one after the other."""
        await self.plan_all()
        while taken := await self._take():
            for one, token in taken:
                await self._carry(one, token)
            await self.plan_all()

    async def plan_all(self) -> bool:
        """Bring every ticket that changed or has a call to make up to now. False when another replica is at one of them."""
        while True:
            now = self._clock.now_ms()
            async with self._database.glance() as connection:
                numbers = await planning.candidates(connection, now)
            if not numbers:
                return True
            if not await self._plan(numbers, now):
                return False

    async def _plan(self, numbers: Sequence[int], now: EpochMs) -> bool:
        """Whether any of them was ours to plan."""
        try:
            async with self._database.write(is_brief=True) as connection:
                return bool(await planning.plan(self._desk, connection, numbers, now))
        except (KeyError, ValueError):
            if len(numbers) > 1:  # one of them cannot be planned, and must not keep the others from it
                return any([await self._plan([number], now) for number in numbers])
            log.exception("calls_not_planned", ticket=numbers[0])
            async with self._database.write() as connection:
                aside = {"planned_version": t.ticket.c.version, "next_call_at": now + _SET_ASIDE_MS}
                await connection.execute(update(t.ticket).where(t.ticket.c.id == numbers[0]).values(aside))
            return True

    async def _take(self) -> list[tuple[Due, str]]:
        """What is to be sent now and was made ours; committed before anything of it is sent."""
        now = self._clock.now_ms()
        async with self._database.glance() as connection:
            if (await sending.next_notice(connection) or now + 1) > now:
                return []
        async with self._database.read() as connection:
            urls = await contacts.channel_rows(connection)
            found = await sending.due(connection, await contacts.directory(connection), urls, self._public_url, now)
        chosen = self._chosen(found)
        taken = []
        if chosen:
            async with self._database.write() as connection:
                for one in sorted(chosen, key=lambda one: int(one.row["id"])):
                    token = self._tokens()
                    if await sending.take(connection, one, token, now):
                        taken.append((one, token))
        for one, _ in taken:
            self._under_way[server_of(one.url)] = self._under_way.get(server_of(one.url), 0) + 1
        return taken

    def _chosen(self, found: Sequence[Due]) -> list[Due]:
        """As many as can be on their way at once, and not more than two to one server."""
        load = Counter(self._under_way)
        chosen = []
        for one in found:
            server = server_of(one.url)
            if (
                load.total() < THREADS
                and load[server] < PER_SERVER
                and not (one.url and self._courier.is_busy(one.url))
            ):
                load[server] += 1
                chosen.append(one)
        return chosen

    async def _carry(self, one: Due, token: str) -> None:
        """Send one message and record what became of it."""
        server = server_of(one.url)
        try:
            if not one.url:
                raise Undelivered("no channel any more")
            receipt = await self._courier.deliver(one.url, one.letter)
        except Undelivered as error:
            await self._record_failure(one, token, error)
        else:
            await self._record(one, token, receipt)
        finally:
            self._under_way[server] -= 1
        self._publish("tickets")
        self.wake()

    async def _record(self, one: Due, token: str, receipt: str) -> None:
        """As soon as the database takes it: the message is out, and a lease that runs out would send it again."""
        for left in range(_RECORD_TRIES, -1, -1):
            try:
                async with self._database.write() as connection:
                    await sending.delivered(connection, one, token, receipt, self._clock.now_ms())
                break
            except (OperationalError, InterfaceError, ConnectionError):
                if not left:
                    raise
                await self._clock.sleep(1)
        self.counts.update(["sent", *(["repeated"] if one.letter.is_possible_repeat else [])])

    async def _record_failure(self, one: Due, token: str, error: Undelivered) -> None:
        now = self._clock.now_ms()
        async with self._database.write() as connection:
            is_over = await sending.undelivered(connection, one, token, error.reason, now, is_unknown=error.is_unknown)
        log.warning("notice_failed", notice=one.row["id"], owner=one.row["owner"], via=one.label, reason=error.reason)
        self.counts.update(["failed", *(["given_up"] if is_over else [])])

    async def _nap_s(self) -> float:
        """Until the earliest call or message, but not longer than another replica may take to write an earlier one."""
        async with self._database.glance() as connection:
            at = await sending.next_instant(connection)
        if at is None:
            return self._longest_nap_s
        left = (at - self._clock.now_ms()) / 1000
        return min(left if left > 0 else _BUSY_NAP_S, self._longest_nap_s)


def waking(wake: Callable[[Iterable[str]], None], notifier: Notifier) -> Callable[[Iterable[str]], None]:
    """``wake`` for all the others, and the notifier with them when tickets changed."""

    def both(topics: Iterable[str]) -> None:
        told = frozenset(topics)
        wake(told)
        if "tickets" in told:
            notifier.wake()

    return both
