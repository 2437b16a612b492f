"""A cloud with a site in it, without network: what a gateway announces and tells, applied as ingest applies it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy import select, update

from cloud.dashboard import routes
from cloud.errors import Refused
from cloud.hub import Hub
from cloud.ingest.apply import Context, apply
from cloud.maintenance import service as maintenance
from cloud.people import service as people
from cloud.storage import tables as t
from cloud.storage.files import Files, FilesAt
from cloud.storage.session import Database
from cloud.telemetry.embedded import EmbeddedStore
from cloud.telemetry.store import Row
from cloud.telemetry.store import Sample as Kept
from cloud.tickets import duties, service
from cloud.tickets.desk import Desk
from cloud.tickets.duties import Duty
from cloud.tickets.ticket import Action
from contract.conventions import format_instant, from_ms
from contract.messages import (
    AlarmChanged,
    AlarmCleared,
    AlarmRaised,
    DeviceAnnounced,
    GatewayStatus,
    Record,
    Severity,
    Term,
)
from device_profiles.library import Library, load
from edge.announce import announce
from edge.config import load_site
from edge.decode.sample import Moment
from edge.plans import device_plans, plan_site
from edge.rules.engine import Engine
from simulators.physics import create
from tests.support.databases import database_at

SATURDAY = int(datetime(2026, 11, 21, 8, 5, 12, tzinfo=UTC).timestamp() * 1000)
"""16:05:12 at the site, as in the design's pictures."""
MINUTE = 60_000
HOUR = 60 * MINUTE
PASSWORD = "only for tests, 2026"


@dataclass
class Clock:
    """Stands still until a test moves it."""

    ms: int = SATURDAY

    def now(self) -> datetime:
        return from_ms(self.ms)

    def now_ms(self) -> int:
        return self.ms

    async def sleep(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)


@cache
def library() -> Library:
    return load()


@cache
def announced() -> DeviceAnnounced:
    site = load_site(Path(__file__).parent / "site.yaml", library())
    engine = Engine(site, Moment(SATURDAY, SATURDAY))
    return announce(site, engine, device_plans(plan_site(site)), "0.1.0")


