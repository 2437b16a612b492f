"""Due times: on the grid, spread over the interval, skipped and counted when late, whatever the clock does."""

from hypothesis import given
from hypothesis import strategies as st

from edge.acquire.schedule import Due, Poll, Schedule, stagger

START = 1_795_000_000_000


def run(schedule: Schedule, now_ms: int, until_ms: int, cost_ms: int = 0) -> list[tuple[int, Due]]:
    """What a bus would do: wait for the next, take it, spend its cost."""
    done = []
    while True:
        due = schedule.take(now_ms)
        if due is None:
            now_ms = max(now_ms, schedule.next_ms or until_ms)
        else:
            done.append((now_ms, due))
            now_ms += cost_ms
        if now_ms >= until_ms:
            return done


def test_devices_of_one_interval_are_spread_over_it() -> None:
    assert stagger([Poll(f"d{at}", 1000) for at in range(4)]) == [0, 250, 500, 750]
    assert stagger([Poll("a", 1000), Poll("a", 5000), Poll("b", 1000), Poll("b", 5000)]) == [0, 0, 500, 2500]


def test_the_first_run_comes_within_a_second_and_then_on_the_grid() -> None:
    schedule = Schedule([Poll("a", 5000), Poll("b", 5000)], START + 137)
    runs = [(now - START, due.poll.device) for now, due in run(schedule, START + 137, START + 13_000)]
    assert runs == [(137, "a"), (1137, "b"), (2500, "b"), (5000, "a"), (7500, "b"), (10_000, "a"), (12_500, "b")]


def test_an_overrun_skips_and_counts_and_never_queues() -> None:
    schedule = Schedule([Poll("a", 1000)], START)
    first = schedule.take(START)
    assert first == Due(Poll("a", 1000), START, 0)
    assert schedule.take(START + 3400) == Due(Poll("a", 1000), START + 1000, 2)
    assert schedule.take(START + 3400) is None
    assert schedule.next_ms == START + 4000


def test_a_bus_that_is_too_slow_serves_everyone_in_turn() -> None:
    schedule = Schedule([Poll(f"d{at}", 1000) for at in range(4)], START)
    runs = run(schedule, START, START + 60_000, cost_ms=400)
    counts = {device: sum(due.poll.device == device for _, due in runs) for device in ("d0", "d1", "d2", "d3")}
    assert max(counts.values()) - min(counts.values()) <= 1
    assert sum(due.skipped for _, due in runs) > 80


def test_waking_from_sleep_runs_each_poll_once() -> None:
    schedule = Schedule([Poll("a", 1000), Poll("b", 1000)], START)
    run(schedule, START, START + 5000)
    later = START + 8 * 3_600_000
    assert [due.poll.device for _, due in run(schedule, later, later + 1)] == ["a", "b"]


def test_a_clock_that_went_back_does_not_stop_the_polls() -> None:
    schedule = Schedule([Poll("a", 1000)], START)
    run(schedule, START, START + 5000)
    back = START - 3_600_000
    assert schedule.take(back) is None
    assert schedule.take(back) == Due(Poll("a", 1000), back, 0)


def test_nothing_to_poll_is_never_due() -> None:
    schedule = Schedule([], START)
    assert (schedule.next_ms, schedule.take(START)) == (None, None)


@given(st.lists(st.sampled_from([250, 1000, 5000, 60_000]), min_size=1, max_size=30), st.integers(0, 50))
def test_no_poll_runs_twice_within_less_than_its_grid_or_is_forgotten(intervals: list[int], cost: int) -> None:
    polls = [Poll(f"d{at}", every) for at, every in enumerate(intervals)]
    offsets = stagger(polls)
    runs = run(Schedule(polls, START), START, START + 130_000, cost)
    for at, poll in enumerate(polls):
        own = [due for _, due in runs if due.poll is poll]
        assert len(own) >= 2
        assert all((due.due_ms - offsets[at]) % poll.every_ms == 0 for due in own[1:])
