"""The issue's own size: 50 points over a year at 30 s, 50 million samples."""

from pathlib import Path

import pytest

from benchmarks.bench_history import FULL_POINTS, measure_full
from benchmarks.result import Result


def figures(folder: Path, points: int, taken: int) -> dict[str, Result]:
    return {result.case.split(": ")[1]: result for result in measure_full(folder, points, taken)}


@pytest.mark.proof
@pytest.mark.timeout(900)
def test_a_year_of_fifty_points_is_small_quick_and_takes_little_memory(tmp_path: Path) -> None:
    found = figures(tmp_path, FULL_POINTS, 200_000)
    assert len(found) == 10
    # half of each floor: `make bench` holds the whole of it, with the machine to itself
    assert [result for result in found.values() if (result.ratio or 1) < 0.5] == []


def test_a_small_part_of_it_is_measured_in_the_same_way(tmp_path: Path) -> None:
    found = figures(tmp_path, 1, 5_000)
    assert found["on disk"].value < 4
    assert found["memory above idle, peak"].value < 80
    assert found["take, with two readers"].value > 0
