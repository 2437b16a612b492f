"""Periodic tests over HTTP: what is due, what was done, and a form for what is proved by hand."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Header, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Column, RowMapping, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.errors import Refused, not_found
from cloud.maintenance.evidence import Verdict, judge_form
from cloud.maintenance.samples import samples_of
from cloud.maintenance.service import PeriodicTest, Result, made, open_due, periodic_tests
from cloud.people.access import SignedIn, require
from cloud.people.service import User, audit
from cloud.storage import tables as t
from cloud.storage.sql import insert_new
from cloud.tickets.ticket import Role, ticket_name
from contract.conventions import format_instant, instant_ms
from contract.messages import EvidenceSeries
from device_profiles import library
from device_profiles.reading import Finding
from device_profiles.schema import EquipmentClass, FormField

router = APIRouter(prefix="/api/v1", tags=["tests"])
Technician = Annotated[User, Depends(require(Role.TECHNICIAN))]


@cache
def _classes() -> dict[str, EquipmentClass]:
    return dict(library.load().classes)


class TestShown(BaseModel):
    """One periodic test and its open due date; instants are UTC as ``2026-11-21T07:05:00.123Z``."""

    __test__ = False

    site: str = Field(examples=["riverside"])
    equipment: str = Field(examples=["fire_pump_1"])
    test: str = Field(examples=["weekly_start"])
    name: dict[str, str] = Field(examples=[{"en": "Weekly automatic start", "zh": "每周自动启动"}])
    clause: str = Field(examples=["gb50974-14-weekly-start"])
    due_on: str | None = Field(examples=["2026-11-23"])
    opens_at: str | None = Field(examples=["2026-11-21T16:00:00.000Z"])
    due_at: str | None = Field(examples=["2026-11-23T16:00:00.000Z"])


class TestList(BaseModel):
    """Every periodic test of the equipment asked for."""

    __test__ = False

    tests: list[TestShown]


class DueShown(BaseModel):
    """One due date and what became of it: ``due``, ``done``, ``missed``, or ``withdrawn``: the test was switched off."""

    due_on: str = Field(examples=["2026-11-23"])
    opens_at: str
    due_at: str
    missed_at: str
    state: str = Field(examples=["done"])
    done_at: str | None
    is_late: bool
    ticket: str | None = Field(examples=["T-000123"])


class SamplesShown(BaseModel):
    """Raw samples of one point while a test ran, as columns: ``at`` in epoch ms, ``quality`` empty when all are good."""

    point: str = Field(examples=["system_pressure"])
    unit: str = Field(examples=["MPa"])
    at: list[int] = Field(examples=[[1795244700123, 1795244701123]])
    value: list[bool | float | str | None] = Field(examples=[[0.81, 0.82]])
    quality: list[str] = Field(examples=[[]])
    cause: list[str] = Field(examples=[[]])
    every: int = Field(examples=[1], description="1: all are here; n: every n-th, with the lowest and the highest")
    left_out: int = Field(examples=[0])


class ResultShown(BaseModel):
    """One test that was made, with its evidence: values with their extremes and, where it was observed, the raw samples."""

    event: str = Field(examples=["gw_1:7:events:20418"])
    started_at: str
    ended_at: str
    passed: bool
    reasons: list[str]
    evidence: list[dict[str, Any]] = Field(
        examples=[[{"name": "lowest system_pressure", "value": 0.81, "unit": "MPa"}]]
    )
    samples: list[SamplesShown]


class TestHistory(BaseModel):
    """Due dates and results of one test, newest first."""

    __test__ = False

    occurrences: list[DueShown]
    results: list[ResultShown]


class FormShown(BaseModel):
    """The questions of a test that is proved by hand."""

    test: str = Field(examples=["half_year_care"])
    fields: dict[str, FormField]


class Filled(BaseModel):
    """A filled-in form. ``made_at`` is when the work was done; left out, it is now."""

    model_config = ConfigDict(extra="forbid")
    answers: dict[str, bool | float | str] = Field(examples=[{"insulation": 850.0, "clean": True}])
    made_at: str | None = Field(default=None, examples=["2026-11-21T07:05:00.123Z"])


class Outcome(BaseModel):
    """What the form meant: ``done``, ``late``, ``early`` (kept, closes nothing yet), ``failed`` or ``repeated``."""

    outcome: str = Field(examples=["done"])
    passed: bool = Field(examples=[True])
    reasons: list[str] = Field(examples=[[]])


@router.get("/tests", summary="Periodic tests and when they are due")
async def list_tests(request: Request, _user: SignedIn, site: str = "", equipment: str = "") -> TestList:
    async with request.app.state.database.read() as connection:
        found = await periodic_tests(connection, site, equipment)
        return TestList(tests=[await _shown(connection, test) for test in found])


@router.get("/equipment/{site}/{equipment}/tests/{test}/results", summary="Due dates and what was done")
async def test_history(
    request: Request,
    _user: SignedIn,
    site: str,
    equipment: str,
    test: str,
    most: Annotated[int, Query(ge=1, le=500, description="How many of each, newest first")] = 50,
    samples: Annotated[bool, Query(description="false leaves the raw samples out")] = True,  # noqa: FBT002  as asked for
) -> TestHistory:
    async with request.app.state.database.read() as connection:
        dues = await _newest(connection, t.occurrence, t.occurrence.c.due_on, (site, equipment, test), most)
        rows = await _newest(connection, t.test_result, t.test_result.c.ended_at, (site, equipment, test), most)
        planned = [one.id for one in await periodic_tests(connection, site, equipment)]
        if test not in planned and not (dues or rows):
            raise not_found("test", f"{test} of {site}/{equipment}")
        results = [
            _result_shown(row, await samples_of(connection, row["event_id"]) if samples else []) for row in rows
        ]  # fmt: skip
    return TestHistory(occurrences=[_due_shown(row) for row in dues], results=results)


async def _newest(
    connection: AsyncConnection, table: Table, by: Column[Any], of: tuple[str, str, str], most: int
) -> list[RowMapping]:
    columns = (table.c.site_id, table.c.equipment_id, table.c.test)
    query = select(table).where(*(column == value for column, value in zip(columns, of, strict=True)))
    return list((await connection.execute(query.order_by(by.desc()).limit(most))).mappings())


def _due_shown(row: RowMapping) -> DueShown:
    at = {name: format_instant(row[name]) for name in ("opens_at", "due_at", "missed_at")}
    return DueShown(
        **at, due_on=row["due_on"], state=row["state"], is_late=row["is_late"],
        done_at=None if row["done_at"] is None else format_instant(row["done_at"]),
        ticket=None if row["ticket_id"] is None else ticket_name(row["ticket_id"]),
    )  # fmt: skip


def _result_shown(row: RowMapping, samples: Sequence[EvidenceSeries]) -> ResultShown:
    return ResultShown(
        event=row["event_id"], samples=[SamplesShown(**msgspec.to_builtins(one)) for one in samples],
        started_at=format_instant(row["started_at"]), ended_at=format_instant(row["ended_at"]),
        passed=row["passed"], reasons=row["reasons"], evidence=row["evidence"],
    )  # fmt: skip


@router.get("/equipment/{site}/{equipment}/tests/{test}/form", summary="The questions of a test")
async def form(request: Request, _user: SignedIn, site: str, equipment: str, test: str) -> FormShown:
    async with request.app.state.database.read() as connection:
        fields = await _form(connection, site, equipment, test)
    return FormShown(test=test, fields=fields)


@router.post("/equipment/{site}/{equipment}/tests/{test}/results", status_code=201, summary="Answer the questions")
async def answer(
    body: Filled,
    request: Request,
    user: Technician,
    site: str,
    equipment: str,
    test: str,
    idempotency_key: Annotated[
        str, Header(min_length=1, max_length=80, description="The same form sent twice counts once")
    ],
) -> Outcome:
    state = request.app.state
    now = state.clock.now_ms()
    made_at = _made_at(body, now)
    async with state.database.write() as connection:
        verdict = judge_form(await _form(connection, site, equipment, test), body.answers)
        _refuse_unreadable(verdict)
        (duty,) = [one for one in await periodic_tests(connection, site, equipment) if one.id == test]
        result = Result(f"form:{user.name}:{idempotency_key}", made_at, verdict.passed, verdict.reasons)
        outcome = "repeated"
        if await insert_new(connection, t.test_result, _row(duty, result, body.answers)):
            outcome = await made(state.desk, connection, duty, result, now)
            await audit(connection, user.name, "test_answered", f"{site}/{equipment}/{test}", now, {"outcome": outcome})
    state.hub.publish("tickets", "tests")
    state.wake(("tickets",))
    return Outcome(outcome=outcome, passed=verdict.passed, reasons=list(verdict.reasons))


def _made_at(body: Filled, now: int) -> int:
    try:
        made_at = instant_ms(body.made_at) if body.made_at else now
    except ValueError as error:
        raise _wrong("made_at", str(error), "write UTC with milliseconds, or leave it out") from error
    if made_at > now:
        raise _wrong("made_at", "is in the future", "a test is recorded after it was made")
    return made_at


def _wrong(path: str, message: str, remedy: str) -> Refused:
    return Refused(422, "invalid", f"{path}: {message}", remedy, (Finding("", 0, path, message, remedy),))


def _refuse_unreadable(verdict: Verdict) -> None:
    if verdict.problems:
        found = tuple(Finding("", 0, f"answers.{one.field}", one.message, one.remedy) for one in verdict.problems)
        raise Refused(422, "invalid", "the form cannot be taken as it is", "change what errors name", found)


async def _form(connection: AsyncConnection, site: str, equipment: str, test: str) -> dict[str, FormField]:
    query = select(t.equipment.c.class_id).where(t.equipment.c.site_id == site, t.equipment.c.id == equipment)
    class_id = (await connection.execute(query)).scalar_one_or_none()
    if class_id is None:
        raise not_found("equipment", f"{site}/{equipment}")
    known = [one.id for one in await periodic_tests(connection, site, equipment)]
    of = _classes().get(class_id)
    if test not in known or of is None or test not in of.tests:
        raise not_found("test", f"{test} of {site}/{equipment}")
    if not of.tests[test].form:
        raise Refused(
            409, "observed", f"{test} is proved by signals, not by a form", "make the test; the gateway sees it"
        )
    return dict(of.tests[test].form)


def _row(test: PeriodicTest, result: Result, answers: dict[str, bool | float | str]) -> dict[str, Any]:
    return {
        "event_id": result.event,
        "site_id": test.site_id,
        "equipment_id": test.equipment_id,
        "test": test.id,
        "started_at": result.ended_at,
        "ended_at": result.ended_at,
        "passed": result.passed,
        "reasons": list(result.reasons),
        "evidence": [{"name": name, "value": value} for name, value in answers.items()],
    }


async def _shown(connection: AsyncConnection, test: PeriodicTest) -> TestShown:
    due = await open_due(connection, test)
    return TestShown(
        site=test.site_id,
        equipment=test.equipment_id,
        test=test.id,
        name=dict(test.name),
        clause=test.clause,
        due_on=due["due_on"] if due else None,
        opens_at=format_instant(due["opens_at"]) if due else None,
        due_at=format_instant(due["due_at"]) if due else None,
    )
