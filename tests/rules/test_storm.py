"""Alarms that come too thick become one storm: who is silenced, who is not, and when they speak again."""

from typing import Any

import pytest

from contract.messages import AlarmChanged, AlarmRaised, Directive, Record, StormBegan, StormEnded
from device_profiles.schema import EquipmentClass
from edge.rules.directives import apply
from edge.rules.storm import Storms, describe
from edge.site import StormFigures
from tests.support.plant import Bench, kinds, make_class, rule

DOOR = make_class(rules={"door": rule("running")})
FIRE = make_class(rules={"door": rule("running", severity="life_safety")})
MANY = make_class(
    rules={f"load_{n}": rule(f"load > {n}") for n in range(1, 15)} | {"fire": rule("running", severity="life_safety")}
)


def stand(of: EquipmentClass) -> Bench:
    """A bench whose values grow old so late that a test may let minutes pass."""
    bench = Bench(of, stale_after_ms=10**8)
    bench.at(0, running=False, load=0.0)
    return bench


def raised(records: list[Record]) -> dict[str, str]:
    """Rule to what silences it, of everything raised."""
    return {one.rule: one.suppressed_by for one in records if isinstance(one, AlarmRaised)}


def storms(records: list[Record]) -> list[StormBegan | StormEnded]:
    return [one for one in records if isinstance(one, StormBegan | StormEnded)]


def cycle(bench: Bench, *starts: float) -> None:
    """The door's alarm comes at each of these seconds and goes five later."""
    for start in starts:
        bench.at(start, running=True)
        bench.at(start + 5, running=False)


# --- chattering -----------------------------------------------------------------------------------------------------


def test_three_cycles_in_a_minute_are_chattering() -> None:
    bench = stand(DOOR)
    cycle(bench, 0, 20, 40)
    (began,) = storms(bench.records)
    assert isinstance(began, StormBegan)
    assert (began.kind, began.equipment, began.rule, began.within_ms) == ("chattering", "pump_1", "door", 60_000)
    assert [(one.rule, one.severity) for one in began.members] == [("door", "major")] * 3
    assert began.began_at == began.members[0].raised_at < began.recognised_at
    assert raised(bench.records) == {"door": ""}


@pytest.mark.parametrize("starts", [(0, 20), (0, 30, 60), (0, 20, 55.001)])
def test_fewer_or_slower_cycles_are_not(starts: tuple[float, ...]) -> None:
    bench = stand(DOOR)
    cycle(bench, *starts)
    assert storms(bench.records) == []


def test_a_third_cycle_that_ends_exactly_within_the_minute_counts() -> None:
    bench = stand(DOOR)
    cycle(bench, 0, 20, 55)
    assert len(storms(bench.records)) == 1


def test_what_chatters_on_is_raised_silently_and_counted() -> None:
    bench = stand(DOOR)
    cycle(bench, 0, 20, 40)
    storm = storms(bench.records)[0].storm
    bench.records.clear()
    cycle(bench, 60, 80, 100)
    found = [one for one in bench.records if isinstance(one, AlarmRaised)]
    assert [(one.suppressed_by, one.storms) for one in found] == [("storm", [storm])] * 3
    bench.records.clear()
    bench.at(159, running=False)
    assert bench.records == []
    (ended,) = bench.at(160, running=False)
    assert isinstance(ended, StormEnded)
    assert (ended.storm, ended.raises) == (storm, 6)


def test_an_alarm_that_stays_when_the_chattering_ends_speaks_again() -> None:
    bench = stand(DOOR)
    cycle(bench, 0, 20, 40)
    bench.at(60, running=True)
    found = bench.at(120, running=True)
    assert kinds(found) == ["StormEnded", "AlarmChanged"]
    assert isinstance(found[1], AlarmChanged)
    assert (found[1].what, found[1].reason) == ("unsuppressed", "storm")


def test_chattering_again_later_is_another_storm() -> None:
    bench = stand(DOOR)
    cycle(bench, 0, 20, 40, 200, 220, 240)
    assert [type(one).__name__ for one in storms(bench.records)] == ["StormBegan", "StormEnded", "StormBegan"]
    assert len({one.storm for one in storms(bench.records)}) == 2


def test_a_chattering_life_safety_alarm_is_told_and_never_silenced() -> None:
    bench = stand(FIRE)
    cycle(bench, 0, 20, 40)
    storm = storms(bench.records)[0].storm
    bench.records.clear()
    cycle(bench, 60)
    (again,) = [one for one in bench.records if isinstance(one, AlarmRaised)]
    assert (again.suppressed_by, again.storms) == ("", [storm])


@pytest.mark.parametrize("kind", ["shelve", "out_of_service"])
def test_what_is_silent_already_makes_no_storm(kind: Any) -> None:
    bench = stand(DOOR)
    until = "2030-01-01T00:00:00.000Z"
    apply(bench.engine, Directive(id="d", kind=kind, by="li", reason="x", equipment="pump_1", rule="door", until=until), bench.now)  # fmt: skip
    cycle(bench, 0, 20, 40, 60)
    assert storms(bench.records) == []


