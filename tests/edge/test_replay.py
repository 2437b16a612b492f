"""Recorded samples through the rules in virtual time: what they would have raised, and when."""

import json
from pathlib import Path

import pytest

from contract.messages import AlarmRaised, RuleUnknown
from edge.errors import Misconfigured
from edge.recorded import Reader
from edge.replay import event_line, replay
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
    for engine, _, records in replay(site, reader.polls(text.splitlines(keepends=True)), reader.refuse_newcomer):
        found += [json.loads(line) for record in records if (line := event_line(engine, record)) is not None]
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
        "running,false,2026-11-21T15:02:00+08:00,pump_1,good\n"
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
        ("time,equipment,point,value\n2026-11-21T07:00:00Z,pump_1,load,high\n", 2, "is no number"),
        ("time,equipment,point,value\n2026-11-21T07:00:00Z,pump_1,running,maybe\n", 2, "neither true nor false"),
        ("time,equipment,point,value\n2026-11-21T07:00:00Z,pump_1,mode,reverse\n", 2, "none of auto, manual"),
        ("time,equipment,point,value\nyesterday,pump_1,load,1\n", 2, "no instant"),
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
    for engine, _, records in replay(SITE, reader.polls(minutes([50, 50]).splitlines()), reader.refuse_newcomer):  # noqa: B007
        assert not any(isinstance(record, AlarmRaised | RuleUnknown) for record in records)
    assert engine is not None
    runtime = engine.runtime("pump_1")
    assert runtime is not None
    assert list(runtime.rules) == ["overload"]
    assert set(runtime.unwatched) == {"stopped", "dry"}


def test_time_passes_in_a_hole_of_the_file() -> None:
    text = minutes([50, 50, 50, 50]) + "\n2026-11-21T09:00:00Z,pump_1,load,101"
    told = [(row["event"], row["rule"], row["time"]) for row in run(text)]
    assert told[:2] == [
        ("unknown", "overload", "2026-11-21T07:08:00.000Z"),
        ("raised", "no_data", "2026-11-21T07:08:00.000Z"),
    ]
    assert ("unknown", "overload", "2026-11-21T09:00:00.000Z") in told


def test_every_event_names_severity_and_clause() -> None:
    raised, cleared = run(minutes([101, 101, 101, 50]))
    assert (raised["event"], cleared["event"]) == ("raised", "cleared")
    assert (cleared["severity"], cleared["clause"]) == (raised["severity"], raised["clause"])


def test_a_file_that_is_not_in_the_order_of_time_is_refused() -> None:
    text = minutes([50, 50]) + "\n2026-11-21T06:59:00Z,pump_1,load,50"
    with pytest.raises(Misconfigured, match=r"samples\.csv:4: goes back in time.*Sort the file by time"):
        run(text)


def test_a_point_that_comes_after_the_head_of_the_file_is_refused_and_not_passed_over() -> None:
    rows = [f"2026-11-21T{at // 3600:02d}:{at // 60 % 60:02d}:{at % 60:02d}Z,pump_1,load,50" for at in range(20_001)]
    text = "\n".join(["time,equipment,point,value", *rows, "2026-11-21T23:00:00Z,pump_1,flow,3"])
    with pytest.raises(Misconfigured, match=r"samples\.csv:20003: pump_1/flow first comes at"):
        run(text)


def test_points_recorded_less_often_grow_stale_by_their_own_interval() -> None:
    quarter = "".join(f"\n2026-11-21T07:{minute:02d}:00Z,pump_1,flow,5" for minute in (0, 15, 30, 45))
    rows = sorted((minutes([50.0] * 60) + quarter).splitlines()[1:])
    assert run("\n".join(["time,equipment,point,value", *rows])) == []
