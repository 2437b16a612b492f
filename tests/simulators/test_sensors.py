"""A sensor that lies: what is sent differs from the truth, and the truth stays readable beside it."""

import math
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.messages import Cause, Quality, Value
from device_profiles.library import load
from device_profiles.schema import Point
from edge.decode.registers import compile_model, decode
from simulators.plant import SimulatedPlant, UnknownFault
from simulators.registers import ModelRegisters
from simulators.sensors import KINDS, BadLie, Lie, make_lie, tell
from simulators.site import build_site

LIBRARY = load()
POINTS: Mapping[str, Point] = LIBRARY.classes["lv_switchgear"].points
SITE = {
    "site": {"id": "here"},
    "gateway": {"id": "gw_1"},
    "equipment": [{"id": "feeder_1", "class": "lv_switchgear", "ratings": {"rated_a": 250}}],
    "buses": [{"id": "lan", "modbus": "tcp", "host": "127.0.0.1", "port": 0}],
    "devices": [{"id": "meter_1", "model": "eastron_sdm630", "bus": "lan", "address": 1, "equipment": "feeder_1"}],
}
POINT = "voltage_l1"


class Stopwatch:
    now = 1_795_000_000_000

    def now_ms(self) -> int:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += round(seconds * 1000)


@pytest.fixture
def clock() -> Stopwatch:
    return Stopwatch()


@pytest.fixture
def plant(clock: Stopwatch) -> SimulatedPlant:
    return SimulatedPlant(build_site(SITE, LIBRARY), clock)


def seen(plant: SimulatedPlant, point: str = POINT) -> Value:
    return plant.device_values(plant.site.devices[0])[point]


def true(plant: SimulatedPlant, point: str = POINT) -> float:
    value = plant.values("feeder_1")[point]
    assert isinstance(value, float)
    return value


def series(
    plant: SimulatedPlant, clock: Stopwatch, point: str = POINT, seconds: int = 600
) -> list[tuple[Value, float]]:
    found = []
    for _ in range(seconds):
        clock.now += 1000
        found.append((seen(plant, point), true(plant, point)))
    return found


def test_noise_stays_within_its_size_and_changes_its_mind(plant: SimulatedPlant, clock: Stopwatch) -> None:
    plant.lie("meter_1", POINT, "noise", size=2.0)
    beside = [float(shown) - truth for shown, truth in series(plant, clock)]  # type: ignore[arg-type]
    assert max(map(abs, beside)) <= 2.0
    assert max(beside) > 1.2
    assert min(beside) < -1.2
    assert abs(sum(beside) / len(beside)) < 0.15
    assert len(set(beside)) > 590


def test_a_coarse_sensor_shows_steps_only(plant: SimulatedPlant, clock: Stopwatch) -> None:
    plant.lie("meter_1", POINT, "resolution", step=5.0)
    for shown, truth in series(plant, clock):
        assert isinstance(shown, float)
        assert shown % 5 == pytest.approx(0, abs=1e-9)
        assert abs(shown - truth) <= 2.5


def test_a_sensor_drifts_day_by_day_as_far_as_it_may(plant: SimulatedPlant, clock: Stopwatch) -> None:
    plant.lie("meter_1", POINT, "drift", per_day=-0.5, most=3.0)
    for days, expected in ((1, -0.5), (4, -2.0), (30, -3.0)):
        clock.now = Stopwatch.now + days * 86_400_000
        assert float(seen(plant)) - true(plant) == pytest.approx(expected)  # type: ignore[arg-type]


def test_a_stuck_sensor_shows_what_it_showed(plant: SimulatedPlant, clock: Stopwatch) -> None:
    before = seen(plant)
    plant.lie("meter_1", POINT, "stuck")
    shown = series(plant, clock)
    assert {value for value, _ in shown} == {before}
    assert len({truth for _, truth in shown}) > 500
    plant.lie("meter_1", POINT, "stuck", value=0.0)
    assert seen(plant) == 0.0


def test_dropouts_come_and_go_for_their_share_of_the_time(plant: SimulatedPlant, clock: Stopwatch) -> None:
    plant.lie("meter_1", POINT, "dropout", share=0.4, every_s=2)
    shown = series(plant, clock, seconds=2000)
    lost = sum(value is None for value, _ in shown) / len(shown)
    assert lost == pytest.approx(0.4, abs=0.05)
    assert all(value == truth for value, truth in shown if value is not None)


def test_a_broken_probe_reads_the_end_of_its_range() -> None:
    """A dry-type controller's broken probe reads -30.0 °C, one kelvin under what is plausible."""
    points = LIBRARY.classes["transformer"].points
    low = make_lie("range_end", points, "winding_temperature_c", 60.0, 0, {})
    high = make_lie("range_end", points, "winding_temperature_c", 60.0, 0, {"end": "high"})
    assert (tell(low, 60.0, 5, "x"), tell(high, 60.0, 5, "x")) == (-30.0, 240.0)


