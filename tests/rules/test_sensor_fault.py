"""A probe at the end of its range is a broken probe: told as missing data that names the point, never as a temperature."""

from dataclasses import replace

import pytest

from contract.messages import AlarmCleared, AlarmRaised, Cause, Quality, Record, RuleUnknown
from edge.decode.sample import Moment
from edge.decode.value import Conversion
from edge.rules.engine import Engine
from tests.support.living_equipment import LIBRARY
from tests.support.plant import START, Bench

TRANSFORMER = LIBRARY.classes["transformer"]
BROKEN = "winding_temperature_c"
WHOLE = {
    "winding_temperature_a": 71.0, "winding_temperature_b": 74.0, BROKEN: 69.0, "core_temperature": 66.0,
    "room_temperature": 24.0,
}  # fmt: skip


@pytest.fixture
def bench() -> Bench:
    """A dry transformer with its temperatures and nothing else measured."""
    made = Bench(TRANSFORMER)
    (thing,), (device,) = made.site.equipment, made.site.devices
    bindings = tuple(one for one in device.bindings if one.point_id in WHOLE)
    made.site = replace(
        made.site, equipment=(replace(thing, ratings={**thing.ratings, "insulation": "dry"}),),
        devices=(replace(device, bindings=bindings),),
    )  # fmt: skip
    made.engine = Engine(made.site, START)
    return made


def read(bench: Bench, second: int, shown: float) -> list[Record]:
    """All temperatures at once; of winding C what its controller shows, as the decoder takes it for this point."""
    steady = START.steady_ms + second * 1000
    bench.now = Moment(steady, steady)
    found = Conversion(kind="gauge", point_range=TRANSFORMER.points[BROKEN].plausible or (0, 0)).convert(shown)
    samples = [bench.sample(name, value) for name, value in WHOLE.items() if name != BROKEN]
    samples.append(bench.sample(BROKEN, found.value, found.quality, found.cause))
    records = bench.engine.evaluate(samples, bench.now)
    bench.records += records
    return records


@pytest.mark.parametrize("end", [240.0, -30.0, 3276.7])
def test_a_probe_at_its_range_end_is_told_as_bad_data_of_that_point(bench: Bench, end: float) -> None:
    for second in range(60):
        assert [one for one in read(bench, second, 69.0) if isinstance(one, AlarmRaised)] == []
    for second in range(60, 400):
        read(bench, second, end)
    raised = [one for one in bench.records if isinstance(one, AlarmRaised)]
    told = [one for one in bench.records if isinstance(one, RuleUnknown) and one.point == BROKEN]
    assert "winding_over_temperature" in {one.rule for one in told}
    assert {one.cause for one in told} == {Cause.OUT_OF_RANGE}
    assert [(one.rule, one.instance) for one in raised] == [("no_data", "device_1")]
    assert [(term.name, term.quality) for term in raised[0].because] == [(f"{BROKEN}: out_of_range", Quality.BAD)]


def test_a_probe_that_is_mended_ends_the_alarm(bench: Bench) -> None:
    for second in range(200):
        read(bench, second, 240.0)
    back = read(bench, 200, 69.0) + read(bench, 201, 69.0)
    assert [one.rule for one in back if isinstance(one, AlarmCleared)] == ["no_data"]
    assert not [one for one in back if isinstance(one, RuleUnknown) and one.unknown]
