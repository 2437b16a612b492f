"""Samples in InfluxDB's language, and its answers as samples and buckets."""

import math

import pytest

from cloud.telemetry import lines
from cloud.telemetry.store import Row, Sample


def line(
    value: float | str | bool | None, quality: str = "good", cause: str = "none", point: str = "power_factor"
) -> str:
    return lines.to_lines([Row("riverside", "incomer_1", point, Sample(1795, value, quality, cause))])


def test_a_good_number_is_a_value_that_a_mean_may_use() -> None:
    assert (
        line(0.87) == "sample,equipment=incomer_1,point=power_factor,site=riverside kind=0i,quality=0i,value=0.87 1795"
    )


def test_a_bad_number_is_kept_apart_from_what_a_mean_may_use() -> None:
    assert (
        line(9e9, "bad", "out_of_range").split(" ")[1] == 'kind=0i,quality=2i,spoiled=9000000000.0,cause="out_of_range"'
    )


def test_a_failed_read_is_a_sample_without_a_value() -> None:
    assert line(None, "bad", "no_response").split(" ")[1] == 'kind=3i,quality=2i,cause="no_response"'
    assert line(math.nan, "bad").split(" ")[1] == "kind=3i,quality=2i"


def test_a_bit_counts_as_zero_or_one() -> None:
    assert line(True).split(" ")[1] == "kind=1i,quality=0i,value=1.0"


def test_what_the_language_would_read_otherwise_is_escaped() -> None:
    text = lines.to_lines([Row("a b", "c,d", "e=f", Sample(1, 'say "x" \\ y\nz', "good", "none"))])
    assert text == r'sample,equipment=c\,d,point=e\=f,site=a\ b kind=2i,quality=0i,text="say \"x\" \\ y z" 1'
    assert r"'it\'s'" in lines.latest_query("it's", "x")


def test_a_refused_statement_is_an_error_and_no_empty_history() -> None:
    with pytest.raises(ValueError, match="database not found"):
        lines.read_latest({"results": [{"error": "database not found: x"}]})


@pytest.mark.parametrize("missing", ["kind", "quality", "value"])
def test_a_sample_whose_fields_are_not_all_visible_yet_is_read_the_next_time(missing: str) -> None:
    whole = {"time": 1_795, "kind": 0, "quality": 0, "value": 0.87, "cause": None, "doubt": None}
    half = {name: None if name == missing else value for name, value in whole.items()} | {"time": 1_796}
    columns = list(whole)
    series = {"columns": columns, "values": [[row[name] for name in columns] for row in (whole, half)]}
    assert [one.at_ms for one in lines.read_samples({"results": [{"series": [series]}]})] == [1_795]


def test_a_stretch_that_is_not_all_visible_yet_is_read_the_next_time() -> None:
    columns = ["time", "n", "low", "mean", "high", "kind", "quality", "value", "worst", "cause"]
    values = [[0, 1, 0.87, 0.87, 0.87, 0, 0, 0.87, 0, None], [100, *[None] * 8, "out_of_range"]]
    answer = {"results": [{"series": [{"columns": columns, "values": values}]}]}
    _, found = lines.read_buckets(answer, 0, 200, 100)
    assert [(one.start_ms, one.count) for one in found] == [(0, 1)]
