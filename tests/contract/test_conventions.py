"""Time, exit codes and the data directory: one place each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.conventions import (
    Exit,
    data_directory,
    format_instant,
    from_ms,
    instant_ms,
    json_line,
    parse_instant,
    to_ms,
)


def test_an_instant_is_utc_with_milliseconds() -> None:
    beijing = datetime(2026, 11, 21, 15, 5, 0, 123_999, tzinfo=timezone(timedelta(hours=8)))
    assert format_instant(beijing) == "2026-11-21T07:05:00.123Z"


@given(st.integers(min_value=0, max_value=4_102_444_800_000))
def test_every_millisecond_survives_the_text(epoch_ms: int) -> None:
    assert instant_ms(format_instant(epoch_ms)) == epoch_ms
    assert to_ms(from_ms(epoch_ms)) == epoch_ms


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        to_ms(datetime(2026, 11, 21))  # noqa: DTZ001 - the mistake under test


@pytest.mark.parametrize("text", ["2026-11-21T07:05:00Z", "2026-11-21 07:05:00.123Z", "2026-11-21T07:05:00.123+08:00"])
def test_another_shape_is_refused_and_told_the_right_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"2026-11-21T07:05:00\.123Z"):
        parse_instant(text)


def test_parsed_instants_are_aware() -> None:
    assert parse_instant("2026-11-21T07:05:00.123Z") == datetime(2026, 11, 21, 7, 5, 0, 123_000, tzinfo=UTC)


def test_exit_codes_are_the_agreed_ones() -> None:
    assert {code.name: code.value for code in Exit} == {
        "DONE": 0,
        "FINDING": 1,
        "MISCONFIGURED": 2,
        "INTERRUPTED": 130,
    }


def test_the_data_directory_is_the_option_then_the_variable_then_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTROOM_DATA", "/data/plantroom")
    assert data_directory(Path("here")) == Path("here")
    assert data_directory(None) == Path("/data/plantroom")
    monkeypatch.delenv("PLANTROOM_DATA")
    assert data_directory(None) == Path(".plantroom")
    assert data_directory(None, service=True) == Path("/var/lib/plantroom")


def test_json_output_is_one_readable_line_and_never_a_wrong_number() -> None:
    assert json_line({"name": "低压进线 1\n", "value": 0.9}) == '{"name": "低压进线 1\\n", "value": 0.9}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_line({"value": float("nan")})
