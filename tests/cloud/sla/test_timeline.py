"""Clocks from a timeline: the cases that other service desks' users report, by name."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.sla import Calendar
from cloud.sla.policy import SHIPPED, Grant, Policy, Target
from cloud.sla.timeline import Deadline, Entry, deadlines, explain

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
OFFICE = Calendar.from_dict(
    {"tz": "UTC", "week": {d: [["08:00", "18:00"]] for d in ("mon", "tue", "wed", "thu", "fri", "sat")}}
)
WORKING = Policy(
    "t", (Grant(Target("resolution", timedelta(hours=8), calendar="office", is_pausing=True)),), {"office": OFFICE}
)


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def e(kind: str, hours: float, priority: str = "", why: str = "") -> Entry:
    return Entry(at(hours), kind, priority, why)


def clocks(*entries: Entry, now: float, emergency: str = "", policy: Policy = SHIPPED) -> dict[str, Deadline]:
    found = deadlines(entries, lambda p: policy.targets(p, emergency), policy.calendars, at(now))
    return {f"{d.clock}{d.activation if d.activation > 1 else ''}": d for d in found}


def test_a_fault_has_two_hours_for_the_answer_and_forty_eight_for_the_repair() -> None:
    found = clocks(e("opened", 0, "major"), now=1)
    assert {name: (d.due, d.state) for name, d in found.items()} == {
        "response": (at(2), "running"),
        "resolution": (at(48), "running"),
    }


def test_stopping_exactly_at_due_is_on_time_and_a_millisecond_later_is_not() -> None:
    assert clocks(e("opened", 0, "major"), e("acknowledged", 2), now=9)["response"].state == "met"
    late = Entry(at(2) + timedelta(milliseconds=1), "acknowledged")
    assert clocks(e("opened", 0, "major"), late, now=9)["response"].state == "breached"


def test_a_breach_is_stamped_at_its_due_instant_and_stays_after_the_answer() -> None:
    response = clocks(e("opened", 0, "major"), e("acknowledged", 5), now=9)["response"]
    assert (response.state, response.breached_at, response.stopped_at) == ("breached", at(2), at(5))
    assert response.late == timedelta(hours=3)


def test_an_acknowledgement_never_stops_the_arrival_clock() -> None:
    found = clocks(e("opened", 0, "life_safety"), e("acknowledged", 0.1), now=0.2, emergency="entrapment")
    assert (found["response"].state, found["arrival"].state, found["arrival"].due) == ("met", "running", at(0.5))


def test_arriving_unannounced_is_an_answer_too() -> None:
    found = clocks(e("opened", 0, "urgent"), e("arrived", 0.4), now=2, emergency="entrapment")
    assert (found["response"].state, found["arrival"].state) == ("met", "met")


def test_neither_response_nor_arrival_pauses_on_hold() -> None:
    found = clocks(e("opened", 0, "urgent"), e("held", 0.1), now=3, emergency="entrapment")
    assert (found["response"].state, found["arrival"].state) == ("breached", "breached")


def test_a_held_clock_has_no_due_instant_and_its_hold_is_given_back_when_it_ends() -> None:
    opened, held = e("opened", 0, "major"), e("held", 10, why="waiting for a part")
    on_hold = clocks(opened, held, now=100)["resolution"]
    assert (on_hold.state, on_hold.due, on_hold.used) == ("held", None, timedelta(hours=10))
    assert clocks(opened, held, e("resumed", 20), now=21)["resolution"].due == at(58)


def test_a_hold_that_starts_after_the_due_instant_hides_no_breach() -> None:
    found = clocks(e("opened", 0, "major"), e("held", 50), now=60)["resolution"]
    assert (found.state, found.due, found.breached_at) == ("breached", at(48), at(48))


def test_resolving_while_on_hold_still_gives_the_hold_back() -> None:
    found = clocks(e("opened", 0, "major"), e("held", 1), e("resolved", 90), now=91)["resolution"]
    assert (found.state, found.used) == ("met", timedelta(hours=1))


def test_life_safety_ignores_holds() -> None:
    found = clocks(e("opened", 0, "life_safety"), e("held", 1), now=50)["resolution"]
    assert (found.state, found.due, found.used) == ("breached", at(48), timedelta(hours=50))


def test_reopening_resumes_the_same_clock_and_leaves_the_resolved_time_out() -> None:
    found = clocks(e("opened", 0, "major"), e("resolved", 10), e("reopened", 30), now=31)
    assert (found["resolution"].state, found["resolution"].due) == ("running", at(68))
    assert found["response"].state == "breached"  # answered only by the repair after ten hours, and that stays


def test_a_raised_priority_counts_from_the_original_start_and_keeps_the_hold() -> None:
    policy = Policy("t", (
        Grant(Target("resolution", timedelta(hours=48), is_pausing=True)),
        Grant(Target("resolution", timedelta(hours=24), is_pausing=True), priority="urgent"),
    ))  # fmt: skip
    entries = (e("opened", 0, "major"), e("held", 2), e("resumed", 6), e("reclassified", 10, "urgent"))
    found = clocks(*entries, now=11, policy=policy)["resolution"]
    assert (found.state, found.due) == ("running", at(28))


def test_a_lowered_priority_never_moves_the_due_instant_later() -> None:
    found = clocks(e("opened", 0, "urgent"), e("reclassified", 0.5, "general"), now=0.6)["response"]
    assert found.due == at(1)


def test_a_reclassification_that_finds_its_target_used_up_breaches_from_then_and_says_why() -> None:
    found = clocks(e("opened", 0, "general"), e("reclassified", 1.5, "urgent"), now=1.6)["response"]
    assert (found.due, found.breached_at, found.is_breached_by_reclassification) == (at(1), at(1.5), True)


def test_reclassifying_after_the_answer_does_not_judge_the_answer_again() -> None:
    found = clocks(e("opened", 0, "general"), e("acknowledged", 1.5), e("reclassified", 1.7, "urgent"), now=3)[
        "response"
    ]
    assert (found.state, found.due) == ("met", at(2))


def test_each_activation_of_life_safety_calls_again_and_the_repair_goes_on() -> None:
    found = clocks(
        e("opened", 0, "life_safety"), e("acknowledged", 0.1), e("activated", 5), now=5.1, emergency="entrapment"
    )
    assert {name: (d.due, d.state) for name, d in found.items()} == {
        "response": (at(1), "met"),
        "arrival": (at(0.5), "breached"),
        "resolution": (at(48), "running"),
        "response2": (at(6), "running"),
        "arrival2": (at(5.5), "running"),
    }


def test_one_answer_stops_every_call_that_is_out() -> None:
    entries = (e("opened", 0, "life_safety"), e("activated", 0.2), e("acknowledged", 0.3))
    found = clocks(*entries, now=0.4)
    assert [found[name].stopped_at for name in ("response", "response2")] == [at(0.3), at(0.3)]


def test_an_answer_before_an_activation_in_the_same_millisecond_does_not_answer_it() -> None:
    found = clocks(e("opened", 0, "life_safety"), e("acknowledged", 1), e("activated", 1), now=1)
    assert (found["response"].state, found["response2"].state) == ("met", "running")


def test_a_cancelled_ticket_has_no_running_clock() -> None:
    found = clocks(e("opened", 0, "major"), e("cancelled", 1), now=100)
    assert {d.state for d in found.values()} == {"met"}


def test_what_no_target_sets_is_left_out() -> None:
    assert "arrival" not in clocks(e("opened", 0, "urgent"), now=1)
    assert clocks(e("noted", 0), now=1) == {}


def test_the_sum_is_shown_line_by_line_as_the_ticket_page_draws_it() -> None:
    opened = datetime(2026, 11, 21, 9, 18, 2, tzinfo=UTC)  # a Saturday
    held, resumed, now = opened.replace(hour=10, minute=48, second=30), opened.replace(hour=14, minute=20, second=10), opened.replace(hour=16, minute=5, second=12)  # fmt: skip
    entries = [
        Entry(opened, "opened", "major"),
        Entry(held, "held", why="waiting for a part"),
        Entry(resumed, "resumed"),
    ]
    (found,) = deadlines(entries, WORKING.targets, WORKING.calendars, now)
    assert found.due == datetime(2026, 11, 23, 10, 49, 42, tzinfo=UTC)
    lines = explain(found, WORKING.calendars, now)
    assert [(f"{x.start:%a %H:%M:%S}", x.kind, x.why, str(x.counts), str(x.used)) for x in lines] == [
        ("Sat 09:18:02", "running", "", "1:30:28", "1:30:28"),
        ("Sat 10:48:30", "held", "waiting for a part", "0:00:00", "1:30:28"),
        ("Sat 14:20:10", "running", "", "1:45:02", "3:15:30"),
        ("Sat 16:05:12", "ahead", "", "1:54:48", "5:10:18"),
        ("Sat 18:00:00", "closed", "", "0:00:00", "5:10:18"),
        ("Mon 08:00:00", "ahead", "", "2:49:42", "8:00:00"),
    ]
    assert lines[-1].end == found.due


def test_the_late_part_of_a_breached_clock_is_one_line() -> None:
    found = clocks(e("opened", 0, "major"), now=5)["response"]
    assert [(x.kind, x.counts) for x in explain(found, {}, at(5))] == [
        ("running", timedelta(hours=2)),
        ("late", timedelta(hours=3)),
    ]


kinds = st.sampled_from(["acknowledged", "arrived", "held", "resumed", "resolved", "reopened", "activated", "noted"])
stories = st.lists(st.tuples(kinds, st.integers(1, 600)), max_size=12)


@settings(deadline=None, max_examples=150)
@given(stories, st.booleans(), st.integers(0, 9000))
def test_every_sum_adds_up_to_what_was_used(story: list[tuple[str, int]], is_working: bool, after: int) -> None:
    when, entries = START, [Entry(START, "opened", "life_safety")]
    for kind, minutes in story:
        when += timedelta(minutes=minutes)
        entries.append(Entry(when, kind))
    now = when + timedelta(minutes=after)
    policy = WORKING if is_working else SHIPPED
    for found in deadlines(entries, lambda p: policy.targets(p, "fire"), policy.calendars, now):
        done = [line for line in explain(found, policy.calendars, now) if line.kind != "ahead"]
        assert sum((line.counts for line in done), timedelta(0)) == found.used
        assert (found.state == "breached") == (found.used > found.target.target)


@settings(deadline=None, max_examples=100)
@given(stories, st.integers(0, 5000), st.integers(0, 5000))
def test_once_breached_always_breached(story: list[tuple[str, int]], one: int, more: int) -> None:
    when, entries = START, [Entry(START, "opened", "major")]
    for kind, minutes in story:
        when += timedelta(minutes=minutes)
        entries.append(Entry(when, kind))
    first, second = when + timedelta(minutes=one), when + timedelta(minutes=one + more)
    before = deadlines(entries, SHIPPED.targets, {}, first)
    after = {(d.clock, d.activation): d for d in deadlines(entries, SHIPPED.targets, {}, second)}
    for d in before:
        if d.state == "breached":
            assert after[d.clock, d.activation].breached_at == d.breached_at


@pytest.mark.parametrize("priority", ["general", "major", "urgent", "life_safety"])
def test_every_shipped_target_names_its_clause_and_source(priority: str) -> None:
    for emergency in ("", "entrapment", "fire"):
        targets = SHIPPED.targets(priority, emergency)
        assert {t.clock for t in targets} == {"response", "resolution", *(["arrival"] if emergency else [])}
        assert all(t.clause and t.source for t in targets)