def test_not_a_number_reaches_the_wire_and_the_gateway_calls_it_bad(plant: SimulatedPlant) -> None:
    device = plant.site.devices[0]
    registers = ModelRegisters(device.model, plant.device_points(device), lambda: plant.device_values(device))
    codec = compile_model(device.model, POINTS, {})[POINT]
    words = registers.read(codec.table, codec.address, codec.count)  # type: ignore[arg-type]
    assert decode(codec, words).value == pytest.approx(true(plant), rel=1e-4)
    plant.lie("meter_1", POINT, "nan")
    shown = decode(codec, registers.read(codec.table, codec.address, codec.count))  # type: ignore[arg-type]
    assert (shown.quality, shown.cause) == (Quality.BAD, Cause.UNDECODABLE)


def test_a_sentinel_is_what_the_models_mapping_says_for_nothing() -> None:
    site = build_site(
        SITE | {"devices": [SITE["devices"][0] | {"model": "schneider_pm5xxx"}]},  # type: ignore[index]
        LIBRARY,
    )
    plant = SimulatedPlant(site, Stopwatch())
    device = site.devices[0]
    registers = ModelRegisters(device.model, plant.device_points(device), lambda: plant.device_values(device))
    codec = compile_model(device.model, POINTS, {})[POINT]
    plant.lie("meter_1", POINT, "sentinel")
    shown = decode(codec, registers.read(codec.table, codec.address, codec.count))  # type: ignore[arg-type]
    assert (shown.quality, shown.cause) == (Quality.BAD, Cause.SENTINEL)


def test_swapped_channels_show_each_other(plant: SimulatedPlant) -> None:
    plant.lie("meter_1", POINT, "swap", other="current_l1")
    assert (seen(plant), seen(plant, "current_l1")) == (true(plant, "current_l1"), true(plant))


def test_lies_add_up_and_end_one_by_one(plant: SimulatedPlant, clock: Stopwatch) -> None:
    plant.lie("meter_1", POINT, "drift", per_day=1.0)
    plant.lie("meter_1", POINT, "resolution", step=10.0)
    clock.now += 3 * 86_400_000
    assert seen(plant) == pytest.approx(round((true(plant) + 3) / 10) * 10)
    plant.truth("meter_1", POINT, "resolution")
    assert seen(plant) == pytest.approx(true(plant) + 3)
    plant.truth("meter_1")
    assert seen(plant) == true(plant)


def test_the_truth_stays_readable_while_a_sensor_lies(plant: SimulatedPlant) -> None:
    honest = dict(plant.device_values(plant.site.devices[0]))
    plant.lie("meter_1", POINT, "stuck", value=1.0)
    assert plant.device_truth(plant.site.devices[0]) == honest
    assert {name for name, value in plant.device_values(plant.site.devices[0]).items() if value != honest[name]} == {
        POINT
    }


def test_a_device_that_publishes_is_woken_when_its_sensor_begins_to_lie(plant: SimulatedPlant) -> None:
    woken: list[str] = []
    plant.on_change("feeder_1", lambda: woken.append("woken"))
    plant.lie("meter_1", POINT, "nan")
    plant.truth("meter_1", POINT)
    assert len(woken) == 2


@given(kind=st.sampled_from([kind for kind in KINDS if kind != "swap"]), at=st.floats(0, 1e9), seed=st.text(max_size=5))
@settings(max_examples=60)
def test_a_lie_is_the_same_for_the_same_instant_and_seed(kind: str, at: float, seed: str) -> None:
    lie = make_lie(kind, POINTS, POINT, 221.5, 0.0, {})
    one, two = tell(lie, 230.0, at, seed), tell(lie, 230.0, at, seed)
    assert one == two or (isinstance(one, float) and isinstance(two, float) and math.isnan(one) and math.isnan(two))


@pytest.mark.parametrize(
    ("point", "kind", "figures", "said"),
    [
        (POINT, "blurred", {}, "no way for a sensor to be wrong; there are noise"),
        ("voltage", "noise", {}, "shows no voltage; it shows active_power"),
        (POINT, "noise", {"step": 1}, "noise knows no step; it knows size, every_s"),
        (POINT, "noise", {"size": "much"}, "size must be a number, not 'much'"),
        (POINT, "noise", {"size": 0}, "needs a figure above 0"),
        (POINT, "dropout", {"every_s": 0}, "every_s must be above 0"),
        (POINT, "range_end", {"end": "left"}, "end: low or high"),
        (POINT, "swap", {}, "name another point of the device"),
        (POINT, "swap", {"other": POINT}, "name another point of the device"),
        ("meter_model", "drift", {}, "is no number: it can be stuck, dropout, sentinel or swap"),
    ],
)
def test_a_lie_that_cannot_be_told_says_why(point: str, kind: str, figures: dict[str, object], said: str) -> None:
    with pytest.raises(BadLie, match=said):
        make_lie(kind, POINTS, point, 1.0, 0.0, figures)


def test_a_device_that_does_not_exist_is_refused_with_those_that_do(plant: SimulatedPlant) -> None:
    with pytest.raises(UnknownFault, match="no device meter_9; this plant has meter_1"):
        plant.lie("meter_9", POINT, "nan")


def test_a_lie_about_a_text_leaves_a_number_out_of_it() -> None:
    assert tell(Lie("noise", 0.0, 1.0), "PM5330", 0.0, "x") == "PM5330"
