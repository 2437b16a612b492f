"""Figures from the database, beside a slow reckoning of the same histories that shares nothing with them."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert

from cloud.reports import reading
from cloud.reports.figures import POPULATIONS, Durations, Group
from cloud.reports.period import Period
from cloud.reports.reading import Asked, Behind, Figures
from cloud.storage import tables as t
from cloud.storage.session import Database
from tests.support.desk import fresh_database

ZONE = ZoneInfo("Asia/Shanghai")
PERIOD = Period(date(2026, 3, 1), date(2026, 3, 31), ZONE)
HOUR, DAY = 3_600_000, 86_400_000
FIRST, LAST = PERIOD.start - 60 * DAY, PERIOD.end + 10 * DAY
instants = st.integers(FIRST, LAST) | st.sampled_from(
    [PERIOD.start, PERIOD.end, PERIOD.start + DAY, PERIOD.start - 30 * DAY]
)


@dataclass(frozen=True)
class Clock:
    clock: str
    activation: int
    start: int
    due: int | None
    stop: int | None
    breached: int | None
    used_s: float


@dataclass(frozen=True)
class History:
    """What happened to one ticket, in order: opened, then closed, reopened, closed … or cancelled."""

    events: tuple[tuple[int, str], ...]
    site: str
    system: str
    fault: str
    priority: str
    is_past: bool
    began: int | None
    clocks: tuple[Clock, ...]

    @property
    def opened(self) -> int:
        return self.events[0][0]

    @property
    def state(self) -> str:
        return {"opened": "new", "reopened": "in_progress"}.get(self.events[-1][1], self.events[-1][1])

    def is_open(self, at: int) -> bool:
        """Walk through all that happened before."""
        happened = [kind for when, kind in self.events if when < at]
        return bool(happened) and happened[-1] in {"opened", "reopened"}


@st.composite
def histories(draw: st.DrawFn) -> History:
    opened = draw(instants)
    times = sorted(draw(st.lists(st.integers(opened, LAST), max_size=4)))
    kinds = ["closed" if number % 2 == 0 else "reopened" for number in range(len(times))]
    if kinds and kinds[-1] == "closed":
        kinds[-1] = draw(st.sampled_from(["closed", "cancelled", "merged"]))
    ended = times[-1] if kinds and kinds[-1] != "reopened" else None
    fault = draw(st.sampled_from(["a", "b", "c"])) if ended is not None else "open"
    return History(
        ((opened, "opened"), *zip(times, kinds, strict=True)), draw(st.sampled_from(["north", "south"])),
        draw(st.sampled_from(["fire", "lifts"])), fault, draw(st.sampled_from(["major", "life_safety"])),
        draw(st.sampled_from([False, False, True])), draw(st.none() | st.integers(opened - DAY, opened)),
        tuple(draw(clocks(name, opened, ended)) for name in ("response", "resolution")),
    )  # fmt: skip


@st.composite
def clocks(draw: st.DrawFn, name: str, opened: int, ended: int | None) -> Clock:
    due = opened + draw(st.integers(HOUR, 20 * DAY))
    stop = draw(st.integers(opened, ended if ended is not None else LAST)) if draw(st.booleans()) else ended
    late = due if stop is None or stop > due else None
    breached = draw(st.sampled_from([late, draw(st.integers(opened, due))])) if late else None  # by a changed priority
    is_held = stop is None and breached is None and draw(st.booleans())
    used = draw(st.integers(0, 10**7)) / 1000
    return Clock(name, draw(st.integers(1, 2)), opened, None if is_held else due, stop, breached, used)


# --- into the database --------------------------------------------------------------------------------------------


async def store(database: Database, told: Sequence[History]) -> None:
    async with database.write() as connection:
        for table in (t.deadline, t.timeline, t.ticket):
            await connection.execute(delete(table))
        for number, one in enumerate(told, 1):
            ended = one.events[-1] if one.events[-1][1] not in {"opened", "reopened"} else None
            reopened = sum(kind == "reopened" for _, kind in one.events)
            await connection.execute(insert(t.ticket).values(
                id=number, fault_key=one.fault, site_id=one.site, equipment_id="lift_1", title={}, priority=one.priority,
                system=one.system, state=one.state, opened_at=one.opened, began_at=one.began, received_at=one.opened,
                is_past=one.is_past, reopened=reopened, closed_at=ended[0] if ended else None,
            ))  # fmt: skip
            lines = [{"ticket_id": number, "at": at, "kind": kind, "data": {}} for at, kind in one.events]
            await connection.execute(insert(t.timeline), lines)
            await connection.execute(insert(t.deadline), [stored(number, clock) for clock in one.clocks])


def stored(number: int, clock: Clock) -> dict[str, Any]:
    state = "breached" if clock.breached else "met" if clock.stop else "running" if clock.due else "held"
    return {
        "ticket_id": number, "clock": clock.clock, "activation": clock.activation, "target_s": 7200, "start_at": clock.start,
        "due_at": clock.due, "state": state, "met_at": clock.stop, "breached_at": clock.breached, "used_s": clock.used_s,
    }  # fmt: skip


# --- the slow reckoning -------------------------------------------------------------------------------------------


def reckon_clock(told: Sequence[History], clock: str, of: str, now: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "met": 0,
        "breached": 0,
        "running": 0,
        "left_out": 0,
        "elapsed": [],
        "working": [],
        "began": [],
    }
    for one in told:
        who = "past" if one.is_past else "life_safety" if one.priority == "life_safety" else "ordinary"
        for c in one.clocks:
            when = c.due if c.breached is None else c.breached
            if c.clock != clock or who != of or when is None or not PERIOD.start <= when < PERIOD.end:
                continue
            is_dropped = one.state in {"cancelled", "merged"} and c.stop == one.events[-1][0]
            if is_dropped and c.breached is None:
                found["left_out"] += 1
                continue
            is_late = c.breached is not None or (c.stop is None and now > when)
            found["breached" if is_late else "met" if c.stop is not None else "running"] += 1
            if c.stop is not None and not is_dropped:
                found["elapsed"].append(c.stop - c.start)
                found["working"].append(round(c.used_s * 1000))
                found["began"] += [c.stop - one.began] if one.began is not None and c.activation == 1 else []
    return found


def reckon_durations(values: Sequence[int]) -> tuple[Any, ...]:
    """By the definition, value by value: the smallest that so many per cent do not exceed."""
    if not values:
        return 0, None, None, None, None, None
    at = [
        min(v for v in values if sum(w <= v for w in values) * 100 >= p * len(values)) / 1000 for p in (50, 90, 95, 100)
    ]
    return len(values), round(float(Fraction(sum(values), len(values) * 1000)), 3), *at


def check_clocks(group: Group, told: Sequence[History], now: int) -> None:
    for of in POPULATIONS:
        shown = {one.clock: one for one in group.clocks[of]}
        for clock in ("response", "resolution"):
            expected = reckon_clock(told, clock, of, now)
            if clock not in shown:
                assert not any(expected.values())
                continue
            one = shown[clock]
            counts = (one.met, one.breached, one.running, sum(one.left_out.values()))
            assert counts == tuple(expected[name] for name in ("met", "breached", "running", "left_out"))
            for durations, name in ((one.elapsed, "elapsed"), (one.working, "working"), (one.since_began, "began")):
                assert plain(durations) == reckon_durations(expected[name])


def plain(one: Durations) -> tuple[Any, ...]:
    return one.count, one.mean_s, one.p50_s, one.p90_s, one.p95_s, one.max_s


def check_tickets(group: Group, told: Sequence[History]) -> None:
    opened = [one for one in told if PERIOD.start <= one.opened < PERIOD.end]
    counted = [one for one in opened if not one.is_past and one.state not in {"cancelled", "merged"}]
    reopened = [one for one in counted if any(kind == "reopened" for _, kind in one.events)]
    resolved = [one for one in counted if one in reopened or one.state == "closed"]
    shown = group.tickets
    assert (shown.opened, shown.past) == (len(opened), sum(one.is_past for one in opened))
    handled = [one for one in counted if one.state == "closed"]
    assert (shown.handled.numerator, shown.handled.denominator) == (len(handled), len(counted))
    assert (shown.reopened.numerator, shown.reopened.denominator) == (len(reopened), len(resolved))
    repeats = [one for one in counted for other in told
               if other.fault == one.fault and one.opened - 30 * DAY <= other.opened < one.opened]  # fmt: skip
    assert (shown.repeats.numerator, shown.repeats.denominator) == (len({id(one) for one in repeats}), len(counted))


def check_backlog(found: Figures, told: Sequence[History]) -> None:
    end = min(PERIOD.end, found.now)
    assert [one.at for one in found.backlog.points] == [*(mark for mark in PERIOD.marks() if mark < end), end]
    for point in found.backlog.points:
        assert point.count == sum(one.is_open(point.at) for one in told), point
    for age in found.backlog.ages:
        ages = [end - one.opened for one in told if one.is_open(end)]
        above = [one for one in ages if one > age.over_h * HOUR or age.over_h == 0]
        assert age.count == sum(age.up_to_h is None or one <= age.up_to_h * HOUR for one in above), age


# --- both -----------------------------------------------------------------------------------------------------------


@contextmanager
def running(folder: Path) -> Iterator[tuple[asyncio.Runner, Database]]:
    with asyncio.Runner() as runner:
        database = runner.run(fresh_database(folder))
        try:
            yield runner, database
        finally:
            runner.run(database.close())


async def read(database: Database, now: int, **changes: Any) -> Figures:
    async with database.read() as connection:
        return await reading.read(connection, Asked(PERIOD, **changes), now)


async def behind(database: Database, which: Behind, now: int, **changes: Any) -> list[int]:
    async with database.read() as connection:
        return [row.ticket for row in await reading.behind(connection, Asked(PERIOD, **changes), which, now)]


def compare(folder: Path, examples: int) -> None:
    with running(folder) as (runner, database):

        @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
        @given(
            st.lists(histories(), max_size=12), st.sampled_from([PERIOD.end + 5 * DAY, PERIOD.start + 10 * DAY + 12345])
        )
        def check(told: list[History], now: int) -> None:
            told = [one for one in told if one.events[-1][0] <= now and all((c.stop or 0) <= now for c in one.clocks)]
            told = [one for one in told if all(c.breached is None or c.breached < now for c in one.clocks)]
            told = [replace(one, fault=f"own/{n}") if one.fault == "open" else one for n, one in enumerate(told)]
            runner.run(store(database, told))
            found = runner.run(read(database, now, by="system"))
            check_clocks(found.total, told, now)
            check_tickets(found.total, told)
            check_backlog(found, told)
            for group in found.groups:
                check_clocks(group, [one for one in told if one.system == group.key], now)
            north = [one for one in told if one.site == "north"]
            alone = runner.run(read(database, now, site="north"))
            check_clocks(alone.total, north, now)
            check_backlog(alone, north)
            check_behind(runner, database, found, now)

        check()


def check_behind(runner: asyncio.Runner, database: Database, found: Figures, now: int) -> None:
    """The list behind a number has that many rows."""
    for group in (found.total, *found.groups):
        for of in POPULATIONS:
            for one in group.clocks[of]:
                rows = runner.run(behind(database, Behind(one.clock, of, "breached", group.key), now, by="system"))
                assert len(rows) == one.breached


def test_figures_of_any_history_are_what_a_slow_reckoning_finds(tmp_path: Path) -> None:
    compare(tmp_path, 60)


@pytest.mark.proof
@pytest.mark.timeout(900)
def test_figures_of_a_thousand_histories_are_what_a_slow_reckoning_finds(tmp_path: Path) -> None:
    compare(tmp_path, 1000)
