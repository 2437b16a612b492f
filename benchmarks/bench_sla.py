"""Working-time arithmetic over a year: `due` and `elapsed` on a calendar of windows, holidays and make-up days, warm.

The floor of each is 50 µs. Beside them stands what one call of the plainest bookkeeping costs on this machine in the same run
(a timedelta added to a datetime), so that a slow machine is told from slow code.
"""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from benchmarks.result import Result
from cloud.sla import Calendar, due, elapsed
from cloud.sla.days import due_days

BENCH = "sla"
FLOOR_US = 50.0
CALLS = 2_000
ROUNDS = 7
START = datetime(2026, 1, 5, 3, 0, tzinfo=UTC)
_WINDOWS = [["09:00", "12:00"], ["13:00", "18:00"]]


def office() -> Calendar:
    """Two windows a day, holidays, make-up days."""
    return Calendar.from_dict(
        {
            "tz": "Asia/Shanghai",
            "week": dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), _WINDOWS),
            "dates": dict.fromkeys(("2026-01-04", "2026-02-14", "2026-02-28", "2026-05-09", "2026-10-10"), _WINDOWS),
            "holidays": [f"2026-{month:02d}-{day:02d}" for month in (1, 2, 5, 10) for day in range(1, 8)],
        }
    )


def _best_us(call: Callable[[], object]) -> float:
    call()
    rounds = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for _ in range(CALLS):
            call()
        rounds.append((time.perf_counter() - begun) / CALLS * 1e6)
    return min(rounds)


def run() -> Iterator[Result]:
    calendar, end = office(), START + timedelta(days=365)
    target = timedelta(hours=1900)
    hold = (START + timedelta(days=20), START + timedelta(days=30))
    plain = _best_us(lambda: START + target)
    yield Result(BENCH, "a timedelta added, for comparison", round(plain, 3), "µs")
    cases: dict[str, Callable[[], object]] = {
        "due, 1900 working hours from January": lambda: due(START, target, calendar),
        "due, the same with a hold": lambda: due(START, target, calendar, [hold]),
        "elapsed, working time of a year": lambda: elapsed(START, end, calendar),
        "elapsed, the same with a hold": lambda: elapsed(START, end, calendar, [hold]),
        "due, 200 whole working days": lambda: due_days(START, 200, calendar),
    }
    for case, call in cases.items():
        yield Result.at_most(BENCH, case, round(_best_us(call), 2), "µs", FLOOR_US)
