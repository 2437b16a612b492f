"""Periodic tests recognised from signals: begun, judged, evidenced, over a restart too."""

from contract.messages import Cause, Quality, TestObserved
from edge.rules.engine import Engine
from tests.support.plant import NAME, START, Bench, make_class, rule

TESTED = make_class(
    rules={"stopped": rule("not running", severity="advisory")},
    tests={
        "weekly_start": {
            "name": NAME, "every": "P7D", "clause": "e-no-overload",
            "observed": {"start": "running", "end": "not running", "passes": "load >= load_max", "minimum": "10s", "within": "60s"},
        }
    },
)  # fmt: skip

LONG = make_class(
    tests={
        "weekly_start": {
            "name": NAME, "every": "P7D", "clause": "e-no-overload",
            "observed": {"start": "running", "end": "not running", "passes": "load >= load_max", "minimum": "10s", "within": "1h"},
        }
    },
)  # fmt: skip


def observed(bench: Bench) -> list[TestObserved]:
    return [record for record in bench.records if isinstance(record, TestObserved)]


def test_a_test_is_recognised_from_signals_with_its_evidence() -> None:
    bench = Bench(TESTED)
    bench.at(0, running=False, load=0.0)
    bench.at(1, running=True, load=40.0)
    bench.at(6, load=120.0)
    bench.at(12, load=110.0)
    bench.at(13, running=False)
    found = observed(bench)[0]
    assert found.passed
    evidence = {term.name: term.value for term in found.evidence}
    assert (evidence["lowest load"], evidence["highest load"], evidence["duration"]) == (40.0, 120.0, 12.0)


def test_a_test_too_short_or_without_pressure_fails_and_says_why() -> None:
    bench = Bench(TESTED)
    bench.at(0, running=False, load=0.0)
    bench.at(1, running=True, load=40.0)
    bench.at(5, running=False)
    found = observed(bench)[0]
    assert not found.passed
    assert found.reasons == ["lasted 4 s of at least 10 s", "not reached: load >= load_max"]


def test_a_test_that_does_not_end_in_time_fails_once() -> None:
    bench = Bench(TESTED)
    bench.at(0, running=False, load=0.0)
    bench.at(1, running=True, load=140.0)
    for second in range(10, 120, 10):
        bench.at(second, load=140.0)
    assert [found.reasons for found in observed(bench)] == [["had not ended after 60 s"]]
    bench.at(130, running=False)
    bench.at(131, running=True)
    bench.at(150, running=False)
    assert len(observed(bench)) == 2


def test_a_test_goes_on_over_a_restart() -> None:
    bench = Bench(TESTED)
    bench.at(0, running=False, load=0.0)
    bench.at(1, running=True, load=140.0)
    after = bench.restart(TESTED, 5)
    after.at(6, running=True, load=140.0)
    after.at(20, running=False, load=140.0)
    assert [(found.passed, found.evidence[-1].value) for found in observed(after)] == [(True, 19.0)]


def raw_of(found: TestObserved, point: str) -> list[tuple[int, object]]:
    """Seconds since the start and value of every raw sample of a point."""
    series = next(one for one in found.samples if one.point == point)
    return [((at - START.wall_ms) // 1000, value) for at, value in zip(series.at, series.value, strict=True)]


def test_a_test_brings_its_raw_samples_and_what_its_points_showed_when_it_began() -> None:
    bench = Bench(TESTED)
    bench.at(0, running=False, load=7.0)
    bench.at(1, running=True)
    bench.at(6, load=120.0)
    bench.at(12, load=110.0)
    bench.at(13, running=False)
    bench.at(14, load=1.0)
    (found,) = observed(bench)
    assert raw_of(found, "load") == [(0, 7.0), (6, 120.0), (12, 110.0)]
    assert raw_of(found, "running") == [(1, True), (13, False)]
    assert {one.point: (one.unit, one.quality, one.every, one.left_out) for one in found.samples} == {
        "load": ("kW", [], 1, 0), "running": ("", [], 1, 0),
    }  # fmt: skip


def test_a_bad_sample_stands_in_the_evidence_as_bad() -> None:
    bench = Bench(TESTED)
    bench.at(0, running=False, load=0.0)
    bench.at(1, running=True, load=120.0)
    bench.lose(5, "load")
    bench.at(12, load=110.0)
    bench.at(13, running=False)
    series = next(one for one in observed(bench)[0].samples if one.point == "load")
    assert series.value == [120.0, None, 110.0]
    assert series.quality == [Quality.GOOD, Quality.BAD, Quality.GOOD]
    assert series.cause == [Cause.NONE, Cause.NO_RESPONSE, Cause.NONE]


def test_what_is_read_no_more_ends_in_the_evidence_as_stale() -> None:
    bench = Bench(TESTED)
    bench.at(0, running=False, load=0.0)
    bench.at(1, running=True, load=120.0)
    for second in range(2, 21):
        bench.at(second, running=True)
    bench.at(21, running=False)
    assert raw_of(observed(bench)[0], "load") == [(1, 120.0), (17, None)]


def test_a_kill_in_the_middle_costs_the_raw_samples_at_most_half_a_minute() -> None:
    bench = Bench(LONG)
    bench.at(0, running=False, load=0.0)
    saved: dict[str, bytes] = {}
    for second in range(1, 76):
        bench.at(second, running=True, load=100.0 + second)
        saved |= dict(bench.engine.take_dirty(bench.now))
    after = Bench(LONG, saved)
    after.now = bench.now
    after.engine = Engine(after.site, bench.now, saved)
    for second in range(76, 100):
        after.at(second, running=True, load=100.0 + second)
    after.at(100, running=False)
    (found,) = observed(after)
    assert raw_of(found, "load") == [(s, 100.0 + s) for s in range(1, 100) if not 60 < s < 76]
    evidence = {term.name: term.value for term in found.evidence}
    assert (evidence["lowest load"], evidence["highest load"], evidence["duration"]) == (101.0, 199.0, 99.0)


def test_an_orderly_stop_costs_the_raw_samples_nothing() -> None:
    bench = Bench(LONG)
    bench.at(0, running=False, load=0.0)
    for second in range(1, 45):
        bench.at(second, running=True, load=100.0 + second)
    after = bench.restart(LONG, 45, everything=True)
    after.at(46, running=True, load=1.0)
    after.at(47, running=False)
    assert raw_of(observed(after)[0], "load") == [*((s, 100.0 + s) for s in range(1, 45)), (46, 1.0)]


def test_the_samples_of_an_earlier_test_are_not_taken_for_those_of_the_next() -> None:
    bench = Bench(LONG)
    bench.at(0, running=False, load=0.0)
    saved: dict[str, bytes] = {}
    for second in (*range(1, 42), 50):
        bench.at(second, running=not 40 <= second < 50, load=100.0 + second)
        saved |= dict(bench.engine.take_dirty(bench.now))
    after = Bench(LONG, saved)
    after.engine = Engine(after.site, bench.now, saved)
    after.at(52, running=True, load=3.0)
    after.at(53, running=False)
    assert raw_of(observed(after)[0], "load") == [(52, 3.0)]
