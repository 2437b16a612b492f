"""Each invariant finds what it is for, in rows made wrong on purpose, and nothing in rows that are right."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from device_profiles.library import load
from simulators import invariants
from simulators import scenario_steps as steps
from simulators.invariants_alarms import faults_without_alarm
from simulators.invariants_clocks import counted, undone_breaches, walk, wrong_clocks
from simulators.invariants_delivery import Delivered, cleared_while_unknown, lost
from simulators.invariants_hours import Hours
from simulators.invariants_lived import FOREVER_MS, SETTLE_MS, Disturbance, Lived, disturbances
from simulators.plant import Change
from simulators.run_facts import Facts
from simulators.run_plan import Deed
from simulators.scenario_times import parse_at
from simulators.site import build_site

T0 = 1_795_190_400_000
MIN = 60_000
HOUR = 60 * MIN
NOTHING = Facts(
    tickets=[], clocks=[], timeline=[], calls=[], alarms=[], results=[], occurrences=[], quarantine=[], lost=0
)
FILE: Mapping[str, Any] = {
    "site": {"id": "here"}, "gateway": {"id": "gw_1"},
    "equipment": [
        {"id": "panel_1", "class": "fire_alarm_panel"},
        {"id": "pump_1", "class": "pump", "ratings": {"rated_kw": 5, "rated_a": 10, "setpoint_mpa": 0.5}},
    ],
    "buses": [{"id": "line", "modbus": "tcp", "host": "127.0.0.1", "port": 5020}],
    "devices": [
        {"id": "words_1", "model": "fire_panel_words", "bus": "line", "address": 1, "equipment": "panel_1", "every": "10s"},
        {"id": "drive_1", "model": "grundfos_cim", "bus": "line", "address": 2, "equipment": "pump_1", "every": "10s"},
    ],
}  # fmt: skip
SITE = build_site(FILE, load())
WATCHED = frozenset({("panel_1", "fire")})


def ticket(number: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "id": number, "kind": "fault", "fault_key": "here/panel_1/fire", "equipment_id": "panel_1", "rule": "fire",
        "instance": "", "opened_at": T0, "began_at": T0, "merged_into_id": None, "priority": "major", **more,
    }  # fmt: skip


def line(at_ms: int, kind: str, number: int = 1, data: str = "{}") -> dict[str, Any]:
    return {"ticket_id": number, "at": T0 + at_ms, "kind": kind, "data": data, "actor": "", "actor_kind": "person"}


def alarm(**more: Any) -> dict[str, Any]:
    return {
        "equipment_id": "panel_1", "rule": "fire", "instance": "", "severity": "life_safety", "raised_at": T0 + 20_000,
        "received_at": T0 + 20_000, "cleared_at": None, "ticket_id": 1, "suppressed_by": "", "shelved_until": None, **more,
    }  # fmt: skip


def clock(**more: Any) -> dict[str, Any]:
    return {
        "ticket_id": 1, "clock": "resolution", "activation": 1, "policy": "shipped-1", "calendar": "", "target_s": 7200,
        "start_at": T0, "due_at": T0 + 2 * HOUR, "met_at": None, "breached_at": None, "used_s": 0.0, "state": "running", **more,
    }  # fmt: skip


def lived(*changes: Change, beside: tuple[Disturbance, ...] = (), now_ms: int = T0 + HOUR) -> Lived:
    return Lived(SITE, changes, beside, now_ms)


FIRE = Change(T0 + 10_000, "inject", "panel_1", "detector_fire")


# --- tickets and faults -------------------------------------------------------------------------------------------


def test_two_open_tickets_of_one_key_are_found() -> None:
    both = replace(NOTHING, tickets=[ticket(1), ticket(2, opened_at=T0 + HOUR)])
    assert list(invariants.two_open_tickets(both)) == [
        "here/panel_1/fire: T-000001 and T-000002 were open at the same time"
    ]
    closed = replace(both, timeline=[line(HOUR // 2, "closed")])
    assert list(invariants.two_open_tickets(closed)) == []
    again = replace(both, timeline=[line(HOUR // 2, "closed"), line(HOUR + 1, "reopened")])
    assert len(list(invariants.two_open_tickets(again))) == 1


def test_an_alarm_without_its_ticket_is_found_and_excused_only_with_reason() -> None:
    def missing(beside: tuple[Disturbance, ...] = (), **more: Any) -> list[str]:
        facts = replace(NOTHING, alarms=[alarm(ticket_id=None, **more)])
        return list(invariants.alarms_without_ticket(facts, lived(beside=beside)))

    assert len(missing()) == 1
    assert missing(severity="advisory") == []
    assert missing(suppressed_by="mains_lost") == []
    assert missing(shelved_until=T0) == []
    assert missing((Disturbance(T0, T0 + HOUR, "panel_1", "service"),)) == []
    assert len(missing((Disturbance(T0, T0 + HOUR, "pump_1", "service"),))) == 1


def test_a_fault_that_raised_nothing_is_found() -> None:
    assert [one.split(" came")[0] for one in faults_without_alarm(NOTHING, lived(FIRE), WATCHED)] == [
        "panel_1: detector_fire"
    ]
    seen = replace(NOTHING, alarms=[alarm()])
    assert list(faults_without_alarm(seen, lived(FIRE), WATCHED)) == []
    late = replace(NOTHING, alarms=[alarm(raised_at=T0 + HOUR)])
    assert len(list(faults_without_alarm(late, lived(FIRE), WATCHED))) == 1


@pytest.mark.parametrize(
    "beside",
    [
        Disturbance(T0, T0 + HOUR, "panel_1", "device"), Disturbance(T0, T0 + HOUR, None, "gateway"),
        Disturbance(T0, FOREVER_MS, None, "line"), Disturbance(T0, T0 + HOUR, None, "clock"),
    ],
)  # fmt: skip
def test_what_the_gateway_could_not_see_is_not_asked_of_it(beside: Disturbance) -> None:
    assert list(faults_without_alarm(NOTHING, lived(FIRE, beside=(beside,)), WATCHED)) == []


def test_a_fault_that_was_too_short_or_not_watched_is_not_asked_for() -> None:
    gone = Change(T0 + 11_000, "clear", "panel_1", "detector_fire")
    assert list(faults_without_alarm(NOTHING, lived(FIRE, gone), WATCHED)) == []
    assert list(faults_without_alarm(NOTHING, lived(FIRE), frozenset())) == []


def test_a_ticket_that_nothing_caused_is_found() -> None:
    facts = replace(NOTHING, tickets=[ticket(began_at=T0 + 20_000)], alarms=[alarm()])
    assert list(invariants.tickets_without_fault(facts, lived(FIRE))) == []
    assert list(invariants.tickets_without_fault(facts, lived())) == ["T-000001 panel_1/fire: nothing was wrong there"]
    alone = replace(facts, alarms=[])
    assert list(invariants.tickets_without_fault(alone, lived(FIRE))) == [
        "T-000001 panel_1/fire: no alarm has this ticket"
    ]


def test_a_ticket_about_data_needs_a_device_that_was_wrong() -> None:
    facts = replace(NOTHING, tickets=[ticket(rule="no_data", began_at=T0 + MIN)], alarms=[alarm()])
    assert len(list(invariants.tickets_without_fault(facts, lived(FIRE)))) == 1
    silent = Disturbance(T0, T0 + HOUR, "panel_1", "device")
    assert list(invariants.tickets_without_fault(facts, lived(beside=(silent,)))) == []


def test_what_a_scenario_does_beside_faults_is_known_with_its_time_and_place() -> None:
    silent = steps.Misbehave(at=parse_at("1min"), misbehave="silent", device="words_1", lasts="5min")
    cut = steps.Cut(at=parse_at("2min"), cut="bus line")
    mend = steps.Mend(at=parse_at("3min"), mend="bus line")
    deeds = [Deed(T0, silent, 1), Deed(T0 + 5 * MIN, silent, 1, is_end=True), Deed(T0, cut, 2), Deed(T0 + MIN, mend, 3)]
    found = disturbances(deeds, SITE)
    assert [(one.equipment, one.what) for one in found] == [
        ("panel_1", "device"),
        ("panel_1", "bus"),
        ("pump_1", "bus"),
    ]
    assert found[0].until_ms == T0 + 5 * MIN + SETTLE_MS
    assert found[1].until_ms == T0 + MIN + SETTLE_MS


# --- clocks -------------------------------------------------------------------------------------------------------


def test_slow_reckoning_walks_around_pauses_to_the_millisecond() -> None:
    assert walk(T0, HOUR, []) == T0 + HOUR
    assert walk(T0, HOUR, [(T0 + 90_001, T0 + 150_003)]) == T0 + HOUR + 60_002
    assert walk(T0, HOUR, [(T0 + MIN, None)]) is None
    assert counted(T0, T0 + HOUR, [(T0 + MIN, T0 + 3 * MIN), (T0 + 50 * MIN, None)]) == 48 * MIN


def clocks(
    story: list[dict[str, Any]],
    now_ms: int = T0 + HOUR,
    priority: str = "major",
    hours: Mapping[str, Hours] | None = None,
    **row: Any,
) -> list[str]:
    facts = replace(
        NOTHING, tickets=[ticket(priority=priority)], timeline=[line(0, "opened"), *story], clocks=[clock(**row)]
    )
    return list(wrong_clocks(facts, now_ms, hours))


def test_a_right_clock_is_not_complained_of() -> None:
    assert clocks([]) == []
    held = [line(10 * MIN, "held"), line(40 * MIN, "resumed")]
    assert clocks(held, due_at=T0 + 2 * HOUR + 30 * MIN) == []
    done = [*held, line(50 * MIN, "resolved")]
    assert clocks(done, state="met", met_at=T0 + 50 * MIN, used_s=20 * 60.0) == []
    assert clocks([line(10 * MIN, "held")], due_at=None, state="held") == []


@pytest.mark.parametrize(
    "row",
    [
        {"due_at": T0 + 2 * HOUR},
        {"due_at": T0 + 2 * HOUR + 31 * MIN},
        {"due_at": T0 + 2 * HOUR + 30 * MIN, "state": "met"},
    ],
)
def test_a_hold_counted_in_wall_time_is_found(row: dict[str, Any]) -> None:
    assert clocks([line(10 * MIN, "held"), line(40 * MIN, "resumed")], **row)


def test_a_clock_that_is_late_and_not_called_so_is_found() -> None:
    assert clocks([], now_ms=T0 + 3 * HOUR)
    assert clocks([], now_ms=T0 + 3 * HOUR, state="breached", breached_at=T0 + 2 * HOUR) == []
    assert clocks(
        [line(3 * HOUR, "resolved")], now_ms=T0 + 4 * HOUR, state="met", met_at=T0 + 3 * HOUR, used_s=10_800.0
    )


def test_life_safety_knows_no_hold() -> None:
    held = [line(10 * MIN, "held"), line(40 * MIN, "resumed")]
    assert clocks(held, priority="life_safety") == []
    assert clocks(held, priority="life_safety", due_at=T0 + 2 * HOUR + 30 * MIN)


def test_a_breach_that_is_gone_untold_or_told_twice_is_found() -> None:
    told = line(2 * HOUR, "breached", data='{"clock": "resolution", "activation": 1}')
    late = clock(state="breached", breached_at=T0 + 2 * HOUR)
    assert list(undone_breaches(replace(NOTHING, clocks=[late], timeline=[told]))) == []
    assert list(undone_breaches(replace(NOTHING, clocks=[clock()], timeline=[told])))
    assert list(undone_breaches(replace(NOTHING, clocks=[late])))
    assert list(undone_breaches(replace(NOTHING, clocks=[late], timeline=[told, told])))


# --- delivery -----------------------------------------------------------------------------------------------------


def both(held: set[int], waiting: frozenset[int] = frozenset(), events: Any = (), given: int = 4) -> Delivered:
    return Delivered(
        given={(7, "events"): given}, waiting=frozenset((7, "events", number) for number in waiting),
        held=frozenset((7, "events", number) for number in held), through={(7, "events"): max(held, default=0)},
        unapplied=0, events=events,
    )  # fmt: skip


def test_a_number_that_nobody_holds_is_found() -> None:
    assert list(lost(both({1, 2, 3, 4}))) == []
    assert list(lost(both({1, 2}, frozenset({3, 4})))) == []
    assert list(lost(both({1, 2, 4}))) == ["1 events of epoch 7 are neither in the cloud nor waiting at the gateway: 3"]
    assert "never gave out" in next(lost(both({1, 2, 3, 4, 5})))


def event(kind: str, **more: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "equipment": "panel_1",
        "rule": "fire",
        "instance": "",
        "at": "t1",
        "cleared_at": "t2",
        **more,
    }


def test_an_alarm_that_cleared_while_unknown_is_found() -> None:
    unknown, known, cleared = (
        event("RuleUnknown", unknown=True),
        event("RuleUnknown", unknown=False),
        event("AlarmCleared"),
    )
    assert len(list(cleared_while_unknown(both(set(), events=[unknown, cleared])))) == 1
    assert list(cleared_while_unknown(both(set(), events=[unknown, known, cleared]))) == []
    assert list(cleared_while_unknown(both(set(), events=[unknown, event("DeviceAnnounced"), cleared]))) == []
