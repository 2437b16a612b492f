"""A spike is not believed, a true step is after one more value, and a sensor that never moves is said to be stuck."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.messages import Cause, Quality
from edge.acquire.reader import DeviceReader
from edge.decode.sample import Moment
from edge.decode.value import SENTINEL, Decoded
from edge.decode.watch import Watch, watch_of
from edge.site import Bus
from tests.support.devices import make_device, modbus_model

BUS = Bus("lan", "tcp", host="10.0.0.5", port=502)


def causes(watch: Watch, *told: tuple[float | bool | str, int]) -> list[Cause]:
    return [watch.judge(Decoded(value), at).cause for value, at in told]


def test_the_first_value_after_a_start_is_believed() -> None:
    assert causes(Watch(1.0, None), (1e6, 0)) == [Cause.NONE]


def test_a_spike_is_uncertain_and_never_becomes_the_measure() -> None:
    told = causes(Watch(2.0, None), (20, 0), (21, 1000), (900, 2000), (22, 3000), (23, 4000))
    assert told == [Cause.NONE, Cause.NONE, Cause.RATE, Cause.NONE, Cause.NONE]


def test_a_true_step_costs_one_sample() -> None:
    told = causes(Watch(2.0, None), (20, 0), (90, 1000), (90.5, 2000), (91, 3000))
    assert told == [Cause.NONE, Cause.RATE, Cause.NONE, Cause.NONE]


def test_a_slow_change_over_a_long_silence_is_believed() -> None:
    assert causes(Watch(1.0, None), (20, 0), (80, 60_000)) == [Cause.NONE, Cause.NONE]


def test_a_doubted_value_keeps_its_value_and_is_uncertain() -> None:
    watch = Watch(1.0, None)
    watch.judge(Decoded(20), 0)
    assert watch.judge(Decoded(500), 1000) == Decoded(500, Quality.UNCERTAIN, Cause.RATE)


def test_a_value_that_never_moves_is_stuck_until_it_does() -> None:
    told = causes(Watch(None, 10_000), (5, 0), (5, 10_000), (5, 10_001), (5, 60_000), (5.1, 61_000), (5.1, 62_000))
    assert told == [Cause.NONE, Cause.NONE, Cause.STUCK, Cause.STUCK, Cause.NONE, Cause.NONE]


def test_a_silence_does_not_free_a_stuck_sensor() -> None:
    watch = Watch(None, 10_000)
    watch.judge(Decoded(5), 0)
    assert watch.judge(SENTINEL, 5_000) == SENTINEL
    assert watch.judge(Decoded(5), 11_000).cause is Cause.STUCK


def test_a_wall_clock_that_is_set_changes_nothing() -> None:
    model = modbus_model({"a": {"address": 0, "max_rate": 10, "stuck_after": "1h"}})
    one = DeviceReader(make_device(model, BUS))
    (compiled,) = one.requests(1000)
    rows = [
        *one.samples(compiled, b"\0\x14", Moment(1_795_000_000_000, 1_000)),
        *one.samples(compiled, b"\0\x16", Moment(1_700_000_000_000, 2_000)),
        *one.samples(compiled, b"\0\x18", Moment(1_900_000_000_000, 3_000)),
    ]
    assert [(row.value, row.cause) for row in rows] == [(20, Cause.NONE), (22, Cause.NONE), (24, Cause.NONE)]


def test_a_restart_begins_anew() -> None:
    model = modbus_model({"a": {"address": 0, "max_rate": 1}})
    before, after = (DeviceReader(make_device(model, BUS)) for _ in range(2))
    (compiled,) = before.requests(1000)
    before.samples(compiled, b"\0\x14", Moment(0, 0))
    assert before.samples(compiled, b"\x0f\xff", Moment(0, 1000))[0].cause is Cause.RATE
    assert after.samples(compiled, b"\x0f\xff", Moment(0, 1000))[0].cause is Cause.NONE


@pytest.mark.parametrize("value", [True, "open"])
def test_words_and_bits_have_no_rate(value: bool | str) -> None:
    assert causes(Watch(0.1, None), (value, 0), (value, 1)) == [Cause.NONE, Cause.NONE]


def test_a_mapping_that_asks_for_nothing_is_not_watched() -> None:
    assert watch_of(None, None) is None


@given(st.lists(st.tuples(st.floats(-1e9, 1e9), st.integers(0, 10**9)), max_size=30))
def test_no_order_of_values_raises_and_no_value_changes(told: list[tuple[float, int]]) -> None:
    watch = Watch(5.0, 1000)
    for value, at in told:
        judged = watch.judge(Decoded(value), at)
        assert judged.value == value
        assert (judged.quality is Quality.GOOD) == (judged.cause is Cause.NONE)
