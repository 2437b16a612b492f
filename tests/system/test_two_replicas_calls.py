"""Two replicas on one PostgreSQL, killed at random while faults come in: each fault one ticket, each call made, none sent twice.

The replicas are the real commands. Everybody who is told has a webhook here, which counts deliveries by their key as a receiver would
that honours it. A failing run prints its seed; ``PLANTROOM_CRASH_SEED=…`` plays the same faults and kills again.
"""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import RowMapping, func, select

from cloud.config import load_config
from cloud.escalation import contacts, planning
from cloud.escalation.chain import Call, Step, calls, to_plain
from cloud.escalation.settings import set_chain
from cloud.people import gateways, service
from cloud.storage import tables as t
from cloud.storage.migrate import migrate
from cloud.storage.session import Database, open_database
from cloud.tickets.desk import Desk
from contract import codec
from contract.conventions import format_instant, to_ms
from contract.messages import Envelope, Record
from simulators.broker import free_port
from simulators.clock import SystemClock
from simulators.processes import Family, last_lines, program
from simulators.stack import answers
from tests.support.desk import announcement, raised
from tests.support.receivers import Hook, hook
from tests.support.servers import postgres
from tests.system.test_crash import print_seed

REPLICAS = ("one", "two")
PEOPLE = {"wang": "technician", "lin": "engineer", "chief": "manager"}
CONFIG = "targets:\n  - {clock: response, within: 4s}\n"
STEPS = (
    Step(("role:technician",)),
    Step(("role:engineer",), trigger="warned", share=0.5),
    Step(("role:manager",), trigger="breached", repeat_every=timedelta(seconds=3), repeats=1),
)
LAST_CALL_S = 8.0
"""From a fault to the last call that its chain makes."""
LEASE_S = 30.0


