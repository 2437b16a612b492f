"""What a scenario expects at its end: tickets with their clocks, calls, tests, values, and what must not be."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from device_profiles.reading import did_you_mean
from device_profiles.schema import DurationMs, Identifier
from simulators.scenario_steps import AlarmKey, PriorityName, StateName, TicketKey
from simulators.scenario_times import At, AtTime, parse_at


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Window(_Strict):
    """An instant between two others, or one written exactly."""

    after: AtTime | None = None
    before: AtTime | None = None
    at: AtTime | None = None


def _window(value: object) -> object:
    return {"at": parse_at(value)} if isinstance(value, str) else {"at": value} if isinstance(value, At) else value


When = Annotated[Window, BeforeValidator(_window)]


class ExpectedClock(_Strict):
    """A clock of a ticket. ``at`` is when it stopped, or was breached; ``used`` is exact to the second."""

    state: Literal["running", "held", "met", "breached"] | None = None
    at: When | None = None
    due: When | None = None
    used: DurationMs | None = None
    target: DurationMs | None = None
    start: When | None = None


def _clocks(value: object) -> object:
    """``met``, ``{state: met}`` or a list, one for each activation, all as a list."""
    found = value if isinstance(value, list) else [value]
    return [{"state": one} if isinstance(one, str) else one for one in found]


ClockName = Literal["response", "arrival", "service", "resolution"]
KindName = Literal["fault", "test", "maintenance", "request", "complaint", "inspection", "outage"]
SeverityName = Literal["advisory", "minor", "major", "critical", "life_safety"]
TIMELINE_KINDS = (
    "opened", "dispatched", "acknowledged", "arrived", "started", "restored", "held", "resumed", "resolved", "verified",
    "closed", "reopened", "cancelled", "noted", "handed_over", "reclassified", "merged", "absorbed", "linked", "unlinked",
    "joined_parent", "left_parent", "child_joined", "recurred", "activated", "cleared", "warned", "breached", "retargeted",
    "attached", "detached", "measured", "hours_added", "hours_corrected", "part_added", "part_corrected", "drafted",
    "link_made", "link_revoked", "permit_changed", "permit_asked", "permit_cut_approved", "permit_cut_refused",
    "permit_notified", "permit_cut", "permit_extended", "permit_done", "permit_restore_approved", "permit_restore_refused",
    "permit_restored", "permit_lapsed", "permit_unapplied", "permit_ending", "permit_overrun",
)  # fmt: skip
"""Every kind of line that the desk writes."""


def _timeline_kind(text: str) -> str:
    """A misspelt one would be counted as none."""
    if text not in TIMELINE_KINDS:
        raise ValueError(f"no line of a ticket is of kind {text}; {did_you_mean(text, TIMELINE_KINDS)}")
    return text


TimelineKind = Annotated[str, AfterValidator(_timeline_kind)]
Clocks = Annotated[list[ExpectedClock], BeforeValidator(_clocks)]


class ExpectedTicket(_Strict):
    """A ticket that must be there. What is left out is not compared."""

    ticket: TicketKey
    number: int | None = Field(default=None, ge=1)
    """Which of several tickets of one key, the oldest first."""
    count: int = Field(default=1, ge=0)
    """How many tickets of the key; what else is said here holds for each of them."""
    priority: PriorityName | None = None
    state: StateName | None = None
    kind: KindName | None = None
    holder: str | None = None
    severity: SeverityName | None = None
    occurrences: int | None = None
    activations: int | None = None
    reopened: int | None = None
    past: bool | None = None
    began: When | None = None
    raised: When | None = None
    received: When | None = None
    opened: When | None = None
    resolved: When | None = None
    closed: When | None = None
    clocks: dict[ClockName, Clocks] = {}
    timeline: dict[TimelineKind, Annotated[int, Field(ge=0)]] = {}
    """How many lines of a kind its timeline must hold."""


class ExpectedCall(_Strict):
    """Somebody was told of a ticket."""

    ticket: TicketKey
    to: Identifier
    step: int | None = None
    about: ClockName | None = None
    """The clock, where it was told about one."""
    at: When | None = None
    count: int = Field(default=1, ge=0)


class ExpectedTest(_Strict):
    """A periodic test and what became of it."""

    equipment: Identifier
    test: Identifier
    result: Literal["passed", "failed", "done", "missed", "due", "late"]
    at: When | None = None
    count: int = Field(default=1, ge=0)


class ExpectedAlarm(_Strict):
    """An alarm, with or without a ticket."""

    alarm: AlarmKey
    state: Literal["active", "cleared"] | None = None
    severity: SeverityName | None = None
    count: int = Field(default=1, ge=0)
    raised: When | None = None
    cleared: When | None = None


class ExpectedValue(_Strict):
    """What the cloud shows of a point at an instant."""

    at: AtTime
    equipment: Identifier
    point: Identifier
    between: tuple[float, float] | None = None
    is_: float | str | bool | None = Field(default=None, alias="is")
    quality: Literal["good", "uncertain", "bad"] | None = None


class Expect(_Strict):
    """What must be true at the end. Tickets are complete unless ``others: allowed``; so are calls, where any is named."""

    tickets: list[ExpectedTicket] | None = None
    others: Literal["allowed", "none"] = "none"
    calls: list[ExpectedCall] | None = None
    other_calls: Literal["allowed", "none"] = "none"
    tests: list[ExpectedTest] = []
    alarms: list[ExpectedAlarm] = []
    values: list[ExpectedValue] = []
    quarantine: int = 0
    lost: int = 0
