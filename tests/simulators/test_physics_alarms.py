"""Physics against the shipped rules and the real engine: health is silent, a fault raises its rules and no other."""

from datetime import datetime
from pathlib import Path

import pytest

from device_profiles.schema import Rule
from tests.support.living_equipment import CLASSES, FAULTS, LIBRARY, alarms_and_doubts, live


@pytest.mark.parametrize("class_id", CLASSES)
def test_a_healthy_day_raises_nothing(class_id: str, tmp_path: Path) -> None:
    living = live(class_id, tmp_path)
    assert alarms_and_doubts(living.records(None, seconds=86_400, step=60)) == []


@pytest.mark.parametrize("class_id", CLASSES)
def test_a_healthy_hour_seen_every_two_seconds_raises_nothing(class_id: str, tmp_path: Path) -> None:
    living = live(class_id, tmp_path)
    assert alarms_and_doubts(living.records(None, seconds=3600, step=2)) == []


@pytest.mark.parametrize(("class_id", "fault"), FAULTS, ids=[f"{name}-{fault}" for name, fault in FAULTS])
def test_a_fault_raises_exactly_its_rules(class_id: str, fault: str, tmp_path: Path) -> None:
    seconds = max(1100, _longest_hold_s(class_id, fault) + 200)
    heard = alarms_and_doubts(live(class_id, tmp_path).records(fault, seconds=seconds, step=min(60, seconds // 275)))
    assert heard == LIBRARY.classes[class_id].faults[fault].raises


NEEDS_LIGHT = [("lighting", fault) for fault in LIBRARY.classes["lighting"].faults if fault != "tripped"]


@pytest.mark.proof
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "when", ["2026-12-06T03:10+08:00", "2027-02-10T14:00+08:00", "2027-07-19T08:10+08:00", "2027-08-07T23:30+08:00"]
)
@pytest.mark.parametrize("class_id", CLASSES)
def test_a_fault_raises_exactly_its_rules_at_other_hours_too(class_id: str, when: str, tmp_path: Path) -> None:
    """A Sunday night, a winter afternoon, a Monday morning in July, a Saturday night."""
    start_s, wrong = round(datetime.fromisoformat(when).timestamp()), {}
    is_dark = not 6 <= datetime.fromisoformat(when).hour < 18
    for fault, of in LIBRARY.classes[class_id].faults.items():
        if (class_id, fault) in NEEDS_LIGHT and not is_dark:
            continue
        seconds = max(1100, _longest_hold_s(class_id, fault) + 200)
        living = live(class_id, tmp_path / fault)
        heard = alarms_and_doubts(living.records(fault, seconds, min(60, seconds // 220), start_s))
        if heard != of.raises:
            wrong[fault] = heard
    assert wrong == {}


def _longest_hold_s(class_id: str, fault: str) -> int:
    """Of the rules that the fault raises, as the class sets them."""
    of = LIBRARY.classes[class_id]
    holds = [of.limits[rule.on_delay] for rule in _raised(class_id, fault) if isinstance(rule.on_delay, str)]
    return max((round(hold.value * {"s": 1, "min": 60, "h": 3600}[hold.unit]) for hold in holds), default=0)


def _raised(class_id: str, fault: str) -> list[Rule]:
    of = LIBRARY.classes[class_id]
    return [of.rules[name] for name in of.faults[fault].raises]


def test_there_are_three_faults_for_every_system() -> None:
    by_system: dict[str, int] = {}
    for class_id, _ in FAULTS:
        system = LIBRARY.classes[class_id].system
        by_system[system] = by_system.get(system, 0) + 1
    assert set(by_system) == {"lifts", "power", "water", "fire"}
    assert min(by_system.values()) >= 3
