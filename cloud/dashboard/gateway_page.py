"""dashboard: gateways and their devices → the rows of their pages: backlog, delay, request plan, last troubles. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from cloud.dashboard import present
from cloud.dashboard.lists import is_heard
from cloud.dashboard.present import DASH, Here
from cloud.dashboard.rows import DeviceRow, GatewayRow
from contract.conventions import EpochMs, instant_ms

LANES: Final = (("events", "outbox_events", "oldest_event_at"), ("samples", "outbox_samples", "oldest_sample_at"))
OFFSET_WARN_MS: Final = 5_000
"""Beyond this the clock is named wrong here; the gateway's own rule on ``clock_offset`` makes the ticket."""
_TROUBLES: Final = 20
_PLAN: Final = re.compile(
    r"(?P<table>\w+) 0x(?P<first>[0-9A-F]+)-0x(?P<last>[0-9A-F]+): (?P<count>\d+) (?:register|bit)s?, (?P<points>\d+) points?, "
    r"(?P<cost>\d+) ms every (?P<every>[\d.e+]+) s"
)
_TOPIC: Final = re.compile(r"topic (?P<topic>.+): (?P<points>\d+) points?, expected every (?P<every>[\d.e+]+) s")
_ICONS: Final = {"degraded": "q-unc", "silent": "q-bad", "not_connected": "q-bad", "not_yet": "q-stale"}


# --- one gateway ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Lane:
    """What waits on the gateway in one lane, and for how long."""

    name: str
    records: str
    age: str
    since: str


@dataclass(frozen=True, slots=True)
class GatewayLine:
    id: str
    state: str
    is_silent: bool
    heard: str
    lanes: tuple[Lane, ...]
    delay: str
    """How old its newest value is."""
    offset: str
    is_offset_wrong: bool
    history: str
    quarantined: str
    version: str
    answering: str
    """12 of 14 devices."""
    are_devices_well: bool
    trouble: str
    """Why the cloud was last not reached, and when."""
    told: str
    """When it last told what waits, where that is old."""


def gateway_line(row: GatewayRow, devices: Sequence[DeviceRow], newest_ms: EpochMs | None, here: Here) -> GatewayLine:
    words, heard = here.words, is_heard(row, here.now)
    well = sum(device.state == "ok" for device in devices)
    offset = row.clock_offset_ms
    return GatewayLine(
        id=row.id, state=state_text(row, here), is_silent=not heard,
        heard=words("live.ago", age=_age(row.last_seen_at, here)) if row.last_seen_at else DASH, lanes=lanes_of(row, here),
        delay=_age(newest_ms, here) if newest_ms is not None else DASH, offset=offset_text(offset),
        is_offset_wrong=offset is not None and abs(offset) > OFFSET_WARN_MS, history=present.number(row.waiting, 0),
        quarantined=present.number(row.quarantined, 0), version=row.version,
        answering=words("gateway.answering", n=well, all=len(devices)) if devices else "", are_devices_well=well == len(devices),
        trouble=trouble_text(row.status, here), told=_told(row, here),
    )  # fmt: skip


def _age(at: EpochMs | None, here: Here) -> str:
    return present.age(max(0, here.now - at) / 1000, here.words) if at is not None else DASH


def state_text(row: GatewayRow, here: Here) -> str:
    words = here.words
    if row.revoked_at is not None:
        return words("gateway.revoked", at=here.when(row.revoked_at))
    if is_heard(row, here.now):
        return words("gateway.online")
    since = row.offline_since or row.last_seen_at
    return words("gateway.silent", at=here.when(since)) if since is not None else words("gateway.never")


def lanes_of(row: GatewayRow, here: Here) -> tuple[Lane, ...]:
    """Nothing for a gateway that has not told of itself yet."""
    if not row.status:
        return ()
    found = []
    for name, count, oldest in LANES:
        at = instant_of(row.status.get(oldest)) or (
            instant_of(row.status.get("oldest_unsent_at")) if row.status.get(count) else None
        )
        records = present.number(int(row.status.get(count) or 0), 0)
        found.append(
            Lane(
                here.words(f"gateway.lane.{name}"),
                records,
                _age(at, here) if at else "",
                here.when(at, seconds=True) if at else "",
            )
        )
    return tuple(found)


