"""The lines of a scenario's timeline: one model for each kind of step. The key that names the kind is the verb."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from device_profiles.schema import DurationMs, Identifier
from simulators.scenario_times import AtTime, JumpMs

_KEY = re.compile(r"[a-z][a-z0-9_]*/[a-z][a-z0-9_]*(/\S+)?")
_NUMBER = re.compile(r"T-\d{6,}")
_CALL = re.compile(r"(GET|POST|PUT|DELETE) /api/v1/\S+")
_CUT = ("line", "replies", "broker", "cloud")


def _ticket_key(text: str) -> str:
    return text if _NUMBER.fullmatch(text) else _alarm_key(text)


def _alarm_key(text: str) -> str:
    if not _KEY.fullmatch(text):
        raise ValueError(f"{text!r} names no ticket; write EQUIPMENT/RULE, such as incomer_1/low_power_factor")
    return text


def _line(text: str) -> str:
    if text not in _CUT and not re.fullmatch(r"bus [a-z][a-z0-9_]*", text):
        raise ValueError(f"{text!r} cannot be cut; write one of {', '.join(_CUT)}, or bus NAME")
    return text


def _call(text: str) -> str:
    if not _CALL.fullmatch(text):
        raise ValueError(f"{text!r} is no call of the API; write POST /api/v1/… (see /api/v1/openapi.json)")
    return text


TicketKey = Annotated[str, AfterValidator(_ticket_key)]
"""EQUIPMENT/RULE, or the name of a ticket that a person entered."""
AlarmKey = Annotated[str, AfterValidator(_alarm_key)]
Process = Literal["gateway", "cloud"]
PriorityName = Literal["general", "major", "urgent", "life_safety"]
StateName = Literal[
    "new", "dispatched", "acknowledged", "on_site", "in_progress", "on_hold", "resolved", "verified", "closed",
    "cancelled", "merged",
]  # fmt: skip
"""As the cloud names them: a misspelt one is told before anything is played."""
Details = dict[str, Any]


class Step(BaseModel):
    """What every line has."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    at: AtTime


class Lasting(Step):
    """A step that ends by itself after ``lasts``, or at the end of the scenario."""

    lasts: DurationMs | None = None


class Inject(Lasting):
    """A fault comes; with ``lasts`` it is repaired by itself. ``onset`` is how slowly it grows."""

    inject: Identifier
    equipment: Identifier
    onset: DurationMs | None = None


class Clear(Step):
    """A fault is repaired."""

    clear: Identifier
    equipment: Identifier


class Act(Step):
    """Somebody presses a button of a ticket: the newest of its key, or the ``number``-th."""

    act: Identifier
    ticket: TicketKey
    number: int | None = Field(default=None, ge=1)
    by: Identifier = "engineer"
    with_: Details = Field(default={}, alias="with")
    answers: int | None = Field(default=None, ge=200, le=599)
    """Status the cloud must answer; None: that it is done."""


class Call(Step):
    """Any other call of the API. ``{site}`` in the path is the site's id."""

    call: Annotated[str, AfterValidator(_call)]
    by: Identifier = "engineer"
    with_: Details = Field(default={}, alias="with")
    answers: int | None = Field(default=None, ge=200, le=599)


class Settings(Step):
    """A setting is changed: the page's form, through the API."""

    settings: Literal[
        "targets", "calendar", "confirm_year", "chain", "contact", "channel", "duty", "limit", "equipment"
    ]
    name: str = ""
    """Of the calendar."""
    by: Identifier = "manager"
    with_: Details = Field(default={}, alias="with")
    answers: int | None = Field(default=None, ge=200, le=599)


class Shelve(Lasting):
    """An alarm is shelved."""

    shelve: AlarmKey
    reason: str = "works"
    by: Identifier = "engineer"


class OutOfService(Lasting):
    """Equipment is taken out of service."""

    out_of_service: Identifier
    reason: str = "works"
    by: Identifier = "engineer"


class Form(Step):
    """Somebody fills in the form of a periodic test. What ``with`` leaves out is answered well."""

    form: AlarmKey
    by: Identifier = "technician"
    with_: Details = Field(default={}, alias="with")
    answers: int | None = Field(default=None, ge=200, le=599)


class Cut(Lasting):
    """A connection is cut: the line to the cloud, its replies alone, the broker, a bus, or the cloud as a whole."""

    cut: Annotated[str, AfterValidator(_line)]


class Mend(Step):
    """What was cut works again."""

    mend: Annotated[str, AfterValidator(_line)]


class Kill(Lasting):
    """A process dies as in a power cut: only what it had committed remains. It is back after ``lasts``."""

    kill: Process


class Stop(Lasting):
    """A process is stopped in order. It is back after ``lasts``."""

    stop: Process


class Launch(Step):
    """A process that was stopped or killed is started."""

    start: Process


class Restart(Lasting):
    """A process is stopped in order and started again, after ``lasts`` or at once."""

    restart: Process


class ClockJump(Step):
    """The wall clock of a machine jumps; its steady time does not."""

    clock: Process
    jump: JumpMs


class Misbehave(Lasting):
    """A device answers wrongly. ``delay`` is how slow or late; ``every`` spoils each n-th request only."""

    misbehave: Identifier
    device: Identifier
    delay: DurationMs = 0
    every: int = Field(default=1, ge=1)


class Sensor(Lasting):
    """A sensor lies. What goes with the kind stands in ``with``."""

    sensor: Identifier
    device: Identifier
    point: Identifier
    with_: Details = Field(default={}, alias="with")


class ExpectTicket(Step):
    """A look in the middle: the newest ticket of a key, or none."""

    expect_ticket: TicketKey
    number: int | None = Field(default=None, ge=1)
    state: StateName | None = None
    priority: PriorityName | None = None
    occurrences: int | None = None
    past: bool | None = None
    count: int | None = Field(default=None, ge=0)
    """How many tickets of the key there are by now; 0: none."""


class ExpectAlarm(Step):
    """A look in the middle at an alarm, with or without a ticket."""

    expect_alarm: AlarmKey
    state: Literal["active", "cleared", "none"] = "active"


class ExpectValue(Step):
    """A look in the middle at what the cloud shows of a point."""

    expect_value: Identifier
    """The point."""
    equipment: Identifier
    between: tuple[float, float] | None = None
    is_: float | str | bool | None = Field(default=None, alias="is")
    quality: Literal["good", "uncertain", "bad"] | None = None


KINDS: Mapping[str, type[Step]] = {
    "inject": Inject, "clear": Clear, "act": Act, "call": Call, "settings": Settings, "shelve": Shelve,
    "out_of_service": OutOfService, "form": Form, "cut": Cut, "mend": Mend, "kill": Kill, "stop": Stop,
    "start": Launch, "restart": Restart, "clock": ClockJump, "misbehave": Misbehave, "sensor": Sensor,
    "expect_ticket": ExpectTicket, "expect_alarm": ExpectAlarm, "expect_value": ExpectValue,
}  # fmt: skip
"""Verb to its model."""


def verb_of(step: Step) -> str:
    """The key that says what kind of step it is."""
    return next(verb for verb, model in KINDS.items() if type(step) is model)
