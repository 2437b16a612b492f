"""Raw samples of a running test: all of them while there is room, a fair share with the extremes when there is not."""

from contract.codec import encode_record
from contract.messages import Cause, Quality, TestObserved, Value
from edge.rules.recording import MOST_SAMPLES, Raw, Recording, recall


def record(*values: Value) -> Recording:
    recording = Recording()
    for second, value in enumerate(values):
        recording.take(Raw(second * 1000, value))
    return recording


def test_all_samples_are_kept_while_there_is_room() -> None:
    series = record(*(float(one % 7) for one in range(MOST_SAMPLES))).series("load", "kW")
    assert (len(series.at), series.every, series.left_out) == (MOST_SAMPLES, 1, 0)


def test_a_long_test_keeps_a_bounded_share_evenly_over_its_whole_time() -> None:
    seconds = 5 * 3600
    series = record(*(0.8 + 0.01 * (second * 7919 % 13) for second in range(seconds))).series("load", "kW")
    assert len(series.at) <= MOST_SAMPLES
    assert series.left_out == seconds - len(series.at)
    steps = [(later - sooner) // 1000 for sooner, later in zip(series.at, series.at[1:], strict=False)]
    assert max(steps) == series.every == 16


def test_the_lowest_and_the_highest_stay_however_long_it_lasts() -> None:
    values = [50.0] * 20_000
    values[4_321], values[15_555] = 3.0, 99.0
    series = record(*values).series("load", "kW")
    assert {4_321_000, 15_555_000} <= set(series.at)
    assert {3.0, 99.0} <= set(series.value)


def test_a_short_change_of_a_bit_is_not_passed_over() -> None:
    values = [True] * 9_000
    values[8_001] = False
    series = record(*values).series("running", "")
    assert False in series.value


def test_a_number_that_only_rises_is_bounded_too() -> None:
    series = record(*(float(second) for second in range(50_000))).series("energy", "kWh")
    assert len(series.at) <= MOST_SAMPLES
    assert (series.value[0], series.value[-1]) == (0.0, 49_999.0)


def test_a_recording_saved_and_recalled_goes_on_as_if_nothing_had_been() -> None:
    values = [float(one * 37 % 101) for one in range(7_000)]
    whole, first = record(*values), record(*values[:4_000])
    second = recall(first.checkpoint())
    for at, value in enumerate(values[4_000:], 4_000):
        second.take(Raw(at * 1000, value))
    assert second.series("load", "kW") == whole.series("load", "kW")


def test_bad_samples_keep_their_cause() -> None:
    recording = record(1.0)
    recording.take(Raw(1000, None, Quality.BAD, Cause.NO_RESPONSE))
    series = recall(recording.checkpoint()).series("load", "kW")
    assert (series.quality, series.cause) == ([Quality.GOOD, Quality.BAD], [Cause.NONE, Cause.NO_RESPONSE])


def test_the_longest_test_of_many_points_is_one_record_of_less_than_a_megabyte() -> None:
    """An envelope takes eight megabytes; a gateway on a slow line should need far less."""
    full = record(*(20.0 + second * 7919 % 10_007 / 1000 for second in range(20_000))).series(
        "winding_temperature", "°C"
    )
    assert len(full.at) > MOST_SAMPLES / 2
    at = "2026-11-21T07:00:00.000Z"
    seen = TestObserved(equipment="one", test="long", started_at=at, ended_at=at, passed=True, samples=[full] * 12)
    assert len(encode_record(seen)) < 1_000_000
