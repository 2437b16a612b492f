"""``plantroom-edge rules explain`` and ``replay`` as a user calls them."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from contract.conventions import Exit, format_instant
from contract.messages import Cause, Quality
from edge.cli import app
from edge.config import load_site
from edge.decode.sample import Moment, Sample
from edge.outbox.sqlite import Outbox
from edge.rules.engine import Engine

SITE = """\
site: {id: tower, name: Tower, zone: UTC}
gateway: {id: gw_1, cloud: "http://127.0.0.1:1", credential_file: credential}
equipment:
  - {id: incomer_1, class: lv_switchgear, ratings: {rated_a: 100}, limits: {load_hold: 60}, serves: tx_1}
  - {id: tx_1, class: transformer, ratings: {rated_kva: 1000, insulation: dry}}
buses:
  - {id: lan, modbus: tcp, host: 127.0.0.1}
devices:
  - {id: meter_1, model: eastron_sdm630, bus: lan, address: 3, equipment: incomer_1, every: 1s}
"""
START_MS = 1_795_000_000_000


@pytest.fixture
def site(tmp_path: Path) -> Path:
    file = tmp_path / "site.yaml"
    file.write_text(SITE, encoding="utf-8")
    return file


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def explain(site: Path, rule: str, *words: object) -> dict[str, Any]:
    result = run("rules", "explain", site, "incomer_1", rule, *words, "--json")
    assert result.exit_code == Exit.DONE, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def currents(second: int, value: float) -> list[Sample]:
    at = START_MS + second * 1000
    return [
        Sample("meter_1", "incomer_1", f"current_l{phase}", value, Quality.GOOD, Cause.NONE, at, at)
        for phase in (1, 2, 3)
    ]


def gateway_has_run(folder: Path, site: Path, seconds: int) -> None:
    """The gateway's own database after so many seconds of overload that the cloud has not heard of."""
    outbox = Outbox(folder / "edge.db", START_MS)
    engine = Engine(load_site(site), Moment(START_MS, START_MS))
    for second in range(seconds):
        now = Moment(START_MS + second * 1000, START_MS + second * 1000)
        engine.evaluate(currents(second, 120.0), now)
        outbox.save(now.wall_ms, samples=currents(second, 120.0), state=engine.take_dirty(now, everything=True))
    outbox.close()


def test_every_term_comes_with_value_quality_age_and_whose_figure_it_is(site: Path, tmp_path: Path) -> None:
    gateway_has_run(tmp_path, site, 20)
    found = explain(site, "overcurrent", "--data", tmp_path)
    assert (found["condition"], found["state"], found["clause"]) == (True, "pending", "e-no-overload")
    by_name = {term["name"]: term for term in found["terms"]}
    assert (by_name["current_l1"]["value"], by_name["current_l1"]["quality"], by_name["current_l1"]["age_ms"]) == (
        120,
        "good",
        0,
    )
    assert by_name["rated_a"]["note"] == "rating"
    assert found["waits_ms"] == 41_000
    assert found["waits_for"] == "41 s more of its on-delay with the condition true"
    assert "what the gateway noted" in found["from"]


def test_a_past_instant_is_answered_from_the_samples_the_gateway_still_keeps(site: Path, tmp_path: Path) -> None:
    gateway_has_run(tmp_path, site, 90)
    earlier = explain(site, "overcurrent", "--data", tmp_path, "--at", format_instant(START_MS + 30_500))
    assert (earlier["state"], earlier["waits_ms"]) == ("pending", 29_500)
    assert earlier["terms"][0]["age_ms"] == 500
    later = explain(site, "overcurrent", "--data", tmp_path, "--at", format_instant(START_MS + 80_000))
    assert (later["state"], later["alarm_state"]) == ("active", "active_unacknowledged")