def instant_of(text: object) -> EpochMs | None:
    """An instant that a gateway told; None for nothing and for what is none."""
    try:
        return instant_ms(text) if isinstance(text, str) and text else None
    except ValueError:
        return None


def offset_text(offset: int | None) -> str:
    """With its sign: ahead is plus."""
    if offset is None:
        return DASH
    return f"{'+' if offset > 0 else ''}{present.number(offset, 0)}\u00a0ms"


def trouble_text(status: Mapping[str, Any], here: Here) -> str:
    text, at = str(status.get("link_trouble") or ""), instant_of(status.get("link_trouble_at"))
    return f"{here.when(at, seconds=True)} {text}" if text and at is not None else text


def _told(row: GatewayRow, here: Here) -> str:
    at = instant_of(row.status.get("at"))
    is_old = at is not None and here.now - at > 90_000
    return here.words("gateway.told", at=here.when(at, seconds=True)) if at is not None and is_old else ""


# --- buses ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BusLine:
    """One line to devices: how it answers, and how busy its plan keeps it."""

    name: str
    protocol: str
    devices: str
    answered: str
    response: str
    requests: str
    busy: str


def bus_lines(devices: Sequence[DeviceRow], here: Here) -> tuple[BusLine, ...]:
    by_bus = sorted(devices, key=lambda one: (one.bus, one.protocol))
    return tuple(_bus(*key, list(own), here) for key, own in groupby(by_bus, key=lambda one: (one.bus, one.protocol)))


def _bus(bus: str, protocol: str, own: Sequence[DeviceRow], here: Here) -> BusLine:
    words = here.words
    shares = [one.answered_share for one in own if one.answered_share is not None]
    times = [one.response_ms for one in own if one.response_ms is not None]
    plan = [line for one in own for line in plan_lines(one.plan, here) if line.table]
    busy = sum(line.cost_ms / line.every_ms for line in plan if line.every_ms)
    well = sum(one.state == "ok" for one in own)
    return BusLine(
        bus, protocol, words("gateway.answering", n=well, all=len(own)),
        present.with_unit(present.number(sum(shares) / len(shares) * 100, 0), "%", words) if shares else DASH,
        f"{present.number(sum(times) / len(times), 0)}\u00a0ms" if times else DASH,
        present.number(len(plan), 0) if plan else DASH, present.with_unit(present.number(busy * 100, 0), "%", words) if plan else DASH,
    )  # fmt: skip


# --- request plan -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One request: which registers, how many points they fill, how long the line is taken, how often. ``text`` where it is no such line."""

    where: str
    table: str
    count: str
    points: str
    cost: str
    every: str
    cost_ms: float = 0.0
    every_ms: float = 0.0
    text: str = ""


def plan_lines(plan: Sequence[str], here: Here) -> tuple[PlanLine, ...]:
    return tuple(_plan_line(line, here) for line in plan)


def _plan_line(line: str, here: Here) -> PlanLine:
    words = here.words
    if found := _PLAN.fullmatch(line):
        every_ms = float(found["every"]) * 1000
        table = words.or_id("gateway.table", found["table"])
        where = f"0x{found['first']}\u2009–\u20090x{found['last']}" if found["count"] != "1" else f"0x{found['first']}"
        return PlanLine(where, table, found["count"], found["points"], f"{found['cost']}\u00a0ms", present.period(round(every_ms), words),
                        float(found["cost"]), every_ms)  # fmt: skip
    if found := _TOPIC.fullmatch(line):
        return PlanLine(
            found["topic"], "", "", found["points"], "", present.period(round(float(found["every"]) * 1000), words)
        )
    return PlanLine("", "", "", "", "", "", text=line)


# --- devices ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DeviceLine:
    id: str
    model: str
    is_unverified: bool
    bus: str
    address: str
    state: str
    icon: str
    answered: str
    response: str
    last_ok: str
    errors: str
    last_error: str
    every: str
    plan: tuple[PlanLine, ...]
    equipment: tuple[tuple[str, str], ...] = ()
    """Name and address of the page of each piece of equipment it serves."""


