"""`python -m benchmarks` prints each figure once and fails when one is below its floor."""

import json
from collections.abc import Iterator

import pytest

import benchmarks.__main__ as bench
from benchmarks.result import Result


@pytest.fixture
def fast_and_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    def figures(name: str) -> Iterator[Result]:
        if name == "broken":
            raise RuntimeError("no such server")
        yield Result.at_least(name, "one bus", 900.0 if name == "slow" else 2000.0, "samples/s", floor=1000)

    monkeypatch.setattr(bench, "names", lambda: ["broken", "fast", "slow"])
    monkeypatch.setattr(bench, "figures", figures)


def test_the_ratio_is_above_one_when_the_figure_is_good() -> None:
    assert Result.at_least("b", "rate", 200.0, "1/s", floor=100).ratio == 2
    assert Result.at_most("b", "time", 50.0, "ms", floor=100).ratio == 2
    assert not Result("b", "size", 1.0, "MB").is_missed


@pytest.mark.usefixtures("fast_and_slow")
def test_json_is_one_object_a_line_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["fast", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows == [
        {"bench": "fast", "case": "one bus", "value": 2000.0, "unit": "samples/s", "floor": 1000, "ratio": 2.0}
    ]


@pytest.mark.usefixtures("fast_and_slow")
def test_a_figure_below_its_floor_fails_and_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["slow"]) == 1
    output = capsys.readouterr()
    assert "samples/s" in output.out
    assert "below its floor: slow one bus: 900 samples/s, wanted 1000" in output.err


@pytest.mark.usefixtures("fast_and_slow")
def test_a_broken_bench_does_not_hide_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["broken", "fast"]) == 1
    output = capsys.readouterr()
    assert "fast" in output.out
    assert "broke: broken" in output.err


@pytest.mark.usefixtures("fast_and_slow")
def test_an_unknown_name_lists_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["nonsense"]) == 2
    assert "there are: broken, fast, slow" in capsys.readouterr().err
