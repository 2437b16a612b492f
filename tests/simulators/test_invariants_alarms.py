"""Faults against alarms, news against tickets, hours against clocks: each invariant finds rows made wrong on purpose, and no others."""

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from contract.conventions import format_instant
from simulators import scenario_steps as steps
from simulators.invariants_alarms import (
    alarms_after_repair,
    consequences_that_spoke,
    ended_in_silence,
    late_after_a_restart,
)
from simulators.invariants_delivery import stuck
from simulators.invariants_desk import counted_twice, told_twice, wrong_starts
from simulators.invariants_hours import Hours, hours_of, joined
from simulators.invariants_lived import FOREVER_MS, Disturbance, disturbances, downs, silences
from simulators.plant import Change
from simulators.run_plan import Deed
from simulators.scenario_times import parse_at
from simulators.site import SimulatedSite
from simulators.virtual_cloud import Told
from tests.simulators.test_invariants import (
    HOUR,
    MIN,
    NOTHING,
    SITE,
    T0,
    alarm,
    both,
    clock,
    clocks,
    line,
    lived,
    ticket,
)

PUMP = frozenset({("pump_1", "tank_low")})
CAME = Change(T0 + 10 * MIN, "inject", "pump_1", "tank_empties")
GONE = Change(T0 + 20 * MIN, "clear", "pump_1", "tank_empties")
WORDS, DRIVE = SITE.devices


def low(**more: Any) -> dict[str, Any]:
    return alarm(equipment_id="pump_1", rule="tank_low", severity="major", raised_at=T0 + 11 * MIN, **more)


def event(kind: str, rule: str = "tank_low", **more: Any) -> dict[str, Any]:
    return {"type": kind, "equipment": "pump_1", "rule": rule, "instance": "", "severity": "major", **more}


# --- what is repaired ends ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["shelved", "service", "line"])
def test_an_alarm_that_outlasts_its_repair_is_found_on_a_shelf_too(what: str) -> None:
    wished = Disturbance(T0, T0 + HOUR, "pump_1", what)
    stays = replace(NOTHING, alarms=[low()])
    found = list(alarms_after_repair(stays, lived(CAME, GONE, beside=(wished,), now_ms=T0 + 2 * HOUR), PUMP))
    assert [one.split(" and ")[1].split(" within")[0] for one in found] == ["tank_low had not ended"]
    ended = replace(NOTHING, alarms=[low(cleared_at=T0 + 20 * MIN + 30_000)])
    assert list(alarms_after_repair(ended, lived(CAME, GONE, now_ms=T0 + 2 * HOUR), PUMP)) == []


def test_an_alarm_that_the_gateway_could_not_see_ending_is_not_asked_for() -> None:
    stays = replace(NOTHING, alarms=[low()])
    silent = Disturbance(T0 + 19 * MIN, T0 + HOUR, "pump_1", "device")
    assert list(alarms_after_repair(stays, lived(CAME, GONE, beside=(silent,), now_ms=T0 + 2 * HOUR), PUMP)) == []
    other = Change(T0 + 19 * MIN, "inject", "pump_1", "dry_run")
    assert list(alarms_after_repair(stays, lived(CAME, GONE, other, now_ms=T0 + 2 * HOUR), PUMP)) == []


# --- a power cut inside a delay -----------------------------------------------------------------------------------


def patient() -> SimulatedSite:
    """The site with a delay of ten minutes."""
    pump = replace(
        SITE.equipment["pump_1"], on_delays_ms={**SITE.equipment["pump_1"].on_delays_ms, "tank_low": 10 * MIN}
    )
    return replace(SITE, equipment={**SITE.equipment, "pump_1": pump})


def after_restart(raised_at: int, died_at: int = T0 + 15 * MIN) -> list[str]:
    facts = replace(NOTHING, alarms=[low() | {"raised_at": raised_at}])
    away = Disturbance(died_at, died_at + HOUR, None, "gateway")
    went = replace(lived(CAME, beside=(away,), now_ms=T0 + 2 * HOUR), site=patient())
    return list(late_after_a_restart(facts, went, PUMP, [(died_at, died_at + 3 * MIN)]))


