"""Every observed test of every shipped class on the real engine: recognised, long enough, reached, and why not."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from contract.messages import Cause, Quality, TestObserved
from edge.decode.sample import Moment, Sample
from edge.rules.engine import Engine
from tests.support.living_equipment import LIBRARY, RATINGS
from tests.support.rule_bench import proof_site

Values = Mapping[str, Any]
START_MS = 1_795_000_000_000


@dataclass(frozen=True)
class Proof:
    """How a test looks on the wire: what is read before, while it runs and at its end; and what spoils it."""

    class_id: str
    test_id: str
    before: Values
    during: Values
    after: Values
    spoilt: Values
    """Read while it runs instead: recognised, and failed."""
    minutes: float
    ignored: float = 0
    """Minutes below which nothing is told."""
    limits: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.class_id}-{self.test_id}"


_PUMP_RESTS = {
    "running": False, "test_order": False, "patrol": False, "fail_to_start": False, "cut_in_not_reached": False,
    "controller_fault": False, "system_pressure": 0.85,
}  # fmt: skip
_CHURN = {"running": True, "test_order": True}
_NO_PRESSURE = {"system_pressure": 0.65}
_GENSET_RESTS = {
    "running": False, "active_power": 0.0, "voltage_l1": 0.0, "frequency": 0.0, "fail_to_start": False, "shutdown": False,
}  # fmt: skip
_LIGHTS = {
    "discharging": False, "test_order": False, "lamps_in_fault": 0.0, "charger_fault": False, "battery_voltage": 40.0,
}  # fmt: skip
PROOFS = [
    Proof("fire_pump", "weekly_automatic_start", _PUMP_RESTS, _CHURN, {"running": False}, _NO_PRESSURE, 1),
    Proof("fire_pump", "nfpa25_electric_churn", _PUMP_RESTS, _CHURN, {"running": False}, _NO_PRESSURE, 10, 5),
    Proof("fire_pump", "nfpa25_diesel_churn", _PUMP_RESTS, _CHURN, {"running": False}, _NO_PRESSURE, 30, 5),
    Proof(
        "fire_pump", "automatic_patrol", {**_PUMP_RESTS, "system_pressure": 0.2}, {"patrol": True, "running": True},
        {"patrol": False, "running": False}, {"controller_fault": True}, 1 / 6,
    ),
    Proof(
        "generator", "monthly_load_run", _GENSET_RESTS,
        {"running": True, "active_power": 130.0, "voltage_l1": 221.0, "frequency": 50.1},
        {"running": False, "active_power": 0.0, "voltage_l1": 0.0, "frequency": 0.0}, {"active_power": 100.0}, 15, 10,
    ),
    Proof(
        "ats", "monthly_transfer",
        {"position": "a", "fault": False, "source_a_available": True, "source_b_available": True}, {"position": "b"},
        {"position": "a"}, {"fault": True}, 1, 1,
    ),
    Proof(
        "dc_panel", "battery_discharge", {"discharge_test": False, "capacity_found": 96.0, "charger_fault": False},
        {"discharge_test": True}, {"discharge_test": False}, {"capacity_found": 79.0}, 300,
    ),
    Proof(
        "emergency_light", "monthly_function", _LIGHTS, {"discharging": True, "test_order": True},
        {"discharging": False}, {"lamps_in_fault": 1.0}, 1,
    ),
    Proof(
        "emergency_light", "yearly_discharge", _LIGHTS, {"discharging": True, "test_order": True},
        {"discharging": False}, {"battery_voltage": 30.0}, 90, 30,
    ),
    Proof(
        "pump", "monthly_changeover",
        {"running": False, "serves.running": True, "discharge_pressure": 0.55, "fault": False},
        {"running": True, "serves.running": False}, {"serves.running": True}, {"discharge_pressure": 0.4}, 5, 5,
    ),
]  # fmt: skip


def observe(proof: Proof, during: Values, minutes: float) -> list[TestObserved]:
    """The test as the engine sees it when it is read every half minute or more often."""
    site = proof_site(proof.class_id, proof.test_id, RATINGS[proof.class_id], proof.limits)
    engine = Engine(site, Moment(START_MS, 0))
    found: list[TestObserved] = []

    def read(second: float, values: Values) -> None:
        at = round(second * 1000)
        samples = [
            Sample(
                "other" if name.startswith("serves.") else "one", "other" if name.startswith("serves.") else "one",
                name.removeprefix("serves."), value, Quality.GOOD, Cause.NONE, START_MS + at, at,
            )
            for name, value in values.items()
        ]  # fmt: skip
        records = engine.evaluate(samples, Moment(START_MS + at, at))
        found.extend(one for one in records if isinstance(one, TestObserved))

    for second in range(0, 1200, 30):
        read(second, proof.before)
    seconds = round(minutes * 60, 3)
    for step in range(41):
        read(1200 + seconds * step / 40, {**proof.before, **during})
    read(1200 + seconds + 0.001, {**proof.before, **during, **proof.after})
    return found


def test_every_observed_test_has_a_proof() -> None:
    shipped = {(of.id, name) for of in LIBRARY.classes.values() for name, test in of.tests.items() if test.observed}
    assert {(one.class_id, one.test_id) for one in PROOFS} == shipped


@pytest.mark.parametrize("proof", PROOFS, ids=str)
def test_a_test_that_lasts_and_reaches_is_passed_with_its_evidence(proof: Proof) -> None:
    (seen,) = observe(proof, proof.during, proof.minutes)
    assert (seen.test, seen.passed, seen.reasons) == (proof.test_id, True, [])
    names = [term.name for term in seen.evidence]
    assert "duration" in names
    assert seen.started_at < seen.ended_at


@pytest.mark.parametrize("proof", [one for one in PROOFS if one.ignored], ids=str)
def test_what_lasts_less_than_an_attempt_tells_nothing(proof: Proof) -> None:
    assert observe(proof, proof.during, proof.ignored - 0.05) == []
    assert len(observe(proof, proof.during, proof.ignored)) == 1


@pytest.mark.parametrize("proof", [one for one in PROOFS if one.ignored < one.minutes], ids=str)
def test_a_test_broken_off_fails_and_says_how_long_it_lasted(proof: Proof) -> None:
    (seen,) = observe(proof, proof.during, proof.minutes - 0.05)
    assert seen.passed is False
    assert [reason.split(" of at least ")[1] for reason in seen.reasons] == [f"{round(proof.minutes * 60)} s"]


@pytest.mark.parametrize("proof", PROOFS, ids=str)
def test_a_test_that_does_not_reach_what_it_should_fails_and_says_what(proof: Proof) -> None:
    (seen,) = observe(proof, {**proof.during, **proof.spoilt}, proof.minutes)
    assert seen.passed is False
    assert [reason.split(":")[0] for reason in seen.reasons] == ["not reached"]


def test_a_start_without_test_order_is_no_test() -> None:
    weekly = PROOFS[0]
    assert observe(weekly, {"running": True}, 5) == []


def test_the_weekly_start_keeps_the_lowest_and_highest_pressure() -> None:
    (seen,) = observe(PROOFS[0], PROOFS[0].during, 2)
    evidence = {term.name: (term.value, term.unit) for term in seen.evidence}
    assert evidence["lowest system_pressure"] == (0.85, "MPa")
    assert evidence["highest system_pressure"] == (0.85, "MPa")


def test_duration_and_pressure_of_the_weekly_start_are_each_sites_own() -> None:
    strict = Proof(**{**vars(PROOFS[0]), "limits": {"test_run": 10, "test_pressure": 0.1}})
    assert [one.reasons for one in observe(strict, strict.during, 9.9)] == [["lasted 594 s of at least 600 s"]]
    assert [one.passed for one in observe(strict, strict.during, 10)] == [True]
    low = {**strict.during, "system_pressure": 0.79}
    assert [one.passed for one in observe(strict, low, 10)] == [False]


def start_of_the_week(killed_at: int | None = None) -> TestObserved:
    """The shipped fire pump's weekly start, 90 s long and read each second; a kill and a new process meanwhile."""
    site = proof_site("fire_pump", "weekly_automatic_start", RATINGS["fire_pump"], {})
    engine, saved = Engine(site, Moment(START_MS, 0)), dict[str, bytes]()
    found: list[TestObserved] = []
    for second in range(130):
        values = {**_PUMP_RESTS, "system_pressure": 0.85 - second / 1000, **(_CHURN if 10 <= second < 100 else {})}
        now = Moment(START_MS + second * 1000, second * 1000)
        if second == killed_at:
            engine = Engine(site, now, saved)
        samples = [
            Sample("one", "one", name, value, Quality.GOOD, Cause.NONE, now.wall_ms, now.steady_ms)
            for name, value in values.items()
        ]
        found += [one for one in engine.evaluate(samples, now) if isinstance(one, TestObserved)]
        saved |= dict(engine.take_dirty(now))
    (seen,) = found
    return seen


def pressures(seen: TestObserved) -> dict[int, object]:
    """Seconds since the start of the reading, and the pressure as it was read then."""
    series = next(one for one in seen.samples if one.point == "system_pressure")
    assert (series.unit, series.quality, series.every, series.left_out) == ("MPa", [], 1, 0)
    return {(at - START_MS) // 1000: value for at, value in zip(series.at, series.value, strict=True)}


def test_the_weekly_start_brings_the_raw_samples_of_its_points() -> None:
    seen = start_of_the_week()
    assert seen.passed
    assert pressures(seen) == {second: 0.85 - second / 1000 for second in range(10, 101)}
    assert {"running", "test_order", "patrol", "system_pressure", "fail_to_start"} <= {
        one.point for one in seen.samples
    }


def test_a_kill_in_the_middle_of_the_weekly_start_costs_at_most_half_a_minute_of_its_samples() -> None:
    whole = pressures(start_of_the_week())
    for killed_at in range(12, 100, 11):
        seen = start_of_the_week(killed_at)
        left = pressures(seen)
        assert seen.passed
        assert left.items() <= whole.items()
        lost = sorted(whole.keys() - left.keys())
        assert len(lost) <= 30
        assert all(killed_at - 30 <= second < killed_at for second in lost)
