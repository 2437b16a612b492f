"""Windows give what a slow look at the whole past gives, at a cost that does not grow with it."""

from collections.abc import Sequence
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.rules import windows
from edge.rules.windows import COVERAGE, STEPS, NotKnown, Window

SPAN = 60_000
STEP = SPAN // STEPS
History = Sequence[tuple[int, float | None]]

gaps = st.integers(1, 9_000) | st.just(0) | st.integers(-3_000, -1) | st.integers(60_000, 200_000)
"""Mostly the next poll; also the same instant twice, one that comes late, and a sleep longer than the window."""
histories = st.lists(
    st.tuples(gaps, st.none() | st.integers(-50, 50).map(float)), min_size=1, max_size=60
).map(lambda steps: list(zip(accumulate((gap for gap, _ in steps), initial=10_000), (value for _, value in steps), strict=False)))  # fmt: skip


def as_it_counts(history: History) -> History:
    """Time never goes back: what comes late counts from the newest instant seen."""
    return list(zip(accumulate((at for at, _ in history), max), (value for _, value in history), strict=True))


def fill(window: Window, history: History) -> Window:
    for at, value in history:
        window.push(value, at)
    return window


def held_at(history: History, now: int, start: int) -> list[tuple[int, int, float]]:
    """(from, to, value) of every known stretch between ``start`` and ``now``."""
    found = []
    for index, (at, value) in enumerate(history):
        end = history[index + 1][0] if index + 1 < len(history) else now
        first, last = max(at, start), min(end, now)
        if value is not None and first < last:
            found.append((first, last, value))
    return found


