"""rules: the life of one alarm, as IEC 62682 names it: delays, latching, suppression, severity (pure).

``step`` takes what the condition is now (true, false, unknown) and returns the next state, what changed, and why. Time
of not knowing moves nothing: it neither raises nor clears, and no delay runs in it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import Any, Literal

from contract.messages import Severity
from edge.decode.sample import Moment

Phase = Literal["normal", "pending", "active", "clearing", "latched"]
Standing = Literal["normal", "active_unacknowledged", "active_acknowledged", "cleared_unacknowledged"]
Condition = bool | None
"""None: not known."""


class What(enum.StrEnum):
    """What can change about an alarm."""

    RAISED = "raised"
    CLEARED = "cleared"
    SEVERITY = "severity"
    SUPPRESSED = "suppressed"
    UNSUPPRESSED = "unsuppressed"


@dataclass(frozen=True, slots=True)
class Change:
    """One change, at its instant, with its reason where there is one."""

    what: What
    at: Moment
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """How an alarm behaves here. ``escalate``: after so many milliseconds active, at least this severity."""

    on_delay_ms: int = 0
    off_delay_ms: int = 0
    latching: bool = False
    escalate: tuple[tuple[int, Severity], ...] = ()


@dataclass(frozen=True, slots=True)
class AlarmState:
    """Where one alarm is. ``since`` is the start of the running delay, later by what was not known meanwhile."""

    phase: Phase = "normal"
    severity: Severity = Severity.MINOR
    began: Moment | None = None
    raised: Moment | None = None
    since: int = 0
    unknown_since: int | None = None
    acknowledged: bool = False
    silenced_by: str = ""
    returned: Moment | None = None
    """When it cleared although nobody had acknowledged it; it stays known as such until a person does."""

    @property
    def is_active(self) -> bool:
        """Raised and not yet cleared: also while its off-delay runs or a latch holds it."""
        return self.phase in ("active", "clearing", "latched")

    @property
    def standing(self) -> Standing:
        """Where it stands between machine and people, as IEC 62682 names it."""
        if self.is_active:
            return "active_acknowledged" if self.acknowledged else "active_unacknowledged"
        return "normal" if self.returned is None else "cleared_unacknowledged"


@dataclass(frozen=True, slots=True)
class Step:
    """The next state, what changed on the way, and why it stands there."""

    state: AlarmState
    changes: tuple[Change, ...]
    why: str


def step(
    state: AlarmState, condition: Condition, now: Moment, settings: Settings, severity: Severity, silence: str = ""
) -> Step:
    """One evaluation. ``severity`` is the rule's own, ``silence`` the reason that suppresses it by design, or empty."""
    if condition and state.phase == "active" and _is_settled(state, settings, severity, silence):
        return Step(state, (), "the condition is true")
    moved = _move(_wait_for_knowledge(state, condition, now), condition, now, settings)
    changes = list(moved.changes)
    state = moved.state
    if not state.is_active:
        if state.severity != severity or state.silenced_by:
            state = replace(state, severity=severity, silenced_by="")
        return Step(state, tuple(changes), moved.why)
    was_raised_now = any(change.what is What.RAISED for change in changes)
    worst = _severity(state, now, settings, severity, is_new=was_raised_now)
    if worst != state.severity and not was_raised_now:
        changes.append(Change(What.SEVERITY, now, f"active for {_seconds(now, state)} s"))
    if state.phase == "clearing" and not silence:
        silence = state.silenced_by  # what is going already does not speak up because its cause went first
    if silence != state.silenced_by and not was_raised_now:
        what = What.SUPPRESSED if silence else What.UNSUPPRESSED
        changes.append(Change(what, now, silence or state.silenced_by))
    return Step(replace(state, severity=worst, silenced_by=silence), tuple(changes), moved.why)


def _is_settled(state: AlarmState, settings: Settings, severity: Severity, silence: str) -> bool:
    """Active and nothing about it can change now: the frequent case, answered without making a new state."""
    return (
        state.unknown_since is None
        and silence == state.silenced_by
        and severity == state.severity
        and not settings.escalate
    )


def acknowledge(state: AlarmState, now: Moment) -> Step:
    """A person has seen it; a latched alarm whose condition has gone is cleared by that."""
    if state.phase == "latched":
        return Step(AlarmState(severity=state.severity), (Change(What.CLEARED, now),), "acknowledged after it had gone")
    if state.is_active:
        return Step(replace(state, acknowledged=True), (), "acknowledged")
    return Step(replace(state, returned=None), (), "acknowledged after it had gone")


def due(state: AlarmState, settings: Settings) -> int | None:
    """``steady_ms`` at which a delay or the next escalation ends if nothing changes before; None for no such instant."""
    if state.unknown_since is not None and state.phase in ("pending", "clearing"):
        return None  # no delay runs while the condition is not known
    if state.phase == "pending":
        return state.since + settings.on_delay_ms
    if state.phase == "clearing":
        return state.since + settings.off_delay_ms
    if state.phase == "active" and state.raised is not None:
        later = [after for after, severity in settings.escalate if severity.rank > state.severity.rank]
        return state.raised.steady_ms + min(later) if later else None
    return None


