"""One device compiled: every point in one request, every reply one sample a point, every failure too."""

from typing import Any

from contract.messages import Cause, Quality
from device_profiles.schema import Point
from edge.acquire.read_plan import Learned
from edge.acquire.reader import DeviceReader
from edge.decode.sample import Moment
from edge.site import Binding, Bus, Device
from tests.support.devices import NAME, make_device, modbus_model

BUS = Bus("lan", "tcp", host="10.0.0.5", port=502)
NOW = Moment(1_795_000_000_000, 1_795_000_000_007)


def reader(registers: dict[str, dict[str, Any]], **limits: Any) -> DeviceReader:
    return DeviceReader(make_device(modbus_model(registers, **limits), BUS))


def test_a_reply_gives_each_point_a_sample_with_the_instant_it_came() -> None:
    one = reader({"a": {"address": 0, "scale": 0.1}, "b": {"address": 1, "sentinels": ["0xFFFF"]}})
    (compiled,) = one.requests(1000)
    rows = one.samples(compiled, b"\x08\xfe\xff\xff", NOW)
    assert [(row.path, row.value, row.quality, row.cause, row.sampled_at_ms, row.steady_ms) for row in rows] == [
        ("meter_1/a", 230.2, Quality.GOOD, Cause.NONE, NOW.wall_ms, NOW.steady_ms),
        ("meter_1/b", None, Quality.BAD, Cause.SENTINEL, NOW.wall_ms, NOW.steady_ms),
    ]


def test_a_failure_gives_each_point_of_its_requests_a_bad_sample() -> None:
    one = reader({"a": {"address": 0}, "b": {"address": 90}})
    rows = one.failed(one.requests(1000), Cause.NO_RESPONSE, NOW)
    assert [(row.point, row.value, row.cause) for row in rows] == [
        ("a", None, Cause.NO_RESPONSE),
        ("b", None, Cause.NO_RESPONSE),
    ]


def test_a_scale_factor_far_away_is_read_first_and_forgotten_when_it_fails() -> None:
    one = reader({"a": {"address": 0, "type": "int16", "scale_from": 60}})
    factor, value = one.requests(1000)
    assert (factor.points, value.points) == ((), (0,))
    assert one.samples(factor, b"\xff\xff", NOW) == []
    assert one.samples(value, b"\x08\xfe", NOW)[0].value == 230.2
    assert one.failed([factor], Cause.EXCEPTION, NOW) == []
    assert one.samples(value, b"\x08\xfe", NOW)[0].cause is Cause.ABSENT


def test_a_refused_point_is_told_at_each_poll_of_its_group() -> None:
    one = reader({"a": {"address": 0}, "b": {"address": 1}})
    one.relearn(Learned(holes=frozenset({("holding", 1, 1)})))
    assert [compiled.points for compiled in one.requests(1000)] == [(0,)]
    assert [(row.point, row.cause) for row in one.refused(1000, NOW)] == [("b", Cause.EXCEPTION)]
    one.relearn(Learned(holes=frozenset({("holding", 0, 1)})))
    assert one.requests(1000) == ()
    assert [poll.every_ms for poll in one.polls] == [1000]


def test_poll_groups_are_polls_of_their_own() -> None:
    one = reader({"a": {"address": 0, "group": "fast"}, "b": {"address": 1}, "c": {"address": 2, "group": "slow"}})
    assert [poll.every_ms for poll in one.polls] == [250, 1000, 12_000]
    assert [compiled.points for compiled in one.requests(250)] == [(0,)]


def test_the_wire_unit_is_turned_into_the_class_unit() -> None:
    model = modbus_model({"power": {"address": 0, "unit": "W"}})
    power = Point.model_validate({"name": NAME, "kind": "gauge", "unit": "kW"})
    binding = Binding("power", "pump_1", "active_power", power, model.registers["power"], 1000, 15_000)
    one = DeviceReader(Device("meter_1", model, BUS, 1, 1000, (binding,)))
    (row,) = one.samples(one.requests(1000)[0], b"\x05\xdc", NOW)
    assert (row.point, row.equipment, row.value) == ("active_power", "pump_1", 1.5)


def test_questions_of_other_lengths_end_where_values_end() -> None:
    one = reader({f"p{at}": {"address": at, "type": "float32"} for at in (0, 2, 4)})
    assert [read.count for read in one.resync_reads(1000)] == [6, 4, 2]