def test_an_instant_that_nothing_here_knows_is_said_with_what_to_do(site: Path, tmp_path: Path) -> None:
    gateway_has_run(tmp_path, site, 5)
    for at in (START_MS - 60_000, START_MS + 3_600_000):
        result = run(
            "rules", "explain", site, "incomer_1", "overcurrent", "--data", tmp_path, "--at", format_instant(at)
        )
        assert result.exit_code == Exit.MISCONFIGURED
        assert f"{format_instant(START_MS)} to" in result.stderr
        assert "--samples" in result.stderr


def test_what_is_unknown_is_named_with_its_cause_and_what_would_end_it(site: Path, tmp_path: Path) -> None:
    samples = tmp_path / "samples.csv"
    samples.write_text(
        "time,equipment,point,value,quality\n"
        "2026-11-21T07:00:00Z,incomer_1,current_l1,50,good\n2026-11-21T07:00:00Z,incomer_1,current_l2,50,good\n"
        "2026-11-21T07:00:00Z,incomer_1,current_l3,,bad\n"
    )
    found = explain(site, "overcurrent", "--samples", samples)
    assert found["condition"] is None
    assert found["waits_for"].startswith("good values of current_l3")
    assert found["terms"][2]["quality"] == "bad"
    assert found["terms"][2]["note"] == "absent"


def test_a_rule_that_is_not_watched_here_says_why(site: Path, tmp_path: Path) -> None:
    gateway_has_run(tmp_path, site, 1)
    assert "not measured" in explain(site, "joint_hot", "--data", tmp_path)["not_watched"]
    result = run("rules", "explain", site, "incomer_1", "low_power_factor", "--data", tmp_path)
    assert result.exit_code == Exit.MISCONFIGURED
    assert "needs the role compensated_incomer" in result.stderr


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("incomr_1", "overcurrent"), "no equipment incomr_1. Did you mean incomer_1?"),
        (("incomer_1", "overcurent"), "no rule overcurent on incomer_1. Did you mean overcurrent?"),
    ],
)
def test_a_mistyped_name_suggests_the_near_one(site: Path, names: tuple[str, str], said: str) -> None:
    result = run("rules", "explain", site, *names)
    assert (result.exit_code, result.stdout) == (Exit.MISCONFIGURED, "")
    assert said in result.stderr


def test_windows_are_known_from_what_was_noted(site: Path, tmp_path: Path) -> None:
    text = SITE.replace(
        "ratings: {rated_a: 100}, limits: {load_hold: 60}",
        "roles: [compensated_incomer], ratings: {rated_a: 100}, limits: {pf_window: 1}",
    )
    site.write_text(text, encoding="utf-8")
    gateway_has_run(tmp_path, site, 90)
    found = explain(site, "low_power_factor", "--data", tmp_path)
    mean = next(term for term in found["terms"] if term["name"].startswith("avg((current_l1"))
    assert (mean["value"], mean["quality"]) == (120, "good")


def test_text_and_json_say_the_same(site: Path, tmp_path: Path) -> None:
    gateway_has_run(tmp_path, site, 20)
    text = run("rules", "explain", site, "incomer_1", "overcurrent", "--data", tmp_path).stdout
    assert "current_l1 = 120 A (good, 0 s old)" in text
    assert "alarm: pending (normal)" in text
    assert text.rstrip().endswith("waits for 41 s more of its on-delay with the condition true")


def test_a_bad_line_of_a_replay_is_named_with_file_and_line(site: Path, tmp_path: Path) -> None:
    samples = tmp_path / "samples.csv"
    samples.write_text("time,equipment,point,value\n2026-11-21T07:00:00Z,incomer_1,curent_l1,50\n")
    result = run("rules", "replay", site, samples)
    assert (result.exit_code, result.stdout) == (Exit.MISCONFIGURED, "")
    assert f"{samples}:2: incomer_1/curent_l1 is not here. Did you mean current_l1?" in result.stderr
    samples.write_text("time,equipment,point,value\n")
    assert "holds no samples" in run("rules", "replay", site, samples).stderr