def _wait_for_knowledge(state: AlarmState, condition: Condition, now: Moment) -> AlarmState:
    if condition is None:
        return state if state.unknown_since is not None else replace(state, unknown_since=now.steady_ms)
    if state.unknown_since is None:
        return state
    return replace(state, since=state.since + max(now.steady_ms - state.unknown_since, 0), unknown_since=None)


def _move(  # noqa: PLR0911 - the state table, one line a cell
    state: AlarmState, condition: Condition, now: Moment, settings: Settings
) -> Step:
    if condition is None:
        return Step(state, (), "the condition is not known")
    match state.phase, condition:
        case "normal", False:
            return Step(state, (), "the condition is false")
        case "normal", True:
            return _wait_or_raise(replace(state, phase="pending", began=now, since=now.steady_ms), now, settings)
        case "pending", False:
            return Step(_rest(state), (), "the condition went before its on-delay was over")
        case "pending", True:
            return _wait_or_raise(state, now, settings)
        case "active", True:
            return Step(state, (), "the condition is true")
        case "active", False:
            return _wait_or_clear(replace(state, phase="clearing", since=now.steady_ms), now, settings)
        case "clearing", False:
            return _wait_or_clear(state, now, settings)
        case (("clearing" | "latched"), True):
            return Step(replace(state, phase="active"), (), "the condition came back")
    return Step(state, (), "latched until a person acknowledges it")


def _wait_or_raise(state: AlarmState, now: Moment, settings: Settings) -> Step:
    left = state.since + settings.on_delay_ms - now.steady_ms
    if left > 0:
        return Step(state, (), f"waits {left / 1000:g} s more of its on-delay")
    raised = replace(state, phase="active", raised=now, acknowledged=False, returned=None)
    return Step(raised, (Change(What.RAISED, now),), "the condition lasted through its on-delay")


def _wait_or_clear(state: AlarmState, now: Moment, settings: Settings) -> Step:
    left = state.since + settings.off_delay_ms - now.steady_ms
    if left > 0:
        return Step(state, (), f"waits {left / 1000:g} s more of its off-delay")
    if settings.latching and not state.acknowledged:
        return Step(replace(state, phase="latched"), (), "latched until a person acknowledges it")
    is_seen = state.acknowledged or state.silenced_by
    over = _rest(replace(state, returned=None if is_seen else now))
    return Step(over, (Change(What.CLEARED, now),), "false through its off-delay")


def _rest(state: AlarmState) -> AlarmState:
    """Normal, with what people have not seen yet."""
    raised = state.raised if state.returned else None
    return AlarmState(severity=state.severity, raised=raised, returned=state.returned)


def _severity(state: AlarmState, now: Moment, settings: Settings, severity: Severity, *, is_new: bool) -> Severity:
    """The worst of the rule's own, what the time asks for, and what it already was: an alarm never gets milder."""
    reached = [severity] if is_new else [severity, state.severity]
    if state.raised is not None:
        active_ms = now.steady_ms - state.raised.steady_ms
        reached += [worse for after, worse in settings.escalate if active_ms >= after]
    return max(reached, key=lambda one: one.rank)


def _seconds(now: Moment, state: AlarmState) -> int:
    return (now.steady_ms - state.raised.steady_ms) // 1000 if state.raised else 0


# --- checkpoint ---------------------------------------------------------------------------------------------------


def to_json(state: AlarmState) -> dict[str, Any]:
    """JSON of a state that is not plainly normal."""
    return {
        "phase": state.phase, "severity": state.severity.value, "since": state.since,
        "began": _pair(state.began), "raised": _pair(state.raised), "unknown_since": state.unknown_since,
        "acknowledged": state.acknowledged, "silenced_by": state.silenced_by, "returned": _pair(state.returned),
    }  # fmt: skip


def from_json(saved: dict[str, Any], shift: int, now: Moment) -> AlarmState:
    """The state, its steady instants moved by ``shift`` ms into this process's time and never into the future.

    A delay goes on as if the process had watched meanwhile: a restart neither restarts it nor holds it up.
    """

    def steady(at: int) -> int:
        return min(at + shift, now.steady_ms)

    def moment(pair: list[int] | None) -> Moment | None:
        return None if pair is None else Moment(wall_ms=pair[0], steady_ms=steady(pair[1]))

    return AlarmState(
        phase=saved["phase"], severity=Severity(saved["severity"]), began=moment(saved["began"]),
        raised=moment(saved["raised"]), since=steady(saved["since"]),
        unknown_since=None if saved["unknown_since"] is None else steady(saved["unknown_since"]),
        acknowledged=saved["acknowledged"], silenced_by=saved["silenced_by"], returned=moment(saved.get("returned")),
    )  # fmt: skip


def _pair(moment: Moment | None) -> list[int] | None:
    return None if moment is None else [moment.wall_ms, moment.steady_ms]
