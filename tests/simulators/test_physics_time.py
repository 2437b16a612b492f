"""What is asked of a plant changes nothing: same seed, same faults, same instant, same values, however one got there."""

import pickle
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.physics import Plant
from tests.support.living_equipment import CLASSES, FAULTS, LIBRARY, START_S, make_plant

YEAR_S = 365 * 86_400
Event = tuple[int, str, float]
"""Seconds, fault, onset; a second mention of the fault clears it."""


@st.composite
def lives(draw: st.DrawFn) -> tuple[str, list[Event], list[int]]:
    """A class, faults that come and go over a year, and instants to ask at."""
    class_id = draw(st.sampled_from(CLASSES))
    faults = st.sampled_from(list(LIBRARY.classes[class_id].faults))
    event = st.tuples(st.integers(0, YEAR_S), faults, st.sampled_from([0.0, 90.0, 7200.0]))
    events = sorted(draw(st.lists(event, max_size=4)))
    asked = sorted(draw(st.lists(st.integers(0, YEAR_S), max_size=12)))
    return class_id, events, asked


def lived(plant: Plant, events: list[Event], asked: list[int]) -> dict[str, object]:
    """Let it happen in order of time, asking in between; what it shows in the end."""
    steps = sorted([(at, 0, fault, onset) for at, fault, onset in events] + [(at, 1, "", 0.0) for at in asked])
    for at, _, fault, onset in steps:
        if not fault:
            plant.values(START_S + at)
        elif fault in plant.faults:
            plant.clear(fault, START_S + at)
        else:
            plant.inject(fault, START_S + at, onset)
    return dict(plant.values(START_S + YEAR_S + 1.5))


@given(life=lives(), seed=st.integers(0, 2**32))
@settings(max_examples=80, deadline=None)
def test_asking_often_or_never_makes_no_difference(life: tuple[str, list[Event], list[int]], seed: int) -> None:
    class_id, events, asked = life
    assert lived(make_plant(class_id, seed), events, asked) == lived(make_plant(class_id, seed), events, [])


@given(class_id=st.sampled_from(CLASSES), at=st.floats(0, 3 * YEAR_S), back=st.floats(0, YEAR_S))
@settings(max_examples=80, deadline=None)
def test_an_instant_may_be_asked_for_again_after_later_ones(class_id: str, at: float, back: float) -> None:
    plant = make_plant(class_id)
    first = plant.values(START_S + at)
    plant.values(START_S + at + back)
    plant.values(START_S + max(0.0, at - back))
    assert plant.values(START_S + at) == first == make_plant(class_id).values(START_S + at)


@pytest.mark.parametrize("class_id", CLASSES)
def test_the_same_seed_gives_the_same_bytes(class_id: str) -> None:
    def told() -> bytes:
        plant = make_plant(class_id, 11)
        return pickle.dumps([plant.values(START_S + at) for at in range(0, YEAR_S, 1_234_567)])

    assert told() == told()


@pytest.mark.parametrize("class_id", CLASSES)
def test_a_point_asked_for_alone_shows_what_it_shows_among_all(class_id: str) -> None:
    for at in (0, 7_654_321):
        for sick in ((), LIBRARY.classes[class_id].faults):
            plant = make_plant(class_id, 11)
            for fault in sick:
                plant.inject(fault, START_S, 60.0)
            everything = plant.values(START_S + at)
            alone = {point: plant.values(START_S + at, frozenset({point}))[point] for point in everything}
            assert alone == everything


@pytest.mark.parametrize("class_id", CLASSES)
def test_ten_years_may_pass_between_two_questions(class_id: str) -> None:
    plant = make_plant(class_id)
    plant.values(START_S)
    started = time.process_time()
    plant.values(START_S + 10 * YEAR_S)
    assert time.process_time() - started < 0.25


@pytest.mark.parametrize(("class_id", "fault"), FAULTS, ids=[f"{name}-{fault}" for name, fault in FAULTS])
def test_a_fault_with_an_onset_is_there_in_full_when_its_onset_is_over(class_id: str, fault: str) -> None:
    slow, sudden = make_plant(class_id), make_plant(class_id)
    slow.inject(fault, START_S, 600.0)
    sudden.inject(fault, START_S)
    assert slow.faults == (fault,)
    assert slow.values(START_S + 600) == sudden.values(START_S + 600)


@pytest.mark.parametrize(
    ("class_id", "fault", "point"),
    [
        ("transformer", "over_temperature", "winding_temperature_a"),
        ("fire_pump", "low_water_pressure", "system_pressure"),
        ("tank", "leak", "level"),
        ("generator", "fuel_low", "fuel_level"),
        ("lv_switchgear", "joint_overheating", "joint_temperature_l1"),
        ("lift", "drive_over_temperature", "drive_temperature"),
        ("room", "cooling_failed", "temperature"),
    ],
)
def test_what_develops_does_so_as_a_time_constant_has_it(class_id: str, fault: str, point: str) -> None:
    """Fast first, then ever slower: after a quarter of the onset (one of four time constants) 63 % of the way."""
    plant, healthy, shares = make_plant(class_id), make_plant(class_id), []
    plant.inject(fault, START_S, 3600.0)
    for at in (0, 900, 1800, 2700, 3600):
        now, usual = plant.values(START_S + at)[point], healthy.values(START_S + at)[point]
        plant_full = make_plant(class_id)
        plant_full.inject(fault, START_S)
        full = plant_full.values(START_S + at)[point]
        assert isinstance(now, float)
        assert isinstance(usual, float)
        assert isinstance(full, float)
        shares.append((now - usual) / (full - usual))
    assert shares == pytest.approx([0.0, 0.644, 0.881, 0.968, 1.0], abs=0.02)


def test_capacitors_drop_out_stage_by_stage() -> None:
    plant, seen = make_plant("lv_switchgear"), []
    plant.inject("low_power_factor", START_S, 3600.0)
    for at in range(0, 3700, 100):
        shown = plant.values(START_S + at)
        seen.append((shown["capacitor_stages_on"], shown["power_factor"]))
    stages = [on for on, _ in seen]
    assert stages == sorted(stages, reverse=True)
    assert len(set(stages)) >= 4
    assert stages[-1] == 0
    assert dict(seen)[0] == pytest.approx(0.78, abs=0.02)


def test_a_negative_onset_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot take -1"):
        make_plant("pump").inject("dry_run", START_S, -1)