@dataclass
class World:
    """The application under test and the hands that move it."""

    database: Database
    store: EmbeddedStore
    clock: Any
    files: Files
    app: FastAPI = field(init=False)
    desk: Desk = field(default_factory=Desk)
    told: int = 0

    def __post_init__(self) -> None:
        self.app = application(self)

    # --- the gateway's voice ---

    async def tell(self, record: Record, at: int | None = None) -> None:
        """Apply one event as if the gateway had sent it and the cloud had accepted it at that instant."""
        self.told += 1
        now = self.clock.now_ms() if at is None else at
        async with self.database.write() as connection:
            gateway = (await connection.execute(select(t.gateway))).mappings().one()
            context = Context(self.desk, connection, gateway, f"gw_1:7:events:{self.told}", now, sent_at=now)
            topics = await apply(context, record)
        self.app.state.hub.publish(*topics)

    async def raise_alarm(self, equipment: str, rule: str, ago_ms: int, *, late_ms: int = 400, delay_ms: int = 0,
                          because: tuple[Term, ...] = ()) -> int:  # fmt: skip
        """An alarm whose condition began some time ago. The ticket's number, 0 for none."""
        known = next(r for e in announced().equipment if e.id == equipment for r in e.rules if r.id == rule)
        began = self.clock.now_ms() - ago_ms
        raised = began + delay_ms
        await self.tell(
            AlarmRaised(equipment=equipment, rule=rule, severity=Severity(known.severity), clause=known.clause,
                        began_at=format_instant(began), raised_at=format_instant(raised), on_delay_ms=delay_ms,
                        because=list(because)),
            raised + late_ms,
        )  # fmt: skip
        async with self.database.read() as connection:
            query = select(t.alarm.c.ticket_id).where(t.alarm.c.equipment_id == equipment, t.alarm.c.rule == rule)
            return int((await connection.execute(query.order_by(t.alarm.c.id.desc()))).scalar() or 0)

    async def clear_alarm(self, equipment: str, rule: str) -> None:
        async with self.database.read() as connection:
            query = select(t.alarm.c.raised_at).where(
                t.alarm.c.equipment_id == equipment, t.alarm.c.rule == rule, t.alarm.c.state == "active"
            )
            raised = int((await connection.execute(query)).scalar_one())
        now = format_instant(self.clock.now_ms())
        await self.tell(AlarmCleared(equipment=equipment, rule=rule, raised_at=format_instant(raised), cleared_at=now))

    async def out_of_service(self, equipment: str, reason: str, until: int) -> None:
        at = format_instant(self.clock.now_ms())
        await self.tell(AlarmChanged(equipment=equipment, rule="", at=at, what="out_of_service", reason=reason,
                                     until=format_instant(until)))  # fmt: skip

    async def status(self) -> None:
        at = format_instant(self.clock.now_ms())
        await self.tell(GatewayStatus(at=at, version="0.1.0", outbox_events=0, outbox_samples=3, clock_offset_ms=12))

    # --- values ---

    async def live(
        self, changes: Mapping[tuple[str, str], Any] | None = None, *, bad: Mapping[str, str] | None = None
    ) -> None:
        """One newest sample of every bound point, true to the class's physics; ``bad`` silences whole equipment."""
        now = self.clock.now_ms()
        rows = []
        for one in announced().equipment:
            limits = {limit.id: limit.value for limit in one.limits}
            truth = create(one.equipment_class, 7, one.ratings, limits).values(now / 1000)
            for point in one.points:
                if not point.device:
                    continue
                value = (changes or {}).get((one.id, point.id), truth.get(point.id))
                cause = (bad or {}).get(one.id, "none")
                kept = (
                    Kept(now - 600, value, "good", "none") if cause == "none" else Kept(now - 600, None, "bad", cause)
                )
                rows.append(Row("riverside", one.id, point.id, kept))
        await self.store.write(rows)

    async def past(self, equipment: str, point: str, values: Mapping[int, float | None]) -> None:
        """History of one point: instant to value, None for a read that failed."""
        await self.store.write([
            Row("riverside", equipment, point, Kept(at, value, "good" if value is not None else "bad",
                                                    "none" if value is not None else "no_response"))
            for at, value in values.items()
        ])  # fmt: skip

    # --- people ---

    async def add_user(self, name: str, role: str, display_name: str = "", language: str = "en") -> str:
        """A user; the token of a session."""
        async with self.database.write() as connection:
            number = await people.add_user(connection, name, role, None, self.clock.now_ms())
            values = {"display_name": display_name or name, "language": language}
            await connection.execute(update(t.app_user).where(t.app_user.c.id == number).values(**values))
            return await people.open_session(connection, number, self.clock.now_ms(), lambda: f"session of {name}")

    async def act(self, number: int, step: Action, at: int, who: str = "electrician_a", **details: Any) -> None:
        async with self.database.write() as connection:
            actor = service.Actor(who, "engineer")
            await service.act(self.desk, connection, number, step, actor, at, service.Details(**details))

    async def miss_test(self, equipment: str, test: str, since: int) -> int:
        """A periodic test whose due date passed at that instant; its ticket."""
        known = next((e, p) for e in announced().equipment if e.id == equipment for p in e.tests if p.id == test)
        title = {"en": f"{known[0].name.en}: {known[1].name.en}", "zh": f"{known[0].name.zh}：{known[1].name.zh}"}
        duty = Duty("riverside", equipment, test, known[1].clause, title, "missed", since, f"{equipment}/{test}")
        async with self.database.write() as connection:
            return await duties.call_for(self.desk, connection, duty, since)

    async def sweep(self) -> None:
        async with self.database.write() as connection:
            await maintenance.sweep(self.desk, connection, self.clock.now_ms())


def application(world: World) -> FastAPI:
    """The pages over this world, with nothing else of the cloud around them."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    state = app.state
    state.database, state.store, state.clock, state.desk = world.database, world.store, world.clock, world.desk
    state.hub, state.tokens, state.library, state.wake = Hub(), lambda: "a token of tests", library(), lambda _: None
    state.files = world.files

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> JSONResponse:
        return JSONResponse(error.problem(), error.status)

    routes.mount(app)
    return app


async def make(folder: Path, clock: Any = None, *, is_inline: bool = True) -> World:
    """An empty desk with the announced site."""
    told = announced()
    database = await database_at(folder / "cloud.db", is_inline=is_inline)
    store = EmbeddedStore(folder / "telemetry.db", is_inline=is_inline)
    await store.open()
    world = World(database, store, clock or Clock(), Files(FilesAt(str(folder / "files"))))
    now = world.clock.now_ms()
    async with database.write() as connection:
        await connection.execute(t.site.insert().values(id="riverside", name="Riverside Tower", zone="Asia/Shanghai"))
        await connection.execute(
            t.gateway.insert().values(id="gw_1", site_id="riverside", created_at=now, last_seen_at=now - 1000)
        )
    await world.tell(told, now - 20 * HOUR)
    return world