def test_a_delay_that_began_anew_after_a_power_cut_is_found() -> None:
    assert after_restart(T0 + 20 * MIN + 10_000) == []
    assert len(after_restart(T0 + 28 * MIN)) == 1
    assert after_restart(T0 + 28 * MIN, died_at=T0 + 10 * MIN + 1000) == [], "it may not have been seen before"


def test_when_a_process_was_down_is_known_from_what_was_done() -> None:
    kill = steps.Kill(at=parse_at("1min"), kill="gateway", lasts="5min")
    stop = steps.Stop(at=parse_at("2min"), stop="gateway")
    start = steps.Launch(at=parse_at("9min"), start="gateway")
    done = [Deed(T0, kill, 1), Deed(T0 + MIN, stop, 2), Deed(T0 + 5 * MIN, kill, 1, is_end=True)]
    assert downs(done, "gateway") == [(T0, T0 + 5 * MIN)]
    assert downs([Deed(T0, stop, 1)], "gateway") == [(T0, FOREVER_MS)]
    assert downs([Deed(T0, stop, 1), Deed(T0 + HOUR, start, 2)], "gateway") == [(T0, T0 + HOUR)]
    assert downs(done, "cloud") == []


# --- silence ------------------------------------------------------------------------------------------------------


def test_an_alarm_that_ends_while_its_device_says_nothing_is_found() -> None:
    def ended(at_ms: int, *spans: tuple[int, int]) -> list[str]:
        events = [event("AlarmCleared", cleared_at=format_instant(at_ms))]
        return list(ended_in_silence(both(set(), events=events), lived(CAME), {"drive_1": spans}))

    assert len(ended(T0 + 15 * MIN, (T0 + 12 * MIN, T0 + 20 * MIN))) == 1
    assert ended(T0 + 15 * MIN, (T0 + 14 * MIN + 30_000, T0 + 20 * MIN)) == [], "what was read before may end it"
    assert ended(T0 + 21 * MIN, (T0 + 12 * MIN, T0 + 20 * MIN)) == []
    assert ended(T0 + 15 * MIN) == []


def test_when_nothing_could_be_learnt_from_a_device_is_known_from_what_was_done() -> None:
    silent = steps.Misbehave(at=parse_at("1min"), misbehave="silent", device="words_1", lasts="5min")
    late = steps.Misbehave(at=parse_at("1min"), misbehave="late", device="words_1", lasts="5min")
    cut = steps.Cut(at=parse_at("2min"), cut="bus line")
    done = [Deed(T0, silent, 1), Deed(T0 + MIN, cut, 2), Deed(T0 + 5 * MIN, silent, 1, is_end=True)]
    assert silences(done, SITE, WORDS) == [(T0, T0 + 5 * MIN)]
    assert silences(done, SITE, DRIVE) == [(T0 + MIN, FOREVER_MS)]
    assert silences([Deed(T0, late, 1)], SITE, WORDS) == []


def test_a_half_open_connection_touches_everything_on_its_line() -> None:
    deaf = steps.Misbehave(at=parse_at("1min"), misbehave="half_open", device="words_1", lasts="5min")
    assert {one.equipment for one in disturbances([Deed(T0, deaf, 1)], SITE)} == {"panel_1", "pump_1"}


# --- consequences -------------------------------------------------------------------------------------------------


def test_a_consequence_that_speaks_while_its_cause_is_active_is_found() -> None:
    cause, loud = event("AlarmRaised", "supply_lost"), event("AlarmRaised", "pump_fault")
    assert len(list(consequences_that_spoke(both(set(), events=[cause, loud]), lived()))) == 1
    quiet = event("AlarmRaised", "pump_fault", suppressed_by="supply_lost")
    assert list(consequences_that_spoke(both(set(), events=[cause, quiet]), lived())) == []
    over = event("AlarmCleared", "supply_lost")
    assert list(consequences_that_spoke(both(set(), events=[cause, over, loud]), lived())) == []


