"""Recorded samples through the rules in virtual time: what they would have raised, and when."""

import json
from pathlib import Path

import pytest

from contract.messages import AlarmRaised, RuleUnknown
from edge.errors import Misconfigured
from edge.replay import Reader, event_line, replay
from edge.site import Site
from tests.support.plant import NAME, make_class, make_site, rule

OF = make_class(
    points={"flow": {"name": NAME, "kind": "gauge"}},
    rules={
        "overload": rule("load > load_max", on_delay="90s"),
        "stopped": rule("not running", severity="advisory"),
        "dry": rule("flow < 1"),
    },
)
SITE = make_site(OF)


def run(text: str, site: Site = SITE) -> list[dict[str, object]]:
    reader = Reader(Path("samples.csv"), site)
    found = []
    for _, _, records in replay(site, reader.rows(text.splitlines(keepends=True))):
        found += [json.loads(line) for record in records if (line := event_line(record)) is not None]
    return found


def minutes(values: list[float]) -> str:
    rows = [f"2026-11-21T07:{minute:02d}:00Z,pump_1,load,{value}" for minute, value in enumerate(values)]
    return "\n".join(["time,equipment,point,value", *rows])


def test_an_alarm_is_raised_when_its_delay_ends_between_two_recorded_samples() -> None:
    (raised,) = run(minutes([50, 101, 101, 101]))
    assert raised["event"] == "raised"
    assert raised["time"] == "2026-11-21T07:02:30.000Z"
    assert raised["began_at"] == "2026-11-21T07:01:00.000Z"
    assert (raised["equipment"], raised["rule"], raised["severity"], raised["clause"]) == (
        "pump_1",
        "overload",
        "major",
        "e-no-overload",
    )
    because = raised["because"]
    assert isinstance(because, list)
    assert because[0] == {"name": "load", "value": 101.0, "unit": "kW"}


def test_minute_data_is_not_stale_between_its_minutes_but_a_long_hole_is() -> None:
    whole = minutes([50.0] * 30)
    assert run(whole) == []
    others = "".join(f"\n2026-11-21T07:{minute}:00Z,pump_1,flow,5" for minute in range(30, 40))
    told = [(row["event"], row["rule"]) for row in run(whole + others)]
    assert ("unknown", "overload") in told
    assert ("raised", "no_data") in told


def test_json_lines_and_csv_say_the_same() -> None:
    text = minutes([50, 101, 101, 101])
    lines = [row.split(",") for row in text.splitlines()[1:]]
    as_json = "\n".join(
        json.dumps(dict(zip(("time", "equipment", "point", "value"), row, strict=True))) for row in lines
    )
    assert run(as_json) == run(text)


def test_quality_and_empty_values_count_as_not_known() -> None:
    text = (
        "point,value,time,equipment,quality\n"
        "running,false,2026-11-21T07:00:00Z,pump_1,bad\n"
        "running,,2026-11-21T07:01:00Z,pump_1,good\n"
        "running,false,2026-11-21T07:02:00+08:00,pump_1,good\n"
    )
    assert run(text)[0]["event"] in ("raised", "unknown")
    assert not any(
        row["event"] == "raised" and row["rule"] == "stopped" for row in run("\n".join(text.splitlines()[:3]))
    )


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("when,equipment,point,value\n", 1, "the header lacks time"),
        ("time,equipment,point,value\n2026-11-21T07:00:00Z,pump_2,load,1\n", 2, "pump_2/load is not here"),
        ("time,equipment,point,value\n2026-11-21T07:00:00Z,pump_1,load,high\n", 2, "could not convert"),
        ("time,equipment,point,value\n2026-11-21T07:00:00Z,pump_1,running,maybe\n", 2, "neither true nor false"),
        ("time,equipment,point,value\n2026-11-21T07:00:00Z,pump_1,mode,reverse\n", 2, "none of auto, manual"),
        ("time,equipment,point,value\nyesterday,pump_1,load,1\n", 2, "Invalid isoformat"),
        ("time,equipment,point,value\n2026-11-21T07:00:00Z,pump_1\n", 2, "too few columns"),
        ('{"time": "2026-11-21T07:00:00Z"}\n', 1, "lacks equipment, point, value"),
        ('{"time": "2026-11-21T07:00:00Z", \n', 1, "no JSON object"),
    ],
)
def test_a_row_that_cannot_be_read_is_named_with_its_line(text: str, line: int, said: str) -> None:
    with pytest.raises(Misconfigured, match=said) as caught:
        run(text)
    assert caught.value.findings[0].line == line


def test_the_points_of_the_file_count_as_measured_and_the_others_do_not() -> None:
    reader = Reader(Path("samples.csv"), SITE)
    engine = None
    for engine, _, records in replay(SITE, reader.rows(minutes([50, 50]).splitlines())):  # noqa: B007
        assert not any(isinstance(record, AlarmRaised | RuleUnknown) for record in records)
    assert engine is not None
    runtime = engine.runtime("pump_1")
    assert runtime is not None
    assert list(runtime.rules) == ["overload"]
    assert set(runtime.unwatched) == {"stopped", "dry"}
