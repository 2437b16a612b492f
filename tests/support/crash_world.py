"""A plant, a gateway and a cloud whose processes may be killed at any moment, and a witness of what was committed.

The gateway and the cloud are the real commands. Between them lies a BrokenNetwork. The witness is a table in the
gateway's own database, filled by triggers inside the gateway's own transactions: it knows exactly what was committed, and
nothing forgets it when the cloud has acknowledged.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import func, select

from cloud.people import gateways
from cloud.storage import tables as t
from cloud.storage.migrate import migrate
from cloud.storage.session import Database, open_database
from cloud.telemetry.embedded import EmbeddedStore
from contract.codec import decode_record
from contract.messages import AlarmCleared, AlarmRaised, Record, SampleBatch
from edge.outbox.record import unpack
from edge.outbox.sqlite import Outbox
from edge.uplink.http import store_credential
from simulators.broken_network import BrokenNetwork
from simulators.clock import SystemClock
from simulators.plant import PlantServers, SimulatedPlant
from simulators.processes import Child, Family, last_lines, program
from simulators.site import build_site, load_library
from simulators.stack import START_LIMIT_S, answers
from tests.support.crash_site import FAULTS, GATEWAY, SITE, quiet_ports, site
from tests.support.tee import Tee

WITNESS = """
CREATE TABLE witness (n INTEGER PRIMARY KEY, lane TEXT, epoch INTEGER, seq INTEGER, body BLOB);
CREATE TABLE rewritten (epoch INTEGER, seq INTEGER, what TEXT);
CREATE TRIGGER written AFTER INSERT ON outbox BEGIN
  INSERT INTO witness (lane, epoch, seq, body) VALUES (new.lane, new.epoch, new.seq, new.body);
END;
CREATE TRIGGER changed AFTER UPDATE ON outbox BEGIN
  INSERT INTO rewritten VALUES (old.epoch, old.seq, iif(new.epoch <> old.epoch, 'moved', 'body'));
END;
"""
Key = tuple[str, int, int]
"""Lane, epoch and number of a record."""
Fault = tuple[str, str]
"""Equipment and fault."""
Ticket = tuple[str, str, int]
"""Equipment, rule, and how often the fault came while the ticket was open."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """One sample, as both sides must know it."""

    equipment: str
    point: str
    at: int
    value: object


class Witness:
    """What the gateway has committed, in the order in which it did."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen = 0
        self.events: list[Record] = []
        Outbox(file, round(time.time() * 1000)).close()
        with contextlib.closing(sqlite3.connect(file)) as db:
            db.executescript(WITNESS)

    def rows(self, query: str, *values: object) -> list[Any]:
        """A look that holds nothing open, so that a killed gateway's file is recovered by its successor."""
        with contextlib.closing(sqlite3.connect(f"file:{self._file}?mode=ro", uri=True, timeout=10)) as db:
            return db.execute(query, values).fetchall()

    def look(self) -> None:
        """Learn of the events committed since the last look."""
        query = "SELECT n, body FROM witness WHERE lane = 'events' AND n > ? ORDER BY n"
        for number, body in self.rows(query, self._seen):
            self._seen = number
            self.events.append(decode_record(body))

    def records(self, upto: int) -> dict[Key, bytes]:
        found = self.rows("SELECT lane, epoch, seq, body FROM witness WHERE n <= ?", upto)
        return {(lane, epoch, seq): unpack(body) for lane, epoch, seq, body in found}

    def last(self) -> int:
        found: int = self.rows("SELECT coalesce(max(n), 0) FROM witness")[0][0]
        return found

    def waiting(self, upto: int) -> int:
        """How many of the records witnessed so far the cloud has not yet acknowledged."""
        query = "SELECT count(*) FROM witness JOIN outbox USING (lane, epoch, seq) WHERE n <= ?"
        found: int = self.rows(query, upto)[0][0]
        return found

    def count(self, kind: type[AlarmRaised | AlarmCleared], equipment: str, rule: str) -> int:
        return sum(isinstance(e, kind) and (e.equipment, e.rule) == (equipment, rule) for e in self.events)


