"""Alarms of one envelope are applied together; what becomes of them is as if each had come alone."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import event

from cloud.ingest import apply
from cloud.storage import driver
from cloud.storage import tables as t
from contract.conventions import format_instant
from contract.messages import AlarmChanged, Record, Severity
from tests.support.desk import MINUTE, SECOND, START, Desk, announcement, cleared, desk, raised, rows

OUTCOME = (t.alarm, t.ticket, t.timeline, t.quarantine, t.record, t.storm_member)
PLACES = [("pf_low", "incomer_1"), ("entrapment", "lift_1"), ("overload", "pump_1"), ("overload", "pump_2")]
WAYS = [("acknowledge", {}), ("resolve", {"cause": "coil", "action": "new"}), ("close", {"reason": "seen"})]


def story(chance: random.Random, first: int, length: int) -> list[Record | bytes]:
    """Alarms that come, go, come twice without going, are told twice, and some that make no sense."""
    told: list[Record | bytes] = []
    for number in range(first, first + length):
        rule, equipment = chance.choice(PLACES)
        severity = Severity.LIFE_SAFETY if rule == "entrapment" else chance.choice(list(Severity)[:4])
        by = chance.choice(["", "", "", "maintenance"])
        alarm = raised(START + number * SECOND, rule, equipment, severity=severity, suppressed_by=by)
        told.append(alarm)
        told += [alarm] * (chance.random() < 0.1)
        told += [cleared(alarm, START + number * SECOND + 500)] * (chance.random() < 0.7)
        told += [b'{"type":"LiftMood"}'] * (chance.random() < 0.1)
    return told


async def people(d: Desk, chance: random.Random) -> None:
    """Somebody works on some of the tickets."""
    for row in await rows(d.database, t.ticket):
        for verb, body in WAYS[: chance.randint(0, 3)]:
            await d.act(f"T-{row['id']:06d}", verb, **body)


async def outcome(folder: Path, seed: int) -> list[object]:
    chance = random.Random(seed)
    odd = raised(START, raised_at="2026-13-41T07:05:00.000Z")
    worse = AlarmChanged(equipment="pump_1", rule="overload", at=format_instant(START), what="severity", severity=Severity.CRITICAL)  # fmt: skip
    folder.mkdir()
    async with desk(folder) as d:
        await d.sign_in()
        gateway = await d.gateway()
        await gateway.tell(announcement())
        for first in (0, 100, 200):
            d.clock.ms = START + 2 * MINUTE + first * SECOND
            events = [*story(chance, first, 12), worse, *story(chance, first + 20, 6), *[odd] * (seed % 2)]
            await gateway.tell(*events)
            await people(d, chance)
        return [*[await rows(d.database, table) for table in OUTCOME], await clocks(d)]


async def clocks(d: Desk) -> list[dict[str, object]]:
    """As a ticket shows them. Their own numbers are nobody's business: they say which was written first."""
    found = sorted(await rows(d.database, t.deadline), key=lambda row: (row["ticket_id"], row["activation"], row["id"]))
    return [{name: value for name, value in row.items() if name != "id"} for row in found]


@pytest.mark.parametrize("seed", range(6))
async def test_alarms_applied_together_leave_exactly_what_they_leave_one_by_one(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = await outcome(tmp_path / "together", seed)
    monkeypatch.setattr(apply, "TOGETHER", 1)
    assert together == await outcome(tmp_path / "alone", seed)


async def test_forty_alarms_cost_as_many_statements_as_four(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await gateway.tell(announcement())
        said: list[int] = []
        event.listen(d.database.engine.sync_engine, "before_cursor_execute", lambda *_: said.append(1))
        ask = driver.DriverConnection.ask

        async def counted(connection: driver.DriverConnection, sql: str, parameters: Sequence[object]) -> list[object]:
            said.append(1)
            return await ask(connection, sql, parameters)

        monkeypatch.setattr(driver.DriverConnection, "ask", counted)
        costs = []
        for many in (4, 40):
            said.clear()
            await gateway.tell(*(raised(START + n, "overload", f"pump_{many}_{n}") for n in range(many)))
            costs.append(len(said))
        assert 5 < costs[0] == costs[1] < 30
        assert len(await rows(d.database, t.ticket)) == 44