@dataclass
class World:
    """Two replicas, their database, and who is told."""

    folder: Path
    url: str
    hook: Hook
    seed: int
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in REPLICAS})
    clock: SystemClock = field(default_factory=SystemClock)
    kills: int = 0
    answered: int = 0

    def __post_init__(self) -> None:
        self.family = Family(self.folder, {"PLANTROOM_DATABASE_URL": self.url})
        self.database: Database = open_database(self.url)
        self.config = self.folder / "cloud.yaml"
        self.config.write_text(CONFIG, encoding="utf-8")
        self.settings = load_config({"PLANTROOM_DATABASE_URL": self.url}, self.config, self.folder)

    async def prepare(self) -> None:
        """A gateway, people with channels, a short chain, and somebody who is signed in."""
        await migrate(self.database)
        now = self.clock.now_ms()
        async with self.database.write() as connection:
            await gateways.add(connection, "gw_1", "riverside", "CODE", now)
            self.credential = await gateways.enrol(connection, "gw_1", "CODE", now, lambda: "secret")
            user = 0
            for name, role in PEOPLE.items():
                user = await service.add_user(connection, name, role, None, now)
                await contacts.add_channel(connection, f"person:{name}", self.hook.url(name), now, "tests")
            bound = dict.fromkeys(("site_id", "kind", "priority", "emergency"), "")
            await set_chain(connection, bound, to_plain(STEPS), now, "tests")
            self.token = await service.open_session(connection, user, now, lambda: "session")

    async def start(self, name: str) -> None:
        words = ("serve", "--port", str(self.ports[name]), "--data", str(self.folder), "--config", str(self.config))
        await self.family.start(name, [*program("plantroom-cloud"), *words])

    async def up(self, name: str) -> None:
        limit = self.clock.now_ms() + 60_000
        while not await answers(self.ports[name]):
            assert self.clock.now_ms() < limit, self.logs()
            await asyncio.sleep(0.05)

    def logs(self) -> str:
        return "\n".join(f"{log.name}:\n{last_lines(log, 25)}" for log in sorted(self.folder.glob("*.log")))

    async def post(self, path: str, **how: object) -> int:
        """Ask one replica, and the other when it does not answer; the status, 0 when neither did."""
        for name in self.dice.sample(REPLICAS, len(REPLICAS)):
            with contextlib.suppress(httpx.HTTPError):
                address = f"http://127.0.0.1:{self.ports[name]}{path}"
                return (await self.http.post(address, timeout=10, **how)).status_code  # type: ignore[arg-type]
        return 0

    @property
    def dice(self) -> random.Random:
        return self._dice

    async def run(self, faults: int) -> None:
        """Faults come in while replicas are killed; then what is left is waited for."""
        self._dice = random.Random(f"{self.seed}/posts")
        async with httpx.AsyncClient() as self.http, asyncio.TaskGroup() as group:
            killer = group.create_task(self._kill())
            await self._tell(
                0, announcement(interval_ms=3_600_000)
            )  # its silence between faults is no fault of its own
            async with asyncio.TaskGroup() as work:
                dice = random.Random(f"{self.seed}/faults")
                for number in range(1, faults + 1):
                    await self._tell(number, raised(self.clock.now_ms(), instance=f"f{number}"))
                    if dice.random() < 0.4:
                        work.create_task(self._answer(f"f{number}", dice.uniform(0, 6)))
                    await asyncio.sleep(dice.uniform(0, 1))
            await asyncio.sleep(LAST_CALL_S)
            killer.cancel()
        for name in REPLICAS:
            await self.up(name)
        await self._settle()

    async def _tell(self, number: int, record: Record) -> None:
        """Deliver one record until a replica has committed it; now and then to both, as a gateway does that got no answer."""
        envelope = Envelope(
            contract=1, gateway="gw_1", epoch=1, lane="events", first=number + 1, sent_at=format_instant(self.clock.now_ms()),
            records=codec.raw_records([codec.encode_record(record)]),
        )  # fmt: skip
        headers = {"Authorization": f"Bearer {self.credential}", "Content-Encoding": "gzip"}
        content = codec.deflate(codec.encode_envelope(envelope))
        send = {"content": content, "headers": headers}
        if self.dice.random() < 0.2:
            await asyncio.gather(*(self.post("/api/v1/ingest", **send) for _ in REPLICAS))
        while await self.post("/api/v1/ingest", **send) != 200:
            await asyncio.sleep(0.05)

    async def _answer(self, instance: str, later_s: float) -> None:
        await asyncio.sleep(later_s)
        (row,) = await self.rows(select(t.ticket.c.id).where(t.ticket.c.instance == instance))
        path, cookie = f"/api/v1/tickets/T-{row['id']:06d}/actions/acknowledge", f"plantroom_session={self.token}"
        while (status := await self.post(path, json={}, headers={"Cookie": cookie})) not in {200, 409}:
            assert status in {0, 503}, status
            await asyncio.sleep(0.2)
        self.answered += 1

    async def _kill(self) -> None:
        dice = random.Random(f"{self.seed}/kills")
        while True:
            name = dice.choice(REPLICAS)
            if dice.random() < 0.7:
                await self.up(name)
            await asyncio.sleep(dice.uniform(0, 2))
            await self.family.kill(name)
            self.kills += 1
            await asyncio.sleep(dice.uniform(0, 1))
            await self.start(name)

    async def _settle(self) -> None:
        """Until nothing waits any more: the leases of those who were killed run out first."""
        limit = self.clock.now_ms() + (LEASE_S + 60) * 1000
        pending = (
            select(func.count()).select_from(t.calls.notice).where(t.calls.notice.c.state.in_(("waiting", "sending")))
        )
        stale = select(func.count()).select_from(t.ticket).where(t.ticket.c.planned_version != t.ticket.c.version)
        while True:
            async with self.database.read() as connection:
                left = [(await connection.execute(query)).scalar_one() for query in (pending, stale)]
            if left == [0, 0]:
                return
            assert self.clock.now_ms() < limit, f"{left} left\n{self.logs()}"
            await asyncio.sleep(0.2)

    async def rows(self, query: object) -> list[RowMapping]:
        async with self.database.read() as connection:
            return list((await connection.execute(query)).mappings())  # type: ignore[call-overload]

    async def expected(self, ticket: RowMapping) -> list[Call]:
        """Every call that this ticket's timeline implies up to now."""
        now = self.clock.now_ms()
        async with self.database.read() as connection:
            known = await contacts.directory(connection)
            story = await planning.story_of(
                Desk(self.settings.policy), connection, ticket, planning.snapshot(ticket, known), now
            )
        return [call for call in calls(story) if call.was_wanted and to_ms(call.due) <= now]


@contextlib.asynccontextmanager
async def world(folder: Path, url: str, seed: int) -> AsyncIterator[World]:
    async with hook() as receiver:
        made = World(folder, url, receiver, seed)
        try:
            await made.prepare()
            for name in REPLICAS:
                await made.start(name)
            for name in REPLICAS:
                await made.up(name)
            yield made
        finally:
            await made.family.stop()
            await made.database.close()


@pytest.fixture
def url() -> Iterator[str]:
    with postgres() as address:
        yield address


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    def line(text: str) -> None:
        with capsys.disabled():
            print(f"\n{text}")  # noqa: T201

    return line


