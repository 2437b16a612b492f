"""Periodic tests recognised from signals: begun, judged, evidenced, over a restart too."""

from contract.messages import TestObserved
from tests.support.plant import NAME, Bench, make_class, rule

TESTED = make_class(
    rules={"stopped": rule("not running", severity="advisory")},
    tests={
        "weekly_start": {
            "name": NAME, "every": "P7D", "clause": "e-no-overload",
            "observed": {"start": "running", "end": "not running", "passes": "load >= load_max", "minimum": "10s", "within": "60s"},
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
