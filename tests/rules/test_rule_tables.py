"""Every rule of every shipped class on the real engine: at its limit and on either side, at its delays, in doubt, in time."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.support.living_equipment import LIBRARY
from tests.support.rule_bench import Row, RuleBench, cleared, raised, rows

ROWS = list(rows())
DAY_MS = 86_400_000
each_row = pytest.mark.parametrize("row", ROWS, ids=str)


def test_every_rule_has_a_row_and_every_row_a_rule() -> None:
    written = {(row.class_id, row.rule_id) for row in ROWS}
    shipped = {(of.id, name) for of in LIBRARY.classes.values() for name in of.rules}
    assert sorted(shipped - written) == []
    assert sorted(written - shipped) == []


@each_row
def test_just_on_the_healthy_side_nothing_is_raised_however_long(row: Row) -> None:
    bench = RuleBench(row)
    bench.rest()
    if row.toggle is not None:
        assert not raised(bench.turn(row.toggle[2] - (1 if row.at_is else 0)))
        return
    assert not raised(bench.settle(row.well, round(1.2 * bench.span_ms)))
    assert not raised(bench.read(row.well, after_ms=2 * bench.run.settings.on_delay_ms + 1000))


@pytest.mark.parametrize("row", [row for row in ROWS if row.at is not None], ids=str)
def test_on_the_limit_itself_nothing_is_raised(row: Row) -> None:
    assert row.at is not None
    bench = RuleBench(row)
    bench.rest()
    assert not raised(bench.settle(row.at, round(1.2 * bench.span_ms)))
    assert not raised(bench.read(row.at, after_ms=2 * bench.run.settings.on_delay_ms + 1000))


@each_row
def test_just_beyond_it_is_raised_when_its_on_delay_ends_and_not_a_millisecond_before(row: Row) -> None:
    bench = RuleBench(row)
    bench.rest()
    found = bench.beyond(row.sick)
    delay = bench.run.settings.on_delay_ms
    assert raised(found) == (delay == 0)
    if delay:
        assert bench.due_in_ms == delay
        assert not raised(bench.wait(delay - 1))
        assert raised(bench.wait(1))


@each_row
def test_it_clears_when_its_off_delay_ends_and_not_a_millisecond_before(row: Row) -> None:
    bench = RuleBench(row)
    raise_it(bench)
    if row.is_limit and row.rule.deadband and not bench.span_ms:
        bench.read(row.well, after_ms=1000)
        assert bench.run.state.phase == "active", "back within the deadband is not back"
    found = bench.read(row.clear, after_ms=1000)
    for _ in range(90 if bench.span_ms else 0):
        if bench.run.state.phase != "active":
            break
        found += bench.read(row.clear, after_ms=bench.step_ms)
    delay = bench.run.settings.off_delay_ms
    assert cleared(found) == (delay == 0)
    if delay:
        assert bench.due_in_ms == delay
        assert not cleared(bench.wait(delay - 1))
        assert cleared(bench.wait(1))


@each_row
def test_bad_quality_in_the_middle_holds_the_delay_and_clears_nothing(row: Row) -> None:
    bench = RuleBench(row)
    bench.rest()
    bench.beyond(row.sick)
    delay = bench.run.settings.on_delay_ms
    if delay:
        bench.wait(delay // 2)
        assert not raised(bench.lose())
        assert not raised(bench.wait(delay))
        found = bench.read(row.sick)
        if bench.span_ms:
            found += bench.settle(row.sick, bench.span_ms)
            assert raised([*found, *bench.wait(delay)])
        else:
            left = delay - delay // 2
            assert not raised([*found, *bench.wait(left - 1)])
            assert raised(bench.wait(1))
    bench.lose()
    assert not cleared(bench.wait(DAY_MS))
    assert bench.run.state.is_active


@each_row
def test_nothing_is_raised_of_what_was_never_read_well(row: Row) -> None:
    bench = RuleBench(row)
    bench.lose()
    assert not raised(bench.wait(DAY_MS))


@each_row
@pytest.mark.parametrize("days", [7, -7])
def test_a_clock_that_jumps_moves_no_delay(row: Row, days: int) -> None:
    bench = RuleBench(row)
    bench.rest()
    bench.beyond(row.sick)
    delay = bench.run.settings.on_delay_ms
    if delay:
        bench.wait(delay // 2)
        bench.ahead_ms = days * DAY_MS
        assert not raised(bench.wait(delay - delay // 2 - 1))
        assert raised(bench.wait(1))
    bench.ahead_ms = 0
    assert not cleared(bench.wait(1))
    assert bench.run.state.is_active


def raise_it(bench: RuleBench) -> None:
    bench.rest()
    bench.beyond(bench.row.sick)
    bench.wait(bench.run.settings.on_delay_ms)
    assert bench.run.state.is_active


def test_water_that_rests_once_in_the_night_does_not_leak() -> None:
    row = next(row for row in ROWS if (row.rule_id, row.number) == ("night_leak", 1))
    bench = RuleBench(row)
    bench.rest()
    flowing = {**row.sick, "flow": 3.0}
    bench.settle(flowing, bench.span_ms // 2)
    bench.settle({**flowing, "flow": 0.0}, 2 * bench.step_ms)
    assert not raised(bench.settle(flowing, bench.span_ms - 4 * bench.step_ms))
    assert raised(bench.settle(flowing, bench.span_ms))


# --- the figures, kept twice -----------------------------------------------------------------------------------------

FIGURES = yaml.safe_load((Path(__file__).parent / "figures.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("class_id", sorted(LIBRARY.classes))
def test_limits_severities_delays_and_deadbands_are_those_that_were_meant(class_id: str) -> None:
    of, meant = LIBRARY.classes[class_id], FIGURES[class_id]
    assert {name: limit.value for name, limit in of.limits.items()} == meant["limits"]
    written = {
        name: [rule.severity, rule.on_delay, rule.off_delay, rule.deadband] for name, rule in of.rules.items()
    }  # fmt: skip
    assert written == meant["rules"]


@pytest.mark.parametrize("row", [row for row in ROWS if "insulation ==" in (row.rule.gate or "")], ids=str)
def test_a_rule_of_one_insulation_is_not_watched_on_the_other(row: Row) -> None:
    other = {"dry": "oil", "oil": "dry"}[str(row.ratings["insulation"])]
    runtime = RuleBench(replace(row, ratings={**row.ratings, "insulation": other})).runtime
    assert runtime.unwatched[row.rule_id].startswith("does not apply here")
