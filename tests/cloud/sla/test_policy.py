from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from cloud.sla.conflicts import CONFLICTS
from cloud.sla.policy import PRIORITIES, SHIPPED, Grant, Policy, Target, is_higher, priority_of
from device_profiles import library


@pytest.mark.parametrize(
    ("severity", "priority"),
    [
        ("advisory", None),
        ("minor", "general"),
        ("major", "major"),
        ("critical", "urgent"),
        ("life_safety", "life_safety"),
    ],
)
def test_the_severity_of_an_alarm_gives_the_priority_of_its_ticket(severity: str, priority: str | None) -> None:
    assert priority_of(severity) == priority


def test_priorities_are_ordered() -> None:
    for lower, higher in pairwise(PRIORITIES):
        assert is_higher(higher, lower)
        assert not is_higher(lower, higher)
        assert not is_higher(lower, lower)


def test_the_figures_of_the_documents_are_shipped() -> None:
    hours = {
        priority: {target.clock: target.target.total_seconds() / 3600 for target in SHIPPED.targets(priority)}
        for priority in PRIORITIES
    }
    assert hours == {
        "general": {"response": 2, "resolution": 48},
        "major": {"response": 2, "resolution": 48},
        "urgent": {"response": 1, "resolution": 48},
        "life_safety": {"response": 1, "resolution": 48},
    }


def test_people_in_a_lift_wait_thirty_minutes_and_a_fire_three() -> None:
    arrival = {
        emergency: [
            t.target.total_seconds() / 60 for t in SHIPPED.targets("life_safety", emergency) if t.clock == "arrival"
        ]
        for emergency in ("entrapment", "fire", "")
    }
    assert arrival == {"entrapment": [30], "fire": [3], "": []}


def test_only_the_repair_of_what_is_no_life_safety_pauses() -> None:
    pausing = [(p, t.clock) for p in PRIORITIES for t in SHIPPED.targets(p, "fire") if t.is_pausing]
    assert pausing == [("general", "resolution"), ("major", "resolution"), ("urgent", "resolution")]


def test_every_clause_of_the_policy_is_in_the_library() -> None:
    known = library.load().clauses
    assert [grant.target.clause for grant in SHIPPED.grants if grant.target.clause not in known] == []


HOURS = {
    ("request", "general", ""): {"response": 2, "resolution": "same day"},
    ("request", "major", ""): {"response": 4, "resolution": 48},
    ("request", "urgent", ""): {"response": 1, "resolution": 48},
    ("request", "general", "special"): {"response": 24},
    ("complaint", "general", ""): {"response": 24, "resolution": 72},
    ("complaint", "major", ""): {"response": 4, "resolution": 72},
    ("complaint", "urgent", ""): {"response": 1, "resolution": 72},
    ("complaint", "general", "objection"): {"response": "1 working day", "resolution": 72},
    ("fault", "general", "interruption"): {"response": 2, "service": 2, "resolution": 48},
    ("fault", "major", "interruption"): {"response": 2, "service": 24, "resolution": 48},
    ("fault", "urgent", "interruption"): {"response": 1, "resolution": 48},
    ("fault", "major", ""): {"response": 2, "resolution": 48},
    ("inspection", "major", ""): {"response": 2, "resolution": 48},
    ("outage", "general", ""): {},
}


@pytest.mark.parametrize(("kind", "priority", "category"), list(HOURS))
def test_each_kind_of_ticket_has_the_figures_of_its_clauses(kind: str, priority: str, category: str) -> None:
    found: dict[str, object] = {}
    for target in SHIPPED.targets(priority, kind=kind, category=category):
        days = "same day" if target.is_end_of_day else f"{target.target.days} working day"
        found[target.clock] = days if target.is_days else target.target.total_seconds() / 3600
    assert found == HOURS[kind, priority, category]


def test_every_clause_that_a_conflict_names_is_in_the_library_and_every_conflict_is_known() -> None:
    known = library.load().clauses
    assert [one for conflict in CONFLICTS.values() for one in conflict.clauses if one not in known] == []
    assert {grant.target.conflict for grant in SHIPPED.grants} - {""} == set(CONFLICTS)


def test_the_earlier_condition_decides_between_two_lines() -> None:
    def line(hours: int, **where: Any) -> Grant:
        return Grant(Target("response", timedelta(hours=hours)), **where)

    policy = Policy(
        "x",
        (
            line(9),
            line(8, site="a"),
            line(7, kind="fault"),
            line(6, priority="urgent"),
            line(5, site="a", priority="urgent"),
        ),
    )
    hours = [
        policy.targets(priority, site=site, kind=kind)[0].target.total_seconds() / 3600
        for priority, site, kind in (
            ("general", "", "test"),
            ("general", "a", "test"),
            ("general", "a", "fault"),
            ("urgent", "", "fault"),
            ("urgent", "a", "fault"),
        )
    ]
    assert hours == [9, 8, 7, 6, 5]


def test_life_safety_takes_no_calendar_whatever_a_line_says() -> None:
    office = Target("response", timedelta(days=1), calendar="office", is_days=True)
    (found,) = Policy("x", (Grant(office),), plans=SHIPPED.plans).targets("life_safety")
    assert (found.calendar, found.is_days, found.target) == ("", False, timedelta(days=1))
