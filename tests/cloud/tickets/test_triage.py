import dataclasses

import pytest

from cloud.tickets.triage import (
    ActivateAgain,
    AppendTo,
    Decision,
    IgnoreAdvisory,
    IgnoreDuplicate,
    IgnoreSuppressed,
    Known,
    MarkCleared,
    Open,
    OpenPast,
    Raised,
    Reopen,
    on_cleared,
    on_raised,
)

WINDOW = 1000
FAULT = Raised("s/lift_1/door", "major", raised_at=90, accepted_at=100)
LIFE = dataclasses.replace(FAULT, severity="life_safety")
OPEN = Known(7, "in_progress", "major")
RESOLVED = Known(7, "resolved", "major")
CLOSED = Known(3, "closed", "major", closed_at=50)
LONG_CLOSED = Known(3, "closed", "major", closed_at=-5000)
CANCELLED = Known(3, "cancelled", "major", closed_at=50)


def like(alarm: Raised, **changes: object) -> Raised:
    return dataclasses.replace(alarm, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("alarm", "current", "last", "decision"),
    [
        # a fault nobody knows opens a ticket of its severity's priority
        (FAULT, None, None, Open("major")),
        (like(FAULT, severity="critical"), None, None, Open("urgent")),
        (like(FAULT, severity="minor"), None, None, Open("general")),
        (LIFE, None, None, Open("life_safety")),
        # an advisory and an alarm silenced by design open none
        (like(FAULT, severity="advisory"), None, None, IgnoreAdvisory()),
        (like(FAULT, suppressed_by="fire_mode"), OPEN, None, IgnoreSuppressed("fire_mode")),
        # the same activation again changes nothing, whatever it says
        (like(LIFE, is_known=True), OPEN, None, IgnoreDuplicate()),
        # another activation joins the open ticket and may raise its priority, never lower it
        (FAULT, OPEN, None, AppendTo(7)),
        (like(FAULT, severity="critical"), OPEN, None, AppendTo(7, "urgent")),
        (like(FAULT, severity="minor"), OPEN, None, AppendTo(7)),
        # life safety calls again
        (LIFE, Known(7, "on_hold", "life_safety"), None, ActivateAgain(7)),
        (LIFE, OPEN, None, ActivateAgain(7, "life_safety")),
        # a repair that did not hold goes on
        (FAULT, RESOLVED, None, Reopen(7, is_activation=False)),
        (LIFE, RESOLVED, None, Reopen(7, is_activation=True, raise_to="life_safety")),
        (FAULT, None, CLOSED, Reopen(3, is_activation=False)),
        # after the window, and after a cancelled ticket, a new one is linked to it
        (FAULT, None, LONG_CLOSED, Open("major", previous=3)),
        (FAULT, None, CANCELLED, Open("major", previous=3)),
        # what began and ended unheard is a past ticket, and never an activation
        (like(FAULT, is_over=True), None, None, OpenPast("major")),
        (like(LIFE, is_over=True), None, CLOSED, OpenPast("life_safety", previous=3)),
        (like(LIFE, is_over=True), RESOLVED, None, AppendTo(7, "life_safety")),
    ],
)
def test_what_an_alarm_means_for_the_desk(
    alarm: Raised, current: Known | None, last: Known | None, decision: Decision
) -> None:
    assert on_raised(alarm, current, last, WINDOW) == decision


def test_a_fault_exactly_at_the_end_of_the_reopen_window_is_still_the_same() -> None:
    at_the_end = like(FAULT, accepted_at=50 + WINDOW)
    assert on_raised(at_the_end, None, CLOSED, WINDOW) == Reopen(3, is_activation=False)
    assert on_raised(like(at_the_end, accepted_at=51 + WINDOW), None, CLOSED, WINDOW) == Open("major", previous=3)


def test_a_cleared_alarm_marks_its_ticket_and_says_whether_it_was_over_before_the_call() -> None:
    assert on_cleared(OPEN, is_old_news=False) == MarkCleared(7, is_past=False)
    assert on_cleared(OPEN, is_old_news=True) == MarkCleared(7, is_past=True)
    assert on_cleared(None, is_old_news=False) is None