def window_start(now: int) -> int:
    return ((now - SPAN) // STEP + 1) * STEP


def read(window: Window, now: int) -> object:
    try:
        return window.value(now)
    except NotKnown:
        return None


@given(history=histories, later=st.integers(0, 20_000))
def test_the_mean_is_that_of_the_whole_past_weighted_by_time(history: History, later: int) -> None:
    now = as_it_counts(history)[-1][0] + later
    stretches = held_at(as_it_counts(history), now, window_start(now))
    known = sum(end - start for start, end, _ in stretches)
    expected = None
    if history[-1][1] is not None and known >= COVERAGE * SPAN:
        expected = sum((end - start) * value for start, end, value in stretches) / known
    found = read(fill(windows.create("avg", SPAN), history), now)
    assert found == (None if expected is None else pytest.approx(expected, abs=1e-9))


@pytest.mark.parametrize(("kind", "best"), [("min", min), ("max", max)])
@given(history=histories, later=st.integers(0, 20_000))
def test_the_extreme_is_that_of_everything_held_in_the_window(
    kind: str, best: object, history: History, later: int
) -> None:
    now = as_it_counts(history)[-1][0] + later
    stretches = held_at(as_it_counts(history), now, window_start(now))
    known = sum(end - start for start, end, _ in stretches)
    expected = None
    if history[-1][1] is not None and known >= COVERAGE * SPAN:
        pick = min if best is min else max
        expected = pick([value for _, _, value in stretches] + [history[-1][1]])
    assert read(fill(windows.create(kind, SPAN), history), now) == expected


@given(history=histories, later=st.integers(0, 90_000))
def test_the_count_is_that_of_the_changes_in_the_window(history: History, later: int) -> None:
    now = as_it_counts(history)[-1][0] + later
    known = [(at, value) for at, value in as_it_counts(history) if value is not None]
    changes = [at for (_, before), (at, after) in pairwise(known) if before != after]
    expected = sum(at >= window_start(now) for at in changes) if history[-1][1] is not None else None
    assert read(fill(windows.create("count", SPAN), history), now) == expected


def truths_of(history: History) -> list[tuple[int, bool | None]]:
    return [(at, None if value is None else value > 0) for at, value in as_it_counts(history)]


def ends(history: Sequence[tuple[int, object]], now: int) -> list[int]:
    """Until when each entry was held."""
    return [*(at for at, _ in history[1:]), now]


@given(
    history=histories, later=st.integers(0, 90_000), is_counter=st.booleans(), kind=st.sampled_from(["delta", "rate"])
)
def test_a_change_is_counted_from_the_first_instant_the_window_knows(
    history: History, later: int, is_counter: bool, kind: str
) -> None:
    found = read(fill(windows.create(kind, SPAN, is_counter=is_counter), history), history_end(history) + later)
    seen, now = as_it_counts(history), history_end(history) + later
    stretches = held_at(seen, now, window_start(now))
    if seen[-1][1] is None or not stretches or now - stretches[0][0] < COVERAGE * SPAN:
        assert found is None
        return
    begin, _, then = stretches[0]
    known = [(at, value) for at, value in seen if value is not None]
    change = known[-1][1] - then
    if is_counter:  # what it counted; a step down is a reset
        change = sum(max(after - before, 0) for (_, before), (at, after) in pairwise(known) if at > begin)
    assert found == pytest.approx(change * 1000 / (now - begin) if kind == "rate" else change, abs=1e-9)


def history_end(history: History) -> int:
    return max(at for at, _ in history)


@given(history=histories, later=st.integers(0, 90_000))
def test_since_is_the_time_from_the_end_of_the_last_known_truth(history: History, later: int) -> None:
    window, truths, now = windows.create("since", 0), truths_of(history), history_end(history) + later
    for at, value in history:
        window.push(None if value is None else value > 0, at)
    true_until = [end for (_, truth), end in zip(truths, ends(truths, now), strict=True) if truth]
    first_look = next((at for at, truth in truths if truth is not None), None)
    expected = None
    if truths[-1][1] is not None and first_look is not None:
        expected = (now - (true_until[-1] if true_until else first_look)) / 1000
    assert read(window, now) == expected


@given(history=histories, later=st.integers(0, 90_000), span=st.sampled_from([0, 10_000]))
def test_last_is_the_newest_known_value_until_it_is_too_old(history: History, later: int, span: int) -> None:
    seen, now = as_it_counts(history), history_end(history) + later
    known = [(value, end) for (_, value), end in zip(seen, ends(seen, now), strict=True) if value is not None]
    expected = known[-1][0] if known and (span == 0 or now - known[-1][1] <= span) else None
    assert read(fill(windows.create("last", span), history), now) == expected


@given(history=histories, later=st.integers(0, 60_000))
def test_held_for_is_true_once_known_truth_lasted_without_a_known_end(history: History, later: int) -> None:
    window = windows.create("held_for", 10_000)
    for at, value in history:
        window.push(None if value is None else value > 0, at)
    truths = truths_of(history)
    now = truths[-1][0] + later
    lasted = 0
    for index, (at, truth) in enumerate(truths):
        end = truths[index + 1][0] if index + 1 < len(truths) else now
        if truth is False:
            lasted = 0
        elif truth:
            lasted += end - at
    expected = None if truths[-1][1] is None else bool(truths[-1][1]) and lasted >= 10_000
    assert read(window, now) == expected


@given(history=histories, cut=st.integers(0, 59), kind=st.sampled_from(["avg", "min", "max", "count", "delta"]))
def test_a_window_goes_on_from_its_checkpoint_as_if_never_stopped(history: History, cut: int, kind: str) -> None:
    history = as_it_counts(history)
    cut = min(cut, len(history) - 1)
    first, second = windows.create(kind, SPAN), windows.create(kind, SPAN)
    fill(first, history[:cut]).push(None, history[cut][0])  # everything up to the stop is credited
    second.restore(first.checkpoint(), 0)
    whole = read(fill(windows.create(kind, SPAN), history), history[-1][0])
    found = read(fill(second, history[cut:]), history[-1][0])
    assert found == (whole if whole is None else pytest.approx(whole))


def test_the_time_between_two_processes_is_not_known() -> None:
    first, second = windows.create("avg", SPAN), windows.create("avg", SPAN)
    first.push(10.0, 0)
    first.push(10.0, 60_000)
    second.restore(first.checkpoint(), 0)
    second.push(10.0, 90_000)  # half a minute nobody looked
    assert read(second, 90_000) is None
    assert read(second, 139_000) == 10.0


def test_what_was_saved_outlives_a_window_that_was_made_long_before_it_knew_anything() -> None:
    first, second = windows.create("avg", SPAN), windows.create("avg", SPAN)
    second.push(None, 0)
    for at in range(1_000_000, 1_090_000, 1_000):
        first.push(10.0, at)
    second.restore(first.checkpoint(), 0)
    second.push(10.0, 1_089_000)
    assert read(second, 1_089_000) == 10.0


def test_a_counter_that_was_reset_counts_on() -> None:
    window = windows.create("delta", 10_000, is_counter=True)
    for second, value in enumerate([5.0, 6.0, 9.0, 0.0, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0]):
        window.push(value, second * 1000)
    assert window.value(9_500) == 6  # 1 + 3, then the reset, then 1 + 1


def test_a_rate_is_per_second() -> None:
    window = windows.create("rate", 10_000)
    for second in range(12):
        window.push(2.0 * second, second * 1000)
    assert window.value(11_000) == pytest.approx(2.0, rel=0.02)


def test_a_mean_is_unknown_until_four_fifths_of_its_window_are_known() -> None:
    window = windows.create("avg", SPAN)
    window.push(10.0, 0)
    assert read(window, 47_000) is None
    assert read(window, 49_000) == 10.0


def test_since_counts_seconds_and_is_zero_while_true() -> None:
    window = windows.create("since", 0)
    window.push(False, 0)
    assert window.value(5_000) == 5.0
    window.push(True, 6_000)
    assert window.value(8_000) == 0.0
    window.push(False, 9_000)
    assert window.value(11_000) == 2.0


def test_last_keeps_a_value_through_not_knowing_up_to_its_age() -> None:
    window = windows.create("last", 10_000)
    window.push("auto", 0)
    window.push(None, 5_000)
    assert window.value(14_000) == "auto"
    assert read(window, 16_000) is None


def test_the_cost_of_a_sample_does_not_grow_with_the_window() -> None:
    window = windows.create("max", 86_400_000)
    for second in range(20_000):
        window.push(float(-second), second * 1000)
        read(window, second * 1000)
    assert isinstance(window, windows.Extreme)
    assert len(window._queue) <= STEPS + 1
    assert len(window.checkpoint()["steps"]) <= STEPS + 1
