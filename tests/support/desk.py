"""A service desk for tests: a clock that stands still, a database in a folder, and a gateway that talks to it."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import msgspec
from fastapi import FastAPI
from sqlalchemy import Table, select

from cloud.app import Parts, create_app
from cloud.config import Config
from cloud.people import gateways, service
from cloud.storage.session import Database
from cloud.telemetry.embedded import EmbeddedStore
from contract import codec
from contract.conventions import EpochMs, format_instant, from_ms, to_ms
from contract.messages import (
    AlarmCleared,
    AlarmRaised,
    AnnouncedDevice,
    AnnouncedEquipment,
    AnnouncedPoint,
    AnnouncedRule,
    DeviceAnnounced,
    Envelope,
    Previous,
    Receipt,
    Record,
    Severity,
    Text,
)
from tests.support.databases import database_at

START = to_ms(datetime(2026, 11, 21, 7, 0, tzinfo=UTC))
SECOND, MINUTE, HOUR = 1000, 60_000, 3_600_000


class StoppedClock:
    """Time that moves when a test says so."""

    def __init__(self, now: EpochMs = START) -> None:
        self.ms = now

    def now(self) -> datetime:
        return from_ms(self.ms)

    def now_ms(self) -> EpochMs:
        return self.ms

    async def sleep(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)
        await asyncio.sleep(0)


async def fresh_database(folder: Path, name: str = "cloud.db", *, is_inline: bool = True) -> Database:
    """A new database with every table, or the one that lies there. Which kind, ``tests.support.databases`` knows."""
    return await database_at(folder / name, is_inline=is_inline)


async def rows(database: Database, table: Table, **where: Any) -> list[dict[str, Any]]:
    """Rows of a table, as dictionaries, in the order of its key."""
    query = select(table).order_by(*table.primary_key.columns)
    for name, value in where.items():
        query = query.where(table.c[name] == value)
    async with database.read() as connection:
        return [dict(row) for row in (await connection.execute(query)).mappings()]


def words(text: str) -> Text:
    return Text(en=text, zh=text)


def announcement(**changes: Any) -> DeviceAnnounced:
    """One incomer with a power-factor rule, one lift with an entrapment rule, one meter."""
    incomer = AnnouncedEquipment(
        id="incomer_1", equipment_class="lv_switchgear", name=Text(en="LV incomer 1", zh="低压进线1"), system="power",
        points=[AnnouncedPoint(id="power_factor", name=words("power factor"), kind="gauge", plausible=(-1, 1), device="meter_1")],
        rules=[AnnouncedRule(id="pf_low", name=Text(en="power factor low", zh="功率因数低"), severity=Severity.MAJOR, clause="h-5.3.1-pf", expression="power_factor < pf_min")],
    )  # fmt: skip
    lift = AnnouncedEquipment(
        id="lift_1", equipment_class="lift", name=Text(en="Lift 1", zh="1 号梯"), system="lifts",
        rules=[AnnouncedRule(id="entrapment", name=Text(en="person trapped", zh="困人"), severity=Severity.LIFE_SAFETY, clause="city", expression="alarm_button", emergency="entrapment")],
    )  # fmt: skip
    meter = AnnouncedDevice(
        id="meter_1", model="eastron_sdm630", model_name="SDM630", status="verified", bus="line_a", protocol="modbus",
        address="1", every_ms=1000, equipment=["incomer_1"],
    )  # fmt: skip
    values: dict[str, Any] = {
        "site": "riverside", "site_name": "Riverside Tower", "zone": "Asia/Shanghai", "version": "0.1.0",
        "interval_ms": 10_000, "content_hash": "1", "equipment": [incomer, lift], "devices": [meter],
    }  # fmt: skip
    return DeviceAnnounced(**{**values, **changes})


def raised(at: EpochMs, rule: str = "pf_low", equipment: str = "incomer_1", **changes: Any) -> AlarmRaised:
    severity = Severity.LIFE_SAFETY if rule == "entrapment" else Severity.MAJOR
    values: dict[str, Any] = {
        "equipment": equipment, "rule": rule, "severity": severity, "clause": "h-5.3.1-pf",
        "began_at": format_instant(at), "raised_at": format_instant(at),
    }  # fmt: skip
    return AlarmRaised(**{**values, **changes})


def trapped(at: EpochMs) -> AlarmRaised:
    return raised(at, "entrapment", "lift_1")


def cleared(of: AlarmRaised, at: EpochMs) -> AlarmCleared:
    return AlarmCleared(
        equipment=of.equipment,
        rule=of.rule,
        instance=of.instance,
        raised_at=of.raised_at,
        cleared_at=format_instant(at),
    )


@dataclass
class Desk:
    """An app without its background tasks, and everything a test wants to look at."""

    app: FastAPI
    clock: StoppedClock
    http: httpx.AsyncClient

    @property
    def database(self) -> Database:
        database: Database = self.app.state.database
        return database

    async def tick(self, later_ms: int = 0) -> None:
        """Let time pass and the ticker look."""
        self.clock.ms += later_ms
        await self.app.state.ticker.tick()

    async def sign_in(self, name: str = "chief", role: str = "manager") -> None:
        """Make a user and let the client be that person from now on."""
        async with self.database.write() as connection:
            user_id = await service.add_user(connection, name, role, None, self.clock.ms)
            token = await service.open_session(connection, user_id, self.clock.ms, self.app.state.tokens)
        self.http.cookies.set("plantroom_session", token)

    async def act(self, ticket: str, verb: str, /, **body: Any) -> httpx.Response:
        return await self.http.post(f"/api/v1/tickets/{ticket}/actions/{verb}", json=body)

    async def gateway(self, name: str = "gw_1", site: str = "riverside") -> "Gateway":
        """Enrol a gateway."""
        async with self.database.write() as connection:
            await gateways.add(connection, name, site, "CODE", self.clock.ms)
        answer = await self.http.post("/api/v1/gateways/enrol", json={"gateway": name, "code": "CODE"})
        return Gateway(self, name, answer.json()["credential"])


@asynccontextmanager
async def desk(folder: Path, **changes: Any) -> AsyncIterator[Desk]:
    """A desk on a fresh database in ``folder`` (or on the one that lies there), at a stopped clock."""
    clock = changes.pop("clock", None) or StoppedClock()
    database = changes.pop("database", None) or await fresh_database(folder)
    config = Config(data=folder, database_url=f"sqlite:///{folder / 'cloud.db'}", **changes)
    store = EmbeddedStore(folder / "telemetry.db", is_inline=True)
    tokens = map("token-{}".format, count(1))
    app = create_app(config, Parts(clock=clock, database=database, store=store, tokens=lambda: next(tokens)))
    await store.open()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://desk.test") as http:
            yield Desk(app, clock, http)
    finally:
        await store.close()
        await database.close()


@dataclass
class Gateway:
    """Speaks the contract as a gateway does: numbered, per lane and epoch."""

    desk: Desk
    name: str
    credential: str
    epoch: int = 1
    numbers: dict[str, int] = field(default_factory=lambda: {"events": 1, "samples": 1})

    async def tell(self, *records: Record | bytes, lane: str = "events", **changes: Any) -> Receipt:
        """Deliver records after those before; the receipt."""
        answer = await self.post(self.envelope(*records, lane=lane, **changes))
        assert answer.status_code == 200, answer.text
        self.numbers[lane] += len(records)
        return codec.decode_receipt(answer.content)

    def envelope(self, *records: Record | bytes, lane: str = "events", **changes: Any) -> Envelope:
        bodies = [record if isinstance(record, bytes) else codec.encode_record(record) for record in records]
        values: dict[str, Any] = {
            "contract": 1, "gateway": self.name, "epoch": self.epoch, "lane": lane, "first": self.numbers[lane],
            "sent_at": format_instant(self.desk.clock.ms), "records": codec.raw_records(bodies),
        }  # fmt: skip
        return Envelope(**{**values, **changes})

    async def post(self, envelope: Envelope, headers: Mapping[str, str] | None = None) -> httpx.Response:
        sent = {"Authorization": f"Bearer {self.credential}", "Content-Encoding": "gzip", **(headers or {})}
        return await self.desk.http.post(
            "/api/v1/ingest", content=codec.deflate(codec.encode_envelope(envelope)), headers=sent
        )

    def restart(self, events: int = 0, samples: int = 0) -> Previous:
        """Begin the next epoch; what its first envelope says of the one before."""
        previous = Previous(epoch=self.epoch, events=events, samples=samples)
        self.epoch += 1
        self.numbers = {"events": 1, "samples": 1}
        return previous


def plain(records: Sequence[Record]) -> list[Any]:
    return [msgspec.to_builtins(record) for record in records]