# --- news and tickets ---------------------------------------------------------------------------------------------


def test_a_clock_that_does_not_start_with_the_news_is_found() -> None:
    opened = line(0, "opened") | {"dedupe": "opened:gw_1:7:events:3"}
    facts = replace(NOTHING, timeline=[opened], clocks=[clock()])
    assert list(wrong_starts(facts, {"gw_1:7:events:3": T0})) == []
    assert len(list(wrong_starts(facts, {"gw_1:7:events:3": T0 + MIN}))) == 1
    assert len(list(wrong_starts(replace(facts, clocks=[clock(start_at=T0 - MIN)]), {}))) == 1


def test_an_occurrence_that_nobody_told_of_is_found() -> None:
    raised = {"type": "AlarmRaised", "equipment": "panel_1", "rule": "fire", "instance": ""}
    assert list(counted_twice(replace(NOTHING, tickets=[ticket(occurrences=1)]), [raised])) == []
    assert len(list(counted_twice(replace(NOTHING, tickets=[ticket(occurrences=2)]), [raised]))) == 1


def test_a_call_that_came_twice_is_found_unless_it_says_so() -> None:
    def call(*, is_possible_repeat: bool = False) -> Told:
        return Told(T0, "wang", "key", "Fire", "", is_possible_repeat)

    assert list(told_twice([call()])) == []
    assert len(list(told_twice([call(), call()]))) == 1
    assert list(told_twice([call(), call(is_possible_repeat=True)])) == []


def test_events_that_wait_although_nothing_is_in_their_way_are_found() -> None:
    waits = replace(both(set()), waits_since={(7, "events", 1): T0})
    assert len(list(stuck(waits, lived()))) == 1
    cut = Disturbance(T0, T0 + HOUR + 1, None, "line")
    assert list(stuck(waits, lived(beside=(cut,)))) == []
    assert list(stuck(replace(waits, waits_since={(7, "events", 1): T0 + HOUR - MIN}), lived())) == []


# --- hours --------------------------------------------------------------------------------------------------------

NIGHTS = {"calendars": {"nights": {"week": {"sat": [["22:00", "06:00"]]}}}}


def test_a_night_that_loses_an_hour_is_seven_hours_long() -> None:
    spring = 1_806_184_800_000  # 27 March 2027, 22:00 in London
    (first, second, *_) = hours_of(NIGHTS, "Europe/London")["nights"].closed(spring - HOUR)
    assert first == (spring - HOUR, spring)
    assert second[0] == spring + 7 * HOUR


def test_only_plain_weeks_are_reckoned() -> None:
    assert hours_of({"calendars": {"office": {"country": "CN", "week": {}}}}, "UTC") == {}
    assert hours_of({**NIGHTS, "targets": [{"working_days": 2}]}, "UTC") == {}


def test_stretches_that_overlap_count_once() -> None:
    assert joined([(5, 9), (1, 3), (2, 4), (8, None), (20, 30)]) == [(1, 4), (5, None)]


def test_a_clock_of_working_hours_is_reckoned_by_its_calendar() -> None:
    hours = Hours(ZoneInfo("UTC"), [[(0, 60)]] * 7)
    assert clocks([], hours={"early": hours}, calendar="early", due_at=T0 + 2 * HOUR)
    assert clocks([], calendar="early", due_at=T0) == [], "a calendar that is not known is not judged"


def test_a_breach_that_does_not_stand_at_its_due_instant_is_found() -> None:
    late: dict[str, Any] = {"state": "breached", "now_ms": T0 + 3 * HOUR}
    assert clocks([], breached_at=T0 + 2 * HOUR, **late) == []
    assert len(clocks([], breached_at=T0 + 2 * HOUR + MIN, **late)) == 1
