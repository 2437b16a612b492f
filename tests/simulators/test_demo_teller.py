import io
import json
import re
from dataclasses import replace
from typing import Any

import pytest

from device_profiles.library import load
from simulators.demo_lines import Language
from simulators.demo_teller import Teller
from simulators.scenario import Expectation, SeenTicket, judge
from simulators.site import SimulatedSite, build_site

NOW = 1_795_000_000_000
SITE = {
    "site": {"id": "here"},
    "gateway": {"id": "gw_1"},
    "equipment": [
        {"id": "lift_1", "class": "lift", "name": {"en": "Lift 1", "zh": "1号电梯"}},
        {"id": "panel_1", "class": "fire_alarm_panel", "name": {"en": "Panel", "zh": "火警控制器"}},
    ],
}
DOOR = Expectation("lift_1", "door_fault", "door_fault", 2000, NOW)
FIRE = Expectation("panel_1", "detector_fire", "fire", 0, NOW + 3000)
DOOR_TICKET = SeenTicket("T-000001", "lift_1", "door_fault", "c-1", "major", "", "", NOW + 2600, None, None)
FIRE_TICKET = SeenTicket("T-000002", "panel_1", "fire", "c-2", "life_safety", "", "", NOW + 3400, None, None)
_MOVE = re.compile(r"\x1b\[(\d+)([AB])")


class Terminal(io.StringIO):
    """Keeps what a terminal of 40 lines would show."""

    def isatty(self) -> bool:
        return True

    def shown(self) -> list[str]:
        rows, at = [""], 0
        for token in re.findall(r"\x1b\[\d*[A-Z]|\n|\r|[^\x1b\n\r]+", self.getvalue()):
            if move := _MOVE.fullmatch(token):
                at += int(move[1]) * (-1 if move[2] == "A" else 1)
            elif token == "\n":
                at += 1
                rows += [""] * (at + 1 - len(rows))
            elif token == "\x1b[2K":
                rows[at] = ""
            elif token != "\r":
                rows[at] += token
        return rows[:-1]


def a_site() -> SimulatedSite:
    return build_site(SITE, load())


def teller(stream: io.StringIO, language: Language = "en", result: io.StringIO | None = None) -> Teller:
    return Teller(a_site(), language, stream, result)


def test_a_line_is_completed_where_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    terminal = Terminal()
    voice = teller(terminal)
    voice.injected(DOOR, None)
    voice.injected(FIRE, None)
    voice.opened(DOOR_TICKET)
    first, second = terminal.shown()
    assert "Lift 1 · Door jams" in first
    assert first.endswith("→ T-000001 major · Door fault · c-1 · 0.6 s")
    assert second.endswith("→ waiting for its ticket")


def test_without_a_terminal_a_line_comes_once_and_complete() -> None:
    stream = io.StringIO()
    voice = teller(stream)
    voice.injected(DOOR, None)
    assert stream.getvalue() == ""
    voice.opened(DOOR_TICKET)
    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()


def test_chinese_is_chinese_throughout() -> None:
    stream = io.StringIO()
    voice = teller(stream, "zh")
    voice.injected(FIRE, None)
    voice.opened(FIRE_TICKET)
    assert "火警控制器 · 探测器报火警" in stream.getvalue()
    assert "T-000002 人身安全" in stream.getvalue()


def test_a_ticket_nobody_ordered_is_told() -> None:
    stream = io.StringIO()
    teller(stream).opened(FIRE_TICKET)
    assert "unexpected ticket: T-000002 panel_1 fire" in stream.getvalue()


def test_a_fault_on_an_open_ticket_waits_for_none() -> None:
    stream = io.StringIO()
    voice = teller(stream)
    voice.injected(DOOR, DOOR_TICKET)
    voice.opened(replace(DOOR_TICKET, id="T-000009"))
    assert "already on T-000001" in stream.getvalue()
    assert "unexpected ticket: T-000009" in stream.getvalue()


def test_the_object_for_programs_says_everything_once() -> None:
    result = io.StringIO()
    voice = teller(io.StringIO(), result=result)
    voice.verdict([DOOR, FIRE], [DOOR_TICKET], judge([DOOR, FIRE], [DOOR_TICKET]))
    said: dict[str, Any] = json.loads(result.getvalue())
    assert list(said) == ["faults", "tickets", "missing", "unexpected", "fault_to_ticket_ms"]
    assert [one["rule"] for one in said["faults"]] == ["door_fault", "fire"]
    assert said["faults"][0]["injected_at"] == "2026-11-18T11:06:40.000Z"
    assert set(said["tickets"][0]) == {
        "id", "equipment", "rule", "clause", "priority", "raised_at", "received_at", "response_due", "resolution_due",
    }  # fmt: skip
    assert [one["equipment"] for one in said["missing"]] == ["panel_1"]
    assert said["unexpected"] == []
    assert said["fault_to_ticket_ms"] == {"p50": 600, "p99": 600, "max": 600}