def test_an_advisory_alarm_makes_no_storm() -> None:
    bench = stand(make_class(rules={"door": rule("running", severity="advisory")}))
    cycle(bench, 0, 20, 40, 60)
    assert storms(bench.records) == []
    assert all(one.storms == [] for one in bench.records if isinstance(one, AlarmRaised))


# --- flood ----------------------------------------------------------------------------------------------------------


def test_ten_alarms_in_ten_minutes_are_no_flood() -> None:
    bench = stand(MANY)
    bench.at(0, load=10.5)
    assert storms(bench.records) == []
    assert len(raised(bench.records)) == 10


def test_the_eleventh_begins_a_flood_and_is_its_first_silent_member() -> None:
    bench = stand(MANY)
    bench.at(0, load=10.5)
    found = bench.at(599, load=11.5)
    assert kinds(found) == ["StormBegan", "AlarmRaised"]
    began = found[0]
    assert isinstance(began, StormBegan)
    assert (began.kind, began.equipment, len(began.members)) == ("flood", "", 10)
    assert raised(found) == {"load_11": "storm"}


def test_eleven_alarms_over_more_than_ten_minutes_are_no_flood() -> None:
    bench = stand(MANY)
    bench.at(0, load=10.5)
    assert raised(bench.at(600, load=11.5)) == {"load_11": ""}


def test_a_whole_flood_in_one_instant_keeps_ten_tickets_and_silences_the_rest() -> None:
    bench = stand(MANY)
    found = bench.at(0, load=99.0)
    assert [why for why in raised(found).values() if not why] == [""] * 10
    assert len(raised(found)) == 14


def test_life_safety_is_a_member_of_a_flood_and_speaks_for_itself() -> None:
    bench = stand(MANY)
    bench.at(0, load=99.0)
    (fire,) = [one for one in bench.at(1, running=True) if isinstance(one, AlarmRaised)]
    assert fire.suppressed_by == ""
    assert fire.storms == [storms(bench.records)[0].storm]


def test_a_flood_ends_when_fewer_than_five_came_in_ten_minutes_and_frees_what_still_lasts() -> None:
    bench = stand(MANY)
    bench.at(0, load=10.5)
    bench.at(60, load=14.5)  # four more, silent
    bench.at(120, load=13.5)  # one of them clears
    assert bench.at(599) == []
    found = bench.at(600)
    assert kinds(found) == ["StormEnded"] + ["AlarmChanged"] * 3
    assert {one.rule for one in found if isinstance(one, AlarmChanged)} == {"load_11", "load_12", "load_13"}
    ended = storms(found)[0]
    assert isinstance(ended, StormEnded)
    assert ended.raises == 14


def test_a_steady_trickle_of_five_keeps_a_flood_going() -> None:
    bench = stand(MANY)
    bench.at(0, load=14.5)
    for second in range(100, 2400, 100):
        bench.at(second, load=10.5)  # what was silenced clears …
        bench.at(second + 50, load=14.5)  # … and comes again
    assert [one for one in storms(bench.records) if isinstance(one, StormEnded)] == []


def test_an_alarm_raised_before_the_flood_is_silenced_only_when_it_comes_again() -> None:
    bench = stand(MANY)
    bench.at(0, load=14.5)
    bench.at(1, load=0.5)
    assert set(raised(bench.at(2, load=1.5)).values()) == {"storm"}


# --- restart --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", [60.5, 62, 69])
def test_a_storm_goes_on_over_a_restart(stop: float) -> None:
    bench = stand(DOOR)
    cycle(bench, 0, 20, 40)
    bench.at(60, running=True)
    after = bench.restart(DOOR, stop, stale_after_ms=10**8)
    found = after.at(70, running=True) + after.at(119.5, running=True)
    assert storms(found) == []
    assert kinds(after.at(120.5, running=True) + after.at(121.5)) == ["StormEnded", "AlarmChanged"]


def test_cycles_before_and_after_a_restart_count_together() -> None:
    bench = stand(DOOR)
    cycle(bench, 0, 20)
    after = bench.restart(DOOR, 30, stale_after_ms=10**8)
    cycle(after, 40)
    assert len(storms(after.records)) == 1


def test_what_a_rule_knows_of_a_storm_survives_its_bytes() -> None:
    bench = stand(MANY)
    bench.at(0, load=99.0)
    body = bench.engine.storms.to_json(bench.now)
    again = Storms()
    again.restore(body, bench.now)
    assert again.to_json(bench.now) == body


def test_the_figures_are_told_in_one_line() -> None:
    assert describe(StormFigures(4, 30_000, 20, 60_000, 2)) == (
        "chattering from 4 cycles of an alarm in 30 s; flood from more than 20 alarms in 60 s until fewer than 2 "
        "(site file, instead of EEMUA 191, ISA-18.2)"
    )
