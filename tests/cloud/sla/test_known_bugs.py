"""Every clock bug that users of other service desks report, by name: none of them may happen here."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from cloud.sla import Calendar, due, elapsed
from cloud.sla.policy import SHIPPED, Grant, Policy, Target
from cloud.sla.timeline import Deadline, Entry, Ruling, deadlines

HOUR = timedelta(hours=1)
START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)  # a Friday
OFFICE = Calendar.from_dict(
    {"tz": "UTC", "week": {day: [["08:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}}
)


def policy(hours: float = 8, clock: str = "resolution", version: str = "t", calendar: str = "office") -> Policy:
    target = Target(clock, hours * HOUR, calendar=calendar, is_pausing=clock == "resolution")  # type: ignore[arg-type]
    return Policy(version, (Grant(target),), {"office": OFFICE})


def e(kind: str, hours: float, priority: str = "", version: str = "", was: str = "") -> Entry:
    return Entry(START + hours * HOUR, kind, priority, "", version, was)


def clock(*entries: Entry, now: float, of: Policy | None = None, later: Policy | None = None) -> Deadline:
    """The only clock, or the resolution."""
    kept = of or policy()
    rulings = {later.version: Ruling(later.targets, later.calendars, later.shares, later.version)} if later else {}
    found = deadlines(entries, kept.targets, kept.calendars, START + now * HOUR, rulings)
    return found[-1]


OPENED = e("opened", 0, "major")


@pytest.mark.parametrize("hours_held", [1, 15, 63])
def test_erpnext_47884_a_hold_moves_due_by_working_hours_and_is_not_counted_twice(hours_held: float) -> None:
    found = clock(OPENED, e("held", 2), e("resumed", 2 + hours_held), now=3 + hours_held)
    paused = elapsed(START + 2 * HOUR, START + (2 + hours_held) * HOUR, OFFICE)
    assert found.due == due(START, 8 * HOUR + paused, OFFICE)
    assert found.used + paused == elapsed(START, START + (3 + hours_held) * HOUR, OFFICE)


def test_helpdesk_3776_six_months_on_hold_are_no_resolution_time_and_a_fresh_ticket_is_not_failed() -> None:
    months = 24 * 180
    found = clock(OPENED, e("held", 1), e("resolved", months), now=months + 1)
    assert (found.state, found.used) == ("met", HOUR)
    abroad = datetime(2026, 11, 20, 9, 0, tzinfo=ZoneInfo("America/New_York"))
    fresh = deadlines([Entry(abroad, "opened", "major")], policy().targets, {"office": OFFICE}, abroad.astimezone(UTC))
    assert fresh[0].state == "running"


@pytest.mark.parametrize("end", ["resolved", "closed", "cancelled", "merged"])
def test_helpdesk_hold_is_not_lost_when_a_paused_ticket_is_resolved(end: str) -> None:
    found = clock(OPENED, e("held", 1), e(end, 100), now=101)
    assert (found.state, found.used) == ("met", HOUR)


def test_helpdesk_1554_a_ticket_shown_as_paused_does_not_run() -> None:
    for now in (2, 50, 5000):
        found = clock(OPENED, e("held", 1), now=now)
        assert (found.state, found.used, found.due, found.next_at) == ("held", HOUR, None, None)


def test_helpdesk_1621_a_due_time_is_the_same_instant_in_every_zone() -> None:
    shanghai = Calendar.from_dict({"tz": "Asia/Shanghai", "week": {"fri": [["09:00", "18:00"]]}})
    start = datetime(2026, 11, 20, 16, 0, tzinfo=ZoneInfo("Asia/Shanghai"))
    assert due(start, HOUR, shanghai) == due(start.astimezone(ZoneInfo("America/Los_Angeles")), HOUR, shanghai)
    assert due(start, HOUR, shanghai) == datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def test_zammad_188_a_reopened_ticket_leaves_out_what_it_was_resolved_and_held() -> None:
    story = (OPENED, e("held", 1), e("resumed", 2), e("resolved", 3), e("reopened", 74))
    found = clock(*story, now=75)
    assert (found.state, found.used) == ("running", 3 * HOUR)


def test_zammad_3180_a_day_and_night_calendar_loses_no_minute_at_midnight() -> None:
    always = Calendar.from_dict(
        {"tz": "UTC", "week": {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}}
    )
    assert due(START, 240 * HOUR, always) == START + 240 * HOUR


def test_zammad_3140_a_clock_does_not_fire_after_its_answer() -> None:
    plain = policy(2, "response", calendar="")
    answered = clock(OPENED, e("acknowledged", 1), now=500, of=plain)
    assert (answered.state, answered.breached_at, answered.next_at) == ("met", None, None)


def test_zammad_4353_a_target_that_was_taken_away_neither_runs_nor_warns_and_what_was_late_stays_late() -> None:
    nothing = Policy("none", (), {})
    early = [OPENED, e("retargeted", 1, version="none", was="t")]
    assert (
        deadlines(
            early, policy().targets, {"office": OFFICE}, START + 900 * HOUR, {"none": Ruling(nothing.targets, {})}
        )
        == ()
    )
    late = clock(OPENED, e("retargeted", 200, version="none", was="t"), now=300, later=nothing)
    assert (late.state, late.stopped_at, late.next_at) == ("breached", START + 200 * HOUR, None)


def test_zammad_4432_a_working_time_clock_is_due_and_warns_in_working_hours_only_and_life_safety_at_any() -> None:
    found = clock(OPENED, now=0)
    assert all(OFFICE.open_between(_us(at) - 1, _us(at)) for _, at in [*found.warnings, (1, found.due or START)])
    tight = Policy("x", (Grant(Target("arrival", 0.5 * HOUR, calendar="office")),), {"office": OFFICE})
    night = START + 14 * HOUR
    (life,) = deadlines([Entry(night, "opened", "life_safety")], tight.targets, tight.calendars, night)
    assert life.due == night + 0.5 * HOUR


def _us(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000)


def test_zammad_5911_a_late_wake_stamps_a_breach_and_its_warnings_at_their_own_instants() -> None:
    found = clock(OPENED, now=24 * 30, of=policy(calendar=""))
    assert found.breached_at == START + 8 * HOUR
    assert [at for _, at in found.warnings] == [START + share * 8 * HOUR for share in (0.5, 0.75, 0.9)]


@pytest.mark.parametrize("is_still_held", [True, False])
def test_glpi_6902_a_priority_raised_on_hold_keeps_the_pause_and_is_no_instant_breach(is_still_held: bool) -> None:
    urgent = Policy(
        "p",
        (
            Grant(Target("resolution", 8 * HOUR, is_pausing=True)),
            Grant(Target("resolution", 4 * HOUR, is_pausing=True), priority="urgent"),
        ),
    )
    story = [OPENED, e("held", 1), e("reclassified", 100, "urgent")] + ([] if is_still_held else [e("resumed", 101)])
    found = clock(*story, now=102, of=urgent)
    assert (found.state, found.breached_at) == ("held" if is_still_held else "running", None)
    assert found.due == (None if is_still_held else START + 104 * HOUR)


def test_glpi_15605_a_hold_survives_another_version_of_the_policy() -> None:
    story = [OPENED, e("held", 1), e("retargeted", 50, version="t2", was="t"), e("resumed", 101)]
    found = clock(*story, now=102, later=policy(4, version="t2", calendar=""), of=policy(calendar=""))
    assert (found.due, found.version) == (START + 104 * HOUR, "t2")


def test_glpi_22678_no_warning_comes_at_creation_or_at_midnight_with_a_working_calendar() -> None:
    evening = [Entry(START + 12 * HOUR, "opened", "major")]
    (found,) = deadlines(evening, policy().targets, {"office": OFFICE}, START + 13 * HOUR)
    assert found.next_at == datetime(2026, 11, 23, 12, 0, tzinfo=UTC)  # half of eight hours on Monday
    assert found.used == timedelta(0)


def test_glpi_24481_a_pending_ticket_is_never_breached() -> None:
    found = clock(OPENED, e("held", 7.9), now=10_000, of=policy(calendar=""))
    assert (found.state, found.breached_at) == ("held", None)


def test_glpi_14148_a_hold_is_not_lost_when_the_ticket_goes_back_to_new() -> None:
    found = clock(OPENED, e("held", 1), e("resumed", 11), e("dispatched", 12), now=13, of=policy(calendar=""))
    assert (found.used, found.due) == (3 * HOUR, START + 18 * HOUR)


def test_glpi_16383_another_target_counts_from_the_original_start() -> None:
    found = clock(OPENED, e("retargeted", 5, version="t2", was="t"), now=6, later=policy(24, version="t2", calendar=""))
    assert (found.start, found.due) == (START, START + 24 * HOUR)


def test_oncall_1206_what_a_closed_window_stopped_goes_on_by_itself_when_it_opens() -> None:
    found = clock(OPENED, now=24, of=policy(12))  # Saturday
    monday = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
    assert (found.due, found.next_at) == (monday, datetime(2026, 11, 23, 9, 48, tzinfo=UTC))
    assert clock(OPENED, now=75, of=policy(12)).breached_at == monday


@pytest.mark.parametrize(("day", "hours"), [("2026-03-28", 23), ("2026-10-24", 25)])
def test_oncall_3261_a_day_with_a_clock_change_counts_the_hours_it_has(day: str, hours: int) -> None:
    zone = ZoneInfo("Europe/Berlin")
    always = Calendar(tz="Europe/Berlin")
    start = datetime.fromisoformat(day).replace(hour=12, tzinfo=zone)
    assert elapsed(start, start + timedelta(days=1), always) == hours * HOUR


def test_atlas_stopping_exactly_at_due_is_on_time() -> None:
    assert clock(OPENED, e("resolved", 8), now=9, of=policy(calendar="")).state == "met"


def test_helpdesk_a_later_edit_never_takes_a_breach_back() -> None:
    longer = policy(500, version="t2", calendar="")
    found = clock(OPENED, e("retargeted", 10, version="t2", was="t"), now=11, of=policy(calendar=""), later=longer)
    assert (found.state, found.breached_at, found.due) == ("breached", START + 8 * HOUR, START + 500 * HOUR)


def test_helpdesk_hourly_sweep_the_next_instant_is_known_to_the_millisecond() -> None:
    found = clock(OPENED, now=0, of=policy(0.5, "response", calendar=""))
    assert found.next_at == START + 0.25 * HOUR
    late = clock(OPENED, now=0.46, of=policy(0.5, "response", calendar=""))
    assert late.next_at == START + 0.5 * HOUR + timedelta(milliseconds=1)


def test_a_reclassification_never_moves_an_earlier_due_time_later() -> None:
    by_priority = SHIPPED
    found = deadlines(
        [e("opened", 0, "urgent"), e("reclassified", 0.5, "general")], by_priority.targets, {}, START + HOUR * 0.6
    )
    assert found[0].due == START + HOUR


def test_glpi_due_at_closing_time_is_that_evening_and_not_the_next_morning() -> None:
    assert clock(e("opened", 1, "major"), now=2).due == START + 9 * HOUR


def test_a_calendar_that_never_opens_is_refused_and_not_searched_for_ever() -> None:
    with pytest.raises(ValueError, match="never opens"):
        Calendar.from_dict({"tz": "UTC", "week": {}})
