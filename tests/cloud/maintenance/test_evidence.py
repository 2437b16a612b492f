"""Whether evidence proves a test, and which due date it counts for."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from cloud.maintenance.evidence import Answer, Failed, Fulfils, TooEarly, decide, judge_form
from cloud.maintenance.occurrence import Occurrence, Schedule, occurrence, parse_period
from device_profiles.schema import FormField, Text

FORM = {
    "resistance": FormField(
        name=Text(en="Insulation", zh="绝缘电阻"), type="number", unit="MΩ", minimum=0.5, maximum=2000
    ),
    "clean": FormField(name=Text(en="Clean", zh="清洁"), type="yes_no"),
    "remark": FormField(name=Text(en="Remark", zh="备注"), type="text", required=False),
    "oil": FormField(name=Text(en="Oil", zh="油色"), type="choice", choices=["clear", "dark"], required=False),
}
GOOD: dict[str, Answer] = {"resistance": 12.5, "clean": True}


def _due() -> Occurrence:
    week, day, none = parse_period("P7D"), parse_period("P1D"), parse_period("P0D")
    schedule = Schedule(week, "floating", day, none, "Asia/Shanghai", date(2026, 11, 1))
    return occurrence(schedule, date(2026, 11, 21))


def test_a_complete_form_within_limits_passes() -> None:
    assert judge_form(FORM, GOOD).passed


@pytest.mark.parametrize(
    ("value", "passed"), [(0.5, True), (0.499, False), (2000, True), (2000.1, False), (0, False), (-1, False)]
)
def test_a_number_passes_up_to_and_at_its_limits(value: float, passed: bool) -> None:
    verdict = judge_form(FORM, GOOD | {"resistance": value})
    assert verdict.passed is passed
    assert not verdict.problems
    assert passed or verdict.reasons[0].startswith("Insulation: ")


def test_a_no_fails_and_says_which_question() -> None:
    assert judge_form(FORM, GOOD | {"clean": False}).reasons == ("Clean: no",)


@pytest.mark.parametrize(
    ("answers", "field", "said"),
    [
        ({"clean": True}, "resistance", "missing"),
        (GOOD | {"resistance": "12"}, "resistance", "not a number"),
        (GOOD | {"resistance": True}, "resistance", "not a number"),
        (GOOD | {"clean": "yes"}, "clean", "neither"),
        (GOOD | {"oil": "pink"}, "oil", "choices"),
        (GOOD | {"mood": 1}, "mood", "not a question"),
    ],
)
def test_an_unreadable_form_is_not_judged_but_sent_back(answers: dict[str, Answer], field: str, said: str) -> None:
    verdict = judge_form(FORM, answers)
    assert not verdict.passed
    assert not verdict.reasons
    assert [(problem.field, said in problem.message) for problem in verdict.problems] == [(field, True)]


def test_every_problem_is_named_at_once() -> None:
    assert len(judge_form(FORM, {"oil": "pink", "mood": 1}).problems) == 4


def test_a_passed_test_in_its_window_fulfils_on_time() -> None:
    due = _due()
    assert decide(due, due.due_at - timedelta(seconds=1), passed=True) == Fulfils(due, late=False)
    assert decide(due, due.due_at, passed=True) == Fulfils(due, late=True)


def test_work_before_the_window_is_recorded_but_closes_nothing() -> None:
    due = _due()
    assert decide(due, datetime(2026, 11, 10, tzinfo=UTC), passed=True) == TooEarly(due.opens_at)


def test_a_failed_test_stays_due_and_says_why() -> None:
    due = _due()
    assert decide(due, due.opens_at, passed=False, reasons=["pressure not reached"]) == Failed(
        ("pressure not reached",)
    )
