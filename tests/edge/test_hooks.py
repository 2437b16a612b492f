"""Life at risk calls the people on site, with a command and a web request, and never holds up the flow."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Literal

import httpx
import pytest

from contract.messages import AlarmChanged, AlarmCleared, AlarmRaised, Severity
from edge.gateway import build
from edge.hooks import Call, Caller, LifeSafety
from edge.site import Hooks
from tests.support.clock import FakeClock
from tests.support.plant import START, Bench, make_class, make_gateway, make_site, rule

AT = "2026-11-21T07:05:00.123Z"
CALL = Call("raised", "lift_1", "entrapment_button", AT)


def raised(severity: Severity = Severity.LIFE_SAFETY, suppressed_by: str = "") -> AlarmRaised:
    return AlarmRaised(
        equipment="lift_1", rule="entrapment_button", severity=severity, clause="c", began_at=AT, raised_at=AT, suppressed_by=suppressed_by
    )  # fmt: skip


def cleared() -> AlarmCleared:
    return AlarmCleared(equipment="lift_1", rule="entrapment_button", raised_at=AT, cleared_at=AT)


def test_only_life_safety_calls_when_it_comes_and_when_it_goes() -> None:
    watch = LifeSafety()
    assert watch.calls([raised(Severity.CRITICAL), cleared()]) == []
    assert [call.event for call in watch.calls([raised()])] == ["raised"]
    assert [call.event for call in watch.calls([cleared(), cleared()])] == ["cleared"]


def test_a_permit_to_work_calls_nobody() -> None:
    assert LifeSafety().calls([raised(suppressed_by="out_of_service")]) == []


def changed(what: Literal["severity", "suppressed", "unsuppressed"], severity: Severity | None = None) -> AlarmChanged:
    return AlarmChanged(equipment="lift_1", rule="entrapment_button", at=AT, what=what, severity=severity)


def test_when_the_permit_ends_a_danger_that_is_still_there_calls() -> None:
    watch = LifeSafety()
    assert watch.calls([raised(suppressed_by="out_of_service")]) == []
    assert [call.event for call in watch.calls([changed("unsuppressed"), cleared()])] == ["raised", "cleared"]
    assert watch.calls([changed("unsuppressed")]) == []


def test_an_alarm_that_becomes_a_danger_to_life_calls_then_unless_it_is_silenced() -> None:
    watch, worse = LifeSafety(), changed("severity", Severity.LIFE_SAFETY)
    assert watch.calls([raised(Severity.CRITICAL)]) == []
    assert [call.event for call in watch.calls([worse, worse])] == ["raised"]
    assert LifeSafety().calls([raised(Severity.CRITICAL), changed("suppressed"), worse]) == []


async def run(hooks: Hooks, log: FakeClock, transport: httpx.AsyncBaseTransport | None = None, calls: int = 1) -> None:
    caller = Caller(hooks, log, transport)
    caller.ring([CALL] * calls)
    task = asyncio.create_task(caller.run())
    async with asyncio.timeout(20):
        while len(log.lines) < calls:
            await asyncio.sleep(0.01)
    task.cancel()


async def test_a_command_gets_the_call_on_its_input_and_in_its_environment(tmp_path: Path) -> None:
    heard = tmp_path / "heard.json"
    code = (
        "import json,os,sys; call = json.load(sys.stdin); "
        f"open({str(heard)!r}, 'w').write(json.dumps([call, os.environ['PLANTROOM_RULE']]))"
    )
    log = FakeClock(0)
    await run(Hooks((sys.executable, "-c", code), None, 10_000), log)
    call, name = json.loads(heard.read_text())
    assert call == {"event": "raised", "equipment": "lift_1", "rule": "entrapment_button", "at": AT}
    assert name == "entrapment_button"
    assert log.said("hook_ran")[0]["status"] == 0


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("/nowhere/ring",), "No such file"),
        ((sys.executable, "-c", "raise SystemExit(3)"), "status"),
    ],
)
async def test_a_command_that_fails_is_logged(command: tuple[str, ...], said: str) -> None:
    log = FakeClock(0)
    await run(Hooks(command, None, 10_000), log)
    (line,) = log.said("hook_failed")
    assert said in str(line)


async def test_a_command_that_hangs_is_killed_at_its_timeout() -> None:
    log = FakeClock(0)
    await run(Hooks((sys.executable, "-c", "import time; time.sleep(60)"), None, 200), log)
    assert "timeout" in str(log.said("hook_failed"))


async def test_a_web_address_is_told_and_its_refusal_logged() -> None:
    heard: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        heard.append(request.content)
        return httpx.Response(200 if len(heard) == 1 else 500)

    log = FakeClock(0)
    await run(Hooks((), "http://bell/ring", 1_000), log, httpx.MockTransport(answer), calls=2)
    assert json.loads(heard[0])["rule"] == "entrapment_button"
    assert [event for event, _ in log.lines] == ["hook_ran", "hook_failed"]


def test_a_line_of_calls_has_an_end() -> None:
    log = FakeClock(0)
    caller = Caller(Hooks(("ring",), None, 1000), log)
    caller.ring([CALL] * 150)
    assert len(log.said("hook_dropped")) == 50


async def test_after_a_restart_what_still_endangers_life_is_called_again(tmp_path: Path) -> None:
    from dataclasses import replace

    of = make_class(rules={"fire": rule("running", severity="life_safety")})
    site = replace(make_site(of), gateway=make_gateway(hooks=Hooks(("ring",), None, 1000)))
    clock = FakeClock(START.wall_ms)
    for life in range(2):
        parts = build(site, clock, tmp_path, inline=True, log=clock)
        if life == 0:
            assert parts.caller._queue.empty()
            bench = Bench(of)
            await parts.cycle.intake.put([bench.sample("running", True)])
            await parts.cycle.turn(0)
        assert parts.caller._queue.qsize() == 1
        await parts.outbox.close()