async def check_tickets(there: World, faults: int) -> list[RowMapping]:
    """No fault without its ticket, none with two."""
    tickets = await there.rows(select(t.ticket).order_by(t.ticket.c.id))
    assert Counter(ticket["instance"] for ticket in tickets) == Counter(f"f{n}" for n in range(1, faults + 1))
    return tickets


async def check_breaches(there: World, tickets: list[RowMapping]) -> int:
    """Every clock that ran over has one line that says so, at its due instant; no other has one."""
    lines = await there.rows(select(t.timeline).where(t.timeline.c.kind == "breached"))
    clocks = await there.rows(select(t.deadline))
    desk, now, late = Desk(there.settings.policy), there.clock.now_ms(), 0
    found = Counter((line["ticket_id"], line["data"]["clock"], line["at"]) for line in lines)
    expected: Counter[tuple[int, str, int]] = Counter()
    async with there.database.read() as connection:
        for ticket in tickets:
            story = await planning.story_of(desk, connection, ticket, [], now)
            for clock in story.deadlines:
                if clock.breached_at is not None:
                    expected[ticket["id"], clock.clock, to_ms(clock.breached_at)] += 1
                    late += 1
    assert found == expected
    assert {(one["ticket_id"], one["clock"]) for one in clocks if one["breached_at"]} == {key[:2] for key in expected}
    return late


async def check_calls(there: World, tickets: list[RowMapping]) -> None:
    """Every call that was wanted is accounted for: sent, overtaken by a later one of its clock that was, or answered before it could be."""
    notices = await there.rows(select(t.calls.notice))
    for ticket in tickets:
        mine = {(one["clock"], one["step"], one["repeat"]): one for one in notices if one["ticket_id"] == ticket["id"]}
        wanted = await there.expected(ticket)
        missing = [call for call in wanted if (call.clock, call.step, call.repeat) not in mine]
        assert missing == [], f"T-{ticket['id']:06d}"
        assert len(mine) == sum(one["ticket_id"] == ticket["id"] for one in notices)
        sent = [one["due_at"] for one in mine.values() if one["state"] == "sent"]
        for call in wanted:
            notice = mine[call.clock, call.step, call.repeat]
            if notice["state"] == "superseded":
                later = [one["due_at"] for one in mine.values() if one["state"] in {"sent", "cancelled"}]
                assert max(later, default=0) > notice["due_at"], dict(notice)
            elif notice["state"] == "cancelled":
                assert not call.is_live, dict(notice)
            else:
                assert notice["state"] == "sent", dict(notice)
        assert sent or not any(call.is_live for call in wanted)


async def check_deliveries(there: World) -> int:
    """None was sent twice: receivers who honour the key got each message once, and every further delivery said that it may be one."""
    notices = {one["key"]: one for one in await there.rows(select(t.calls.notice))}
    first: set[str] = set()
    repeats = 0
    for got in there.hook.got:
        assert notices[got.key]["owner"] == f"person:{got.path}"
        if got.key in first:
            assert got.is_marked, got
            repeats += 1
        first.add(got.key)
    assert {key for key, one in notices.items() if one["state"] == "sent"} <= first
    assert all(notices[key]["state"] == "sent" or notices[key]["is_possible_repeat"] for key in first)
    assert repeats <= there.kills  # each is a kill between a send and its record
    return repeats


async def proof(folder: Path, url: str, faults: int, say: Callable[[str], None]) -> None:
    async with world(folder, url, print_seed()) as there:
        try:
            await there.run(faults)
            tickets = await check_tickets(there, faults)
            late = await check_breaches(there, tickets)
            await check_calls(there, tickets)
            repeats = await check_deliveries(there)
        except AssertionError as error:
            raise AssertionError(f"seed {there.seed}: {error}\n{there.logs()}") from error
    assert there.kills > faults // 20
    assert late > faults // 5
    say(
        f"{faults} faults, {there.kills} kills: {len(tickets)} tickets, {late} breaches, {there.answered} answered, "
        f"{len(there.hook.got)} deliveries, of which {repeats} marked repeats; seed {there.seed}"
    )


@pytest.mark.proof
@pytest.mark.timeout(1500)
async def test_in_two_hundred_faults_no_ticket_doubles_no_call_is_missed_and_none_is_sent_twice(
    tmp_path: Path, url: str, say: Callable[[str], None]
) -> None:
    await proof(tmp_path, url, 200, say)
