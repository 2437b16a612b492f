"""Has a value been within its limits for long enough? Unknown is never within."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.tickets.work_proof import Asked, Bound, judge

MINUTE = 60_000
NOW = 100 * MINUTE


@dataclass(frozen=True)
class Sampled:
    at_ms: int
    value: bool | float | str | None = 0.95
    quality: str = "good"


ASKED = Asked("power_factor", {"en": "Power factor", "zh": "功率因数"}, "", 2, (Bound("<", 0.9),), 15 * MINUTE, 1000)


def every(step_ms: int, of_minutes: float = 16, value: float = 0.95) -> list[Sampled]:
    start = NOW - round(of_minutes * MINUTE)
    return [Sampled(at, value) for at in range(start, NOW + 1, step_ms)]


def changed(
    samples: Sequence[Sampled], minutes_ago: float, value: float | None, quality: str = "good"
) -> list[Sampled]:
    at = NOW - round(minutes_ago * MINUTE)
    return sorted([*samples, Sampled(at + 1, value, quality)], key=lambda one: one.at_ms)


def test_a_quarter_of_an_hour_within_the_limit_is_enough() -> None:
    found = judge(ASKED, every(10_000), NOW)
    assert (found.verdict, found.why, found.lowest, found.highest) == ("within", "", 0.95, 0.95)
    assert found.samples == len(every(10_000))
    assert found.since == NOW - 16 * MINUTE


@pytest.mark.parametrize(
    ("samples", "verdict", "why"),
    [
        ([], "unknown", "no_data"), (every(10_000, value=0.85), "outside", "outside"),
        (changed(every(10_000), 5, 0.85), "waiting", "outside"), (changed(every(10_000), 5, None, "bad"), "waiting", "quality"),
        (changed(every(10_000), 5, 0.95, "uncertain"), "waiting", "quality"), (every(10_000, 5), "waiting", "short"),
        ([one for one in every(10_000) if not 4 * MINUTE < NOW - one.at_ms < 6 * MINUTE], "waiting", "gap"),
        ([one for one in every(10_000) if NOW - one.at_ms > 2 * MINUTE], "unknown", "gap"),
        (changed(every(10_000), 0, None, "bad"), "unknown", "quality"), (changed(every(10_000), 0, 0.85), "outside", "outside"),
        (changed(every(10_000), 15.5, 0.85), "within", ""), ([*every(10_000)[:-1], Sampled(NOW, True)], "unknown", "quality"),
    ],
    ids=["never read", "outside", "outside before", "bad before", "uncertain before", "too short", "gap before", "silent now",
         "bad now", "outside now", "long ago", "not a number"],
)  # fmt: skip
def test_anything_else_says_why_not(samples: list[Sampled], verdict: str, why: str) -> None:
    found = judge(ASKED, samples, NOW)
    assert (found.verdict, found.why) == (verdict, why)


def test_a_point_without_a_limit_is_never_within() -> None:
    bare = Asked("x", {"en": "X", "zh": "X"}, "", 1, (), 15 * MINUTE, 1000)
    assert judge(bare, every(10_000), NOW).why == "no_limit"


def test_a_device_read_once_in_five_minutes_may_be_silent_for_three_of_its_intervals() -> None:
    slow = Asked("x", {"en": "X", "zh": "X"}, "", 1, (Bound("<", 0.9),), 15 * MINUTE, 5 * MINUTE)
    assert judge(slow, every(10 * MINUTE, 20), NOW).verdict == "within"
    assert judge(ASKED, every(10 * MINUTE, 20), NOW).verdict == "waiting"


@pytest.mark.parametrize(
    ("op", "beyond", "within"), [("<", 0.89, 0.9), ("<=", 0.9, 0.91), (">", 0.91, 0.9), (">=", 0.9, 0.89)]
)
def test_the_limit_itself_is_on_the_side_that_the_rule_leaves_it(op: str, beyond: float, within: float) -> None:
    bound = Bound(op, 0.9)  # type: ignore[arg-type]
    assert bound.is_beyond(beyond)
    assert not bound.is_beyond(within)


@given(st.lists(st.tuples(st.integers(0, 20 * MINUTE), st.sampled_from([0.95, 0.85, None])), max_size=60))
def test_within_means_that_no_known_value_of_the_stretch_was_outside(told: list[tuple[int, float | None]]) -> None:
    samples = sorted(
        (Sampled(NOW - ago, value, "good" if value else "bad") for ago, value in told), key=lambda one: one.at_ms
    )
    found = judge(ASKED, samples, NOW)
    if found.verdict == "within":
        assert all(one.value == 0.95 for one in samples if one.at_ms > NOW - 14 * MINUTE)
        assert found.since is not None
        assert found.since <= NOW - 14 * MINUTE