class World:
    """Everything around one test.

    ``database_url`` names a PostgreSQL database; without it the cloud keeps SQLite. ``is_doubled`` runs two replicas of the
    cloud, and a Tee gives every request to both. ``wrapper`` runs the commands, to make them die at named steps.
    """

    def __init__(
        self,
        folder: Path,
        *,
        seed: int = 0,
        database_url: str = "",
        wrapper: Path | None = None,
        is_doubled: bool = False,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.clock = folder, SystemClock()
        self.database_url = database_url or f"sqlite:///{folder / 'cloud.db'}"
        self._ports = dict(zip(("cloud", "status", "lan", "replica"), quiet_ports(), strict=False))
        self.clouds = ("cloud", "replica") if is_doubled else ("cloud",)
        self.tee = Tee([self._ports[name] for name in self.clouds])
        self.family = Family(folder, {"PLANTROOM_DATABASE_URL": self.database_url})
        self.database: Database = open_database(self.database_url)
        self.children: dict[str, Child] = {}
        self._wrapper = wrapper
        self._seed = seed

    async def start(self) -> None:
        """Plant, network, a migrated cloud that knows the gateway, and both processes."""
        await self.tee.start()
        target = self.tee.port if len(self.clouds) > 1 else self._ports["cloud"]
        self.network = BrokenNetwork(self.clock, "127.0.0.1", target, seed=self._seed)
        await self.network.start()
        data = site(self._ports, f"http://127.0.0.1:{self.network.port}")
        (self.folder / "site.yaml").write_text(yaml.safe_dump(data))
        simulated = build_site(data, load_library(data, self.folder))
        self.plant = SimulatedPlant(simulated, self.clock, seed=self._seed)
        self._servers = PlantServers(self.plant, self.clock)
        await self._servers.start_modbus()
        await self._enrol()
        self.witness = Witness(self.folder / "edge.db")
        for name in self.clouds:
            await self.start_cloud(name)
        await self.start_gateway()

    async def _enrol(self) -> None:
        await migrate(self.database)
        now = self.clock.now_ms()
        async with self.database.write() as connection:
            await gateways.add(connection, GATEWAY, SITE, "code", now)
            credential = await gateways.enrol(connection, GATEWAY, "code", now, lambda: "secret")
        store_credential(self.folder / "credential", credential)

    async def stop(self) -> None:
        await self.family.stop()
        await self.network.stop()
        await self.tee.stop()
        await self._servers.stop_modbus()
        await self.database.close()

    def _command(self, name: str, *words: str) -> list[str]:
        if self._wrapper is None:
            return [*program(name), *words]
        return [sys.executable, str(self._wrapper), name, str(self.folder), *words]

    async def start_gateway(self) -> None:
        words = ("run", str(self.folder / "site.yaml"), "--data", str(self.folder))
        self.children["gateway"] = await self.family.start("gateway", self._command("plantroom-edge", *words))

    async def start_cloud(self, name: str = "cloud") -> None:
        words = ("serve", "--port", str(self._ports[name]), "--data", str(self.folder))
        self.children[name] = await self.family.start(name, self._command("plantroom-cloud", *words))

    async def start_again(self, name: str) -> None:
        await (self.start_gateway() if name == "gateway" else self.start_cloud(name))

    async def up(self) -> None:
        """Both processes listen."""
        for name in ("status", *self.clouds):
            limit = time.monotonic() + START_LIMIT_S
            while not await answers(self._ports[name]):
                assert time.monotonic() < limit, f"{name} does not listen\n{self.logs()}"
                await asyncio.sleep(0.05)

    # --- faults ---------------------------------------------------------------------------------------------------

    async def play(self, fault: Fault, hold_s: float) -> None:
        """Let a fault happen until the gateway has committed its alarms, and repair it until they are committed as over."""
        equipment, name = fault
        rules = self.plant.site.equipment[equipment].equipment_class.faults[name].raises
        self.witness.look()
        raised = [self.witness.count(AlarmRaised, equipment, rule) for rule in rules]
        cleared = [self.witness.count(AlarmCleared, equipment, rule) for rule in rules]
        self.plant.inject(equipment, name)
        await self._committed(AlarmRaised, equipment, rules, raised)
        await asyncio.sleep(hold_s)
        self.plant.clear(equipment, name)
        await self._committed(AlarmCleared, equipment, rules, cleared)

    async def _committed(
        self, kind: type[AlarmRaised | AlarmCleared], equipment: str, rules: Sequence[str], before: Sequence[int]
    ) -> None:
        def is_there() -> bool:
            self.witness.look()
            return all(self.witness.count(kind, equipment, rule) > was for rule, was in zip(rules, before, strict=True))

        await self.until(is_there, f"{kind.__name__} of {equipment}/{'/'.join(rules)}", 120)

    async def counted(self, kind: type[AlarmRaised | AlarmCleared], equipment: str, rule: str, number: int) -> None:
        """The gateway has committed so many of them."""
        await self._committed(kind, equipment, [rule], [number - 1])

    async def until(self, is_true: Callable[[], Any], what: str, seconds: float) -> None:
        """Ask until it is true. Fails with what was waited for and the last lines of both logs."""
        limit = time.monotonic() + seconds
        while not (await answer if inspect.isawaitable(answer := is_true()) else answer):
            assert time.monotonic() < limit, f"waited {seconds:.0f} s for {what}\n{self.logs()}"
            await asyncio.sleep(0.05)

    def is_in_log(self, name: str, word: str) -> bool:
        return word in (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    @property
    def cloud_address(self) -> str:
        return f"http://127.0.0.1:{self._ports['cloud']}"

    @property
    def status_address(self) -> str:
        return f"http://127.0.0.1:{self._ports['status']}"

    def logs(self) -> str:
        return "\n".join(f"{log.name}:\n{last_lines(log, 25)}" for log in sorted(self.folder.glob("*.log")))

    # --- the end ---------------------------------------------------------------------------------------------------

    async def settle(self, seconds: float = 90) -> int:
        """Wait until all that was committed so far is acknowledged and in the history; stop both. Up to where that was."""
        upto = self.witness.last()
        await self.until(lambda: not self.witness.waiting(upto), "the outbox to be empty", seconds)
        await self.family.end("gateway")
        await self.until(self._is_moved, "samples to be in the history", 20)
        await self.family.stop()
        return upto

    async def _is_moved(self) -> bool:
        query = select(func.count()).select_from(t.record).where(t.record.c.applied_at.is_(None))
        async with self.database.read() as connection:
            return not (await connection.execute(query)).scalar_one()

    async def tickets(self) -> list[Ticket]:
        async with self.database.read() as connection:
            found = (await connection.execute(select(t.ticket))).mappings().all()
        return sorted((one["equipment_id"], one["rule"], one["occurrences"]) for one in found)

    def figures(self) -> str:
        """How much happened here."""
        epochs = self.witness.rows("SELECT count(DISTINCT epoch) FROM witness")[0][0]
        records = self.witness.records(self.witness.last())
        samples = len(samples_of(body for (lane, _, _), body in records.items() if lane == "samples"))
        events = sum(lane == "events" for lane, _, _ in records)
        line = f"{self.network.connections} connections, {self.network.carried // 1000} kB on the line"
        return f"{epochs} lives of the gateway, {events} events, {samples} samples, {line}"

    def expected(self) -> list[Ticket]:
        """What the classes say that every fault, once, must raise."""
        classes = {name: self.plant.site.equipment[name].equipment_class for name in FAULTS}
        return sorted(
            (name, rule, 1)
            for name, faults in FAULTS.items()
            for one in faults
            for rule in classes[name].faults[one].raises
        )

    async def stored(self) -> list[dict[str, Any]]:
        """Every record the cloud holds, as it numbers them."""
        query = select(t.record).order_by(t.record.c.lane, t.record.c.epoch, t.record.c.seq)
        async with self.database.read() as connection:
            return [dict(row) for row in (await connection.execute(query)).mappings()]

    async def quarantined(self) -> int:
        async with self.database.read() as connection:
            return (await connection.execute(select(func.count()).select_from(t.quarantine))).scalar_one()

    async def history(self, wanted: Iterable[Sampled]) -> set[Sampled]:
        """Every sample in the cloud's history of the points that are wanted."""
        store = EmbeddedStore(self.folder / "telemetry.db")
        await store.open()
        try:
            found: set[Sampled] = set()
            for (equipment, point), (first, last) in spans(wanted).items():
                buckets = await store.range(SITE, equipment, point, first, last + 1, last + 1 - first)
                found |= {Sampled(equipment, point, one.start_ms, one.last) for one in buckets}
            return found
        finally:
            await store.close()


def spans(samples: Iterable[Sampled]) -> dict[tuple[str, str], tuple[int, int]]:
    """First and last instant of each point."""
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for one in samples:
        first, last = found.get((one.equipment, one.point), (one.at, one.at))
        found[one.equipment, one.point] = (min(first, one.at), max(last, one.at))
    return found


def samples_of(bodies: Iterable[bytes]) -> set[Sampled]:
    """The samples in records of the samples lane."""
    found = set()
    for body in bodies:
        batch = decode_record(body)
        for series in batch.series if isinstance(batch, SampleBatch) else ():
            found |= {
                Sampled(series.equipment, series.point, at, value)
                for at, value in zip(series.at, series.value, strict=True)
            }
    return found


async def check(world: World, upto: int) -> None:
    """Nothing lost, nothing doubled, nothing out of order: what the cloud holds is what the gateway committed."""
    every = world.witness.records(world.witness.last())
    held = await check_complete(world, upto)
    assert [key for key, row in held.items() if every.get(key) != row["body"]] == []  # nothing invented or changed
    assert world.witness.rows("SELECT * FROM rewritten") == []  # no number was given twice, no sample thinned
    for lane in ("events", "samples"):
        received = [row["received_at"] for (of, _, _), row in held.items() if of == lane]
        assert received == sorted(received)


async def check_complete(world: World, upto: int) -> dict[Key, dict[str, Any]]:
    """Nothing lost, no gap, nothing set aside, every sample in the history; what the cloud holds, in order."""
    told = world.witness.records(upto)
    held = {(row["lane"], row["epoch"], row["seq"]): row for row in await world.stored()}
    assert [key for key in told if key not in held] == []
    assert world.witness.rows("SELECT * FROM quarantine") == []
    assert await world.quarantined() == 0
    for lane in ("events", "samples"):
        check_numbers([(epoch, seq) for of, epoch, seq in held if of == lane])
    wanted = samples_of(body for (lane, _, _), body in told.items() if lane == "samples")
    missing = wanted - await world.history(wanted)
    assert len(wanted) > 100
    assert missing == set()
    return held


def check_numbers(held: Sequence[tuple[int, int]]) -> None:
    """Numbers of each epoch start at one and leave none out."""
    expected: dict[int, int] = {}
    for epoch, seq in held:
        expected[epoch] = expected.get(epoch, 0) + 1
        assert seq == expected[epoch], f"epoch {epoch}: {expected[epoch]} is missing, {seq} is there"


@contextlib.asynccontextmanager
async def world(folder: Path, **how: Any) -> AsyncIterator[World]:
    """A running world; nothing of it is left behind."""
    made = World(folder, **how)
    try:
        await made.start()
        yield made
    finally:
        await made.stop()
