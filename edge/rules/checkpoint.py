"""rules ↔ outbox: what the engine knows, as JSON, so that a restart loses no alarm, no delay and little of a window (pure).

Steady instants are stored as they are, with the distance between the two clocks; the next process moves them into its
own steady time by its own distance.
"""

from __future__ import annotations

from typing import Any

import msgspec

from contract.messages import Cause, Quality
from edge.decode.sample import Moment
from edge.rules import alarm
from edge.rules.runtime import Runtime

_FORMAT = 1


def alarms_body(runtime: Runtime, limits: dict[str, dict[str, Any]], now: Moment) -> bytes:
    """Alarms with their delays, shelves, permits, tests under way and limits set from the cloud."""
    rules = {
        run.id: {
            "state": alarm.to_json(run.state), "is_told": run.is_told,
            "shelved_until_ms": run.shelved_until_ms, "shelf_reason": run.shelf_reason,
        }
        for run in runtime.rules.values()
        if run.state.phase != "normal" or run.state.returned or run.is_told or run.shelved_until_ms is not None
    }  # fmt: skip
    return msgspec.json.encode(
        {
            "format": _FORMAT, "ahead": now.wall_ms - now.steady_ms, "rules": rules, "limits": limits,
            "no_data": {device: alarm.to_json(state) for device, state in runtime.no_data.items()},
            "out_of_service": runtime.out_of_service, "out_until_ms": runtime.out_until_ms,
            "tests": {run.observation.test: run.observation.checkpoint() for run in runtime.tests},
        }
    )  # fmt: skip


def windows_body(runtime: Runtime, now: Moment) -> bytes:
    """Every window's content, and the evidence of the tests that run: both are saved every half minute."""
    windows = {
        _window_key(runtime, index): window.checkpoint() for index, window in enumerate(runtime.windows)
    }  # fmt: skip
    tests = {run.observation.test: run.observation.evidence_checkpoint() for run in runtime.tests if run.is_running}
    return msgspec.json.encode(
        {"format": _FORMAT, "ahead": now.wall_ms - now.steady_ms, "windows": windows, "tests": tests}
    )


def values_body(runtime: Runtime, now: Moment) -> bytes:
    """The newest samples, for ``rules explain``. They are never judged again: an old value has no new time."""
    points = {
        name: [state.value, state.quality, state.cause, state.at_ms] for name, state in runtime.points.items()
    }  # fmt: skip
    return msgspec.json.encode({"format": _FORMAT, "at": now.wall_ms, "points": points})


def noted_at_ms(body: bytes) -> int:
    """When values were noted, in epoch ms."""
    noted: int = msgspec.json.decode(body)["at"]
    return noted


def recall_values(runtime: Runtime, body: bytes, now: Moment) -> None:
    """Show a runtime the values of a stopped or running gateway."""
    for name, (value, quality, cause, at_ms) in msgspec.json.decode(body)["points"].items():
        if (state := runtime.points.get(name)) is not None:
            state.value, state.quality, state.cause = value, Quality(quality), Cause(cause)
            state.at_ms, state.steady_ms = at_ms, now.steady_ms - (now.wall_ms - at_ms)
            runtime.note(name, value if state.quality is Quality.GOOD else None)


def restore_alarms(runtime: Runtime, body: bytes, now: Moment) -> dict[str, dict[str, Any]]:
    """Continue from a body; a rule that no longer exists is passed over. Returns the limits set from the cloud."""
    saved = msgspec.json.decode(body)
    shift = saved["ahead"] - (now.wall_ms - now.steady_ms)
    limits: dict[str, dict[str, Any]] = saved["limits"]
    for name, limit in limits.items():
        if name in runtime.limits:
            runtime.set_limit(name, limit["value"])
    for name, rule in saved["rules"].items():
        if (run := runtime.rules.get(name)) is not None:
            run.state = alarm.from_json(rule["state"], shift, now)
            run.is_told = rule["is_told"]
            run.shelved_until_ms, run.shelf_reason = rule["shelved_until_ms"], rule["shelf_reason"]
    devices = {state.device for state in runtime.points.values()}
    runtime.no_data |= {
        device: alarm.from_json(state, shift, now) for device, state in saved["no_data"].items() if device in devices
    }
    runtime.out_of_service, runtime.out_until_ms = saved["out_of_service"], saved["out_until_ms"]
    for test in runtime.tests:
        if (checkpoint := saved["tests"].get(test.observation.test)) is not None:
            test.observation.restore(checkpoint, shift)
    return limits


def restore_windows(runtime: Runtime, body: bytes, now: Moment) -> None:
    """Continue the windows and the evidence of tests; the time between the checkpoint and now counts as not known.

    After ``restore_alarms``, which knows what tests run.
    """
    saved = msgspec.json.decode(body)
    shift = saved["ahead"] - (now.wall_ms - now.steady_ms)
    for index, window in enumerate(runtime.windows):
        if (checkpoint := saved["windows"].get(_window_key(runtime, index))) is not None:
            window.restore(checkpoint, shift)
    for test in runtime.tests:
        if (evidence := saved.get("tests", {}).get(test.observation.test)) is not None:
            test.observation.restore_evidence(evidence)


def _window_key(runtime: Runtime, index: int) -> str:
    spec = runtime.program.windows[index]
    return f"{spec.kind} {spec.argument.node.source} {spec.span}"