def device_line(row: DeviceRow, here: Here, equipment: Sequence[tuple[str, str]] = ()) -> DeviceLine:
    words = here.words
    share = "" if row.answered_share is None else present.with_unit(f"{row.answered_share * 100:.0f}", "%", words)
    return DeviceLine(
        id=row.id, model=row.model_name or row.model, is_unverified=row.status == "unverified",
        bus=f"{row.bus}, {row.protocol}", address=row.address, state=words.or_id("device.state", row.state),
        icon=_ICONS.get(row.state, ""), answered=share,
        response="" if row.response_ms is None else f"{present.number(row.response_ms, 0)}\u00a0ms",
        last_ok="" if row.last_ok_at is None else here.when(row.last_ok_at, seconds=True),
        errors=present.number(row.errors, 0), last_error=row.last_error, every=present.period(row.every_ms, words),
        plan=plan_lines(row.plan, here), equipment=tuple(equipment),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class TroubleLine:
    """What went wrong with a device, when, how often in a row, and what to do."""

    at: str
    device: str
    text: str
    times: str
    cause: str
    remedy: str


def troubles(devices: Sequence[DeviceRow], here: Here, most: int = _TROUBLES) -> tuple[TroubleLine, ...]:
    """Of all these devices, the newest first. A gateway of an earlier release tells no times: its last error stands at the end."""
    timed = [(instant_of(one.get("at")), device.id, one) for device in devices for one in device.recent]
    newest = sorted((row for row in timed if row[0] is not None), key=lambda row: row[0] or 0, reverse=True)
    lines = [_trouble(here.when(at or 0, seconds=True), device, one, here) for at, device, one in newest]
    lines += [
        _trouble("", one.id, {"text": one.last_error}, here) for one in devices if one.last_error and not one.recent
    ]
    return tuple(lines[:most])


def _trouble(at: str, device: str, told: Mapping[str, Any], here: Here) -> TroubleLine:
    words, cause, times = here.words, str(told.get("cause") or ""), int(told.get("times") or 1)
    remedy = f"gateway.do.{cause}"
    return TroubleLine(
        at or DASH, device, str(told.get("text") or ""), words("gateway.times", n=present.number(times, 0)) if times > 1 else "",
        words.or_id("cause", cause) if cause else "", words(remedy) if words.has(remedy) else words("gateway.do.other"),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ReadLine:
    """The last answer to one request, as it came."""

    where: str
    raw: str
    age: str


def reads(row: DeviceRow, here: Here) -> tuple[ReadLine, ...]:
    found = []
    for one in row.reads:
        at = instant_of(one.get("at"))
        found.append(
            ReadLine(
                str(one.get("where") or ""), str(one.get("raw") or ""), here.when(at, seconds=True) if at else DASH
            )
        )
    return tuple(found)


# --- directives -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DirectiveRow:
    kind: str
    body: Mapping[str, Any]
    created_by: str
    created_at: EpochMs
    sent_at: EpochMs | None
    applied_at: EpochMs | None
    applied: bool | None
    reason: str


@dataclass(frozen=True, slots=True)
class DirectiveLine:
    """What the cloud asked the gateway for, and what it answered."""

    at: str
    what: str
    about: str
    by: str
    answer: str
    is_waiting: bool


def directive_line(row: DirectiveRow, here: Here) -> DirectiveLine:
    words = here.words
    about = "/".join(str(row.body[name]) for name in ("equipment", "rule", "limit") if row.body.get(name))
    if row.applied_at is not None:
        key = "done" if row.applied else "refused"
        answer = words(f"gateway.directive.{key}", at=here.when(row.applied_at, seconds=True), reason=row.reason)
    else:
        answer = words("gateway.directive.sent" if row.sent_at else "gateway.directive.waits")
    return DirectiveLine(
        here.when(row.created_at, seconds=True), words.or_id("gateway.directive.kind", row.kind), about, row.created_by,
        answer, row.applied_at is None,
    )  # fmt: skip
