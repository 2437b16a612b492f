"""The calls of a chain, as tables: which step calls at which minute, and what stops it."""

from datetime import UTC, datetime, time, timedelta

import pytest

from cloud.escalation.chain import SHIPPED, Call, Kept, Step, Story, calls, choose, from_plain, to_plain
from cloud.escalation.decide import Manners, New, Quiet, Written, decide
from cloud.sla.calendar import Calendar
from cloud.sla.policy import Target
from cloud.sla.timeline import Entry, deadlines

START = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)  # Friday, 16:00 at the site
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
OFFICE = Calendar.from_dict(
    {"tz": "Asia/Shanghai", "week": {day: [["09:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}}
)
ELAPSED = (Target("response", 2 * HOUR), Target("resolution", 48 * HOUR, is_pausing=True))
WORKING = (Target("response", 4 * HOUR, calendar="office"),)
LIFE = (Target("response", 2 * HOUR), Target("arrival", HOUR / 2))


def at(minutes: float) -> datetime:
    return START + minutes * MINUTE


def entry(minutes: float, kind: str, why: str = "") -> Entry:
    return Entry(at(minutes), kind, "major" if kind == "opened" else "", why)


def story(
    *entries: Entry, steps: tuple[Step, ...], targets: tuple[Target, ...] = ELAPSED, now: float = 10_000
) -> Story:
    calendars = {"office": OFFICE}
    found = deadlines(entries, lambda _: targets, calendars, at(now))
    return Story(entries, found, calendars, list(enumerate(steps)))


def minutes(found: list[Call]) -> list[tuple[str, int, int, float]]:
    """Clock, step, repeat and minute of every call that still has to be made or was wanted."""
    return [(call.clock, call.step, call.repeat, (call.due - START) / MINUTE) for call in found if call.was_wanted]


OPENED, WARNED, BREACHED = (
    Step(("role:technician",)),
    Step(("role:engineer",), trigger="warned", share=0.75),
    Step(("role:manager",), trigger="breached", repeat_every=30 * MINUTE, repeats=2),
)
RESPONSE = (OPENED, WARNED, BREACHED)
REPAIR = (Step(("holder",), "resolution", "breached"),)

TABLE = {
    "nobody answers": ([entry(0, "opened")], RESPONSE, [("response", 0, 0, 0), ("response", 1, 0, 90), ("response", 2, 0, 120), ("response", 2, 1, 150), ("response", 2, 2, 180)]),
    "an acknowledgement ends it": ([entry(0, "opened"), entry(100, "acknowledged")], RESPONSE, [("response", 0, 0, 0), ("response", 1, 0, 90)]),
    "an acknowledgement at the due instant is in time": ([entry(0, "opened"), entry(120, "acknowledged")], RESPONSE, [("response", 0, 0, 0), ("response", 1, 0, 90)]),
    "after the breach it ends the reminders": ([entry(0, "opened"), entry(121, "acknowledged")], RESPONSE, [("response", 0, 0, 0), ("response", 1, 0, 90), ("response", 2, 0, 120)]),
    "an acknowledgement ends no other chain": ([entry(0, "opened"), entry(5, "acknowledged")], REPAIR, [("resolution", 0, 0, 2880)]),
    "a hold moves the calls of the repair": ([entry(0, "opened"), entry(60, "held", "part"), entry(120, "resumed")], REPAIR, [("resolution", 0, 0, 2940)]),
    "a standing clock calls nobody": ([entry(0, "opened"), entry(60, "held", "part")], REPAIR, []),
    "resolved, then opened again": ([entry(0, "opened"), entry(60, "resolved"), entry(120, "reopened")], REPAIR, [("resolution", 0, 0, 2940)]),
    "a merged ticket calls nobody any more": ([entry(0, "opened"), entry(10, "merged")], RESPONSE, [("response", 0, 0, 0)]),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_a_chain_calls_at(name: str) -> None:
    entries, steps, expected = TABLE[name]
    assert minutes(calls(story(*entries, steps=steps))) == expected


def test_delay_and_repeats_run_in_the_working_time_of_their_clock() -> None:
    steps = (Step(("role:engineer",), after=3 * HOUR, repeat_every=HOUR, repeats=1), WARNED)
    found = calls(story(entry(0, "opened"), steps=steps, targets=WORKING))
    monday = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
    assert [(call.step, call.due) for call in found] == [
        (0, monday + HOUR), (1, monday + HOUR), (0, monday + 2 * HOUR)
    ]  # fmt: skip


def test_each_activation_of_life_safety_calls_again_although_the_first_was_answered() -> None:
    entries = [entry(0, "opened"), entry(5, "acknowledged"), entry(20, "activated")]
    steps = (OPENED, Step(("role:manager",), "arrival", "breached"))
    found = calls(story(*entries, steps=steps, targets=LIFE))
    assert [(call.clock, call.activation, (call.due - START) / MINUTE) for call in found if call.was_wanted] == [
        ("response", 1, 0), ("response", 2, 20), ("arrival", 1, 30), ("arrival", 2, 50)
    ]  # fmt: skip


def test_a_step_that_waits_for_the_repair_does_not_warn_of_a_clock_that_was_met() -> None:
    steps = (Step(("role:manager",), trigger="breached", until="resolved"),)
    assert calls(story(entry(0, "opened"), entry(60, "acknowledged"), steps=steps)) == []


def test_calls_about_an_interruption_end_when_service_is_back_and_not_only_with_the_repair() -> None:
    steps = (Step(("role:manager",), "service", "breached", repeat_every=30 * MINUTE, repeats=2),)
    entries = [entry(0, "opened"), entry(130, "restored"), entry(300, "resolved")]
    found = calls(story(*entries, steps=steps, targets=(Target("service", 2 * HOUR),)))
    assert minutes(found) == [("service", 0, 0, 120)]


def test_an_event_calls_each_time_it_happens() -> None:
    steps = (Step(("holder",), trigger="event", event="reopened"),)
    entries = [
        entry(0, "opened"),
        entry(10, "resolved"),
        entry(20, "reopened"),
        entry(30, "resolved"),
        entry(40, "reopened"),
    ]
    found = calls(story(*entries, steps=steps))
    assert [(call.clock, call.activation, call.is_live) for call in found] == [
        ("reopened", 1, False),
        ("reopened", 2, True),
    ]


def test_the_most_precise_chain_is_chosen_and_a_sites_own_does_not_replace_life_safety() -> None:
    own = [Kept((OPENED,), site="riverside"), Kept((WARNED,), priority="urgent")]
    ticket = {"site_id": "riverside", "kind": "fault", "priority": "major", "emergency": ""}
    assert choose(own, ticket) == (OPENED,)
    assert choose(own, ticket | {"priority": "urgent"}) == (WARNED,)
    assert choose(own, ticket | {"priority": "life_safety"}) == SHIPPED[1].steps
    assert choose([], ticket | {"site_id": "other"}) == SHIPPED[0].steps


def test_a_chain_survives_being_written_down() -> None:
    for kept in SHIPPED:
        assert from_plain(to_plain(kept.steps)) == kept.steps


# --- from calls to notices ----------------------------------------------------------------------------------------

PEOPLE = {"role:technician": ("person:wang",), "role:engineer": ("person:lin",), "role:manager": ("person:chief",)}


def look(
    now: float, *entries: Entry, before: tuple[Written, ...] = (), people: dict[str, tuple[str, ...]] | None = None,
    manners: Manners | None = None,
) -> list[tuple[int, str, str, str]]:  # fmt: skip
    made = story(*(entries or (entry(0, "opened"),)), steps=RESPONSE, now=now)
    known = PEOPLE if people is None else people
    found = decide(
        calls(made), before, made.numbered, lambda step: tuple(p for who in step.whom for p in known.get(who, ())),
        manners or Manners({}, "Asia/Shanghai"), at(now),
    )  # fmt: skip
    return [(one.call.step, one.owner, one.state, one.why) for one in found.new]


def test_after_downtime_only_the_latest_step_calls_and_the_others_are_noted() -> None:
    assert look(125) == [
        (0, "", "superseded", "later_step"), (1, "", "superseded", "later_step"), (2, "person:chief", "waiting", "")
    ]  # fmt: skip


def test_what_was_answered_during_the_downtime_calls_nobody_and_says_so() -> None:
    assert look(125, entry(0, "opened"), entry(100, "acknowledged")) == [
        (0, "", "cancelled", "stopped"), (1, "", "cancelled", "stopped")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("known", "told"),
    [
        (("role:engineer", "role:manager"), ("person:lin", "waiting", "nobody_before")),
        (("role:manager",), ("person:chief", "waiting", "nobody_before")),
        ((), ("", "nobody", "no_channel")),
    ],
)
def test_an_empty_step_falls_through_never_to_silence(known: tuple[str, ...], told: tuple[str, str, str]) -> None:
    assert look(0, people={role: PEOPLE[role] for role in known}) == [(0, *told)]


def test_when_every_step_is_empty_every_administrator_is_told() -> None:
    assert look(0, people={"role:admin": ("person:a", "person:b")}) == [
        (0, "person:a", "waiting", "nobody_before"), (0, "person:b", "waiting", "nobody_before")
    ]  # fmt: skip


def note(state: str, owner: str = "person:wang", failed: float | None = None) -> Written:
    return Written(1, ("response", 1, 0, 0), owner, state, at(0), at(failed) if failed is not None else None)


@pytest.mark.parametrize(
    ("before", "told"),
    [
        (note("waiting"), []),
        (note("sent"), []),
        (note("sent", failed=1), []),
        (note("waiting", failed=1), [(0, "person:lin", "waiting", "nobody_before")]),
        (note("failed", failed=1), [(0, "person:lin", "waiting", "nobody_before")]),
        (note("nobody", owner=""), [(0, "person:wang", "waiting", "")]),
    ],
)
def test_a_call_that_reached_nobody_goes_to_the_next_people_at_once(before: Written, told: list[object]) -> None:
    assert look(2, before=(before,)) == told


def test_quiet_hours_are_kept_and_end_except_for_life_safety() -> None:
    night = Quiet(time(22), time(7), "Asia/Shanghai")
    late = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)  # 23:00
    morning = datetime(2026, 11, 20, 23, 0, tzinfo=UTC)  # 07:00
    quiet = {"person:wang": night}
    assert Manners(quiet, "UTC").earliest("person:wang", late) == morning
    assert Manners(quiet, "UTC").earliest("person:wang", morning) == morning
    assert Manners(quiet, "UTC").earliest("person:lin", late) == late
    assert Manners(quiet, "UTC", is_life_safety=True).earliest("person:wang", late) == late
    past = Manners({}, "Asia/Shanghai", is_past=True, is_life_safety=True)
    assert past.earliest("person:lin", late) == morning


def test_quiet_hours_across_a_change_of_the_clocks_end_at_the_wall_clocks_hour() -> None:
    quiet = Quiet(time(22), time(7), "Europe/Berlin")
    assert quiet.over_at(datetime(2026, 3, 28, 22, 0, tzinfo=UTC)) == datetime(2026, 3, 29, 5, 0, tzinfo=UTC)


def test_new_notices_are_plain_values() -> None:
    made = story(entry(0, "opened"), steps=RESPONSE, now=0)
    found = decide(calls(made), (), made.numbered, lambda _: ("person:wang",), Manners({}, "UTC"), at(0))
    assert found.new == (New(calls(made)[0], "person:wang", "waiting", "", at(0)),)
    assert found.next_call == at(90)
