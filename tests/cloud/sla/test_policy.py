from itertools import pairwise

import pytest

from cloud.sla.policy import PRIORITIES, SHIPPED, is_higher, priority_of
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
