"""Permit: a planned outage's stages, and the one table that says which step takes it where and who may take it (pure).

Buttons, API, tests and documentation are derived from ``STEPS``. A permit is the working part of a ticket of kind
``outage``; the ticket's own state follows from the stage.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

from cloud.sla.calendar import Calendar, elapsed
from cloud.tickets.ticket import Role, State
from contract.conventions import EpochMs, from_ms


class Stage(enum.StrEnum):
    """Where a permit is."""

    DRAFTED = "drafted"
    ASKED = "asked"
    APPROVED = "approved"
    NOTIFIED = "notified"
    CUT = "cut"
    """Power, water or the equipment is off: it is out of service."""
    DONE = "done"
    """The work is reported done; still off."""
    RESTORE_APPROVED = "restore_approved"
    RESTORED = "restored"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"


class Step(enum.StrEnum):
    """What a person does to a permit."""

    CHANGE = "change"
    ASK = "ask"
    APPROVE_CUT = "approve_cut"
    REFUSE_CUT = "refuse_cut"
    NOTIFY = "notify"
    CUT = "cut"
    EXTEND = "extend"
    REPORT_DONE = "report_done"
    APPROVE_RESTORE = "approve_restore"
    REFUSE_RESTORE = "refuse_restore"
    RESTORE = "restore"
    CLOSE = "close"
    WITHDRAW = "withdraw"


@dataclass(frozen=True, slots=True)
class PermitStep:
    """One row of the table. ``to`` None keeps the stage; ``entry`` is the kind of the timeline's new line."""

    step: Step
    sources: tuple[Stage, ...]
    to: Stage | None
    role: Role
    """The least role that may; every later role may too."""
    entry: str
    needs: tuple[str, ...] = ()
    """What must be given with it."""
    clause: str = ""
    """The clause that asks for this step."""


G, P, R = Stage, Step, Role
OUT_STAGES: tuple[Stage, ...] = (G.CUT, G.DONE, G.RESTORE_APPROVED)
"""While a permit is here its equipment is out of service."""
COMING_STAGES: tuple[Stage, ...] = (G.DRAFTED, G.ASKED, G.APPROVED, G.NOTIFIED)
OVER_STAGES: tuple[Stage, ...] = (G.CLOSED, G.WITHDRAWN)

STEPS: tuple[PermitStep, ...] = (
    PermitStep(P.CHANGE, (G.DRAFTED,), None, R.ENGINEER, "permit_changed"),
    PermitStep(P.ASK, (G.DRAFTED,), G.ASKED, R.ENGINEER, "permit_asked", (), "n-5.5.3"),
    PermitStep(P.APPROVE_CUT, (G.ASKED,), G.APPROVED, R.MANAGER, "permit_cut_approved", (), "h-5.3.1-auth"),
    PermitStep(P.REFUSE_CUT, (G.ASKED,), G.DRAFTED, R.MANAGER, "permit_cut_refused", ("reason",), "h-5.3.1-auth"),
    PermitStep(P.NOTIFY, (G.APPROVED, G.NOTIFIED), G.NOTIFIED, R.ENGINEER, "permit_notified", ("how",), "h-5.3.1-notice"),
    PermitStep(P.CUT, (G.APPROVED, G.NOTIFIED), G.CUT, R.ENGINEER, "permit_cut", ("checked",), "o-outage-safety"),
    PermitStep(P.EXTEND, OUT_STAGES, None, R.MANAGER, "permit_extended", ("until", "reason"), "o-outage-planned"),
    PermitStep(P.REPORT_DONE, (G.CUT,), G.DONE, R.TECHNICIAN, "permit_done", ("action",)),
    PermitStep(
        P.APPROVE_RESTORE, (G.DONE,), G.RESTORE_APPROVED, R.MANAGER, "permit_restore_approved", ("checked",),
        "h-5.3.1-auth",
    ),
    PermitStep(
        P.REFUSE_RESTORE, (G.DONE, G.RESTORE_APPROVED), G.CUT, R.MANAGER, "permit_restore_refused", ("reason",),
        "h-5.3.1-auth",
    ),
    PermitStep(P.RESTORE, (G.RESTORE_APPROVED,), G.RESTORED, R.ENGINEER, "permit_restored", (), "h-5.3.1-notice"),
    PermitStep(P.CLOSE, (G.RESTORED,), G.CLOSED, R.ENGINEER, "closed"),
    PermitStep(
        P.WITHDRAW, COMING_STAGES, G.WITHDRAWN, R.ENGINEER, "cancelled", ("reason",),
    ),
)  # fmt: skip
_BY_STEP: Mapping[Step, PermitStep] = {row.step: row for row in STEPS}
TICKET_STATES: Mapping[Stage, State] = {
    G.DRAFTED: State.NEW, G.ASKED: State.NEW, G.APPROVED: State.ACKNOWLEDGED, G.NOTIFIED: State.ACKNOWLEDGED,
    G.CUT: State.IN_PROGRESS, G.DONE: State.IN_PROGRESS, G.RESTORE_APPROVED: State.IN_PROGRESS,
    G.RESTORED: State.RESOLVED, G.CLOSED: State.CLOSED, G.WITHDRAWN: State.CANCELLED,
}  # fmt: skip
"""The ticket's state of each stage."""

MEASURES: tuple[str, ...] = (
    "isolated", "locked", "tagged", "tested_dead", "earthed", "barriers", "ppe", "second_person", "fire_watch",
)  # fmt: skip
"""Safety measures to choose from (o-outage-safety, n-5.5.1); anything else is written in words."""
CLEARANCE: tuple[str, ...] = ("people_clear", "tools_clear", "earths_removed", "guards_back")
"""What whoever approves restoring has made sure of."""
WARN_MS = 1_800_000
"""So long before the planned end the ticket says that it nears."""
PATIENCE_MS = 300_000
"""A gateway that has not applied a wish after so long is noted on the ticket."""
LONGEST_MS = 31 * 86_400_000
"""A permit for longer than this is several permits."""
LEAD_H = 24
"""Hours of notice unless said otherwise. The clauses say "beforehand" and set no figure."""


def permit_step(step: Step) -> PermitStep:
    """The row of a step."""
    return _BY_STEP[step]


def allowed(stage: Stage | str, role: Role | str) -> tuple[Step, ...]:
    """What a person of this role may do to a permit in this stage, in the table's order."""
    return tuple(row.step for row in STEPS if stage in row.sources and Role(role).rank >= row.role.rank)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a permit says before anything is done, as far as decisions need it. Instants in epoch ms."""

    from_at: EpochMs
    until_at: EpochMs
    work: str
    measures: Sequence[str]
    is_notice_needed: bool
    lead_h: int
    window_reason: str
    watch_instead: str


@dataclass(frozen=True, slots=True)
class Site:
    """What the equipment makes of a plan."""

    zone: str
    systems: frozenset[str]
    has_life_safety: bool
    """A rule that guards life stops being watched, or the equipment belongs to the fire system."""


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a plan or a step is not possible as it is: the field to change, what is wrong, what to do."""

    field: str
    what: str
    remedy: str
    code: str = "invalid"


def objections(plan: Plan, site: Site, now: EpochMs) -> list[Objection]:
    """Everything that is wrong with a draft, at once."""
    found = []
    if plan.until_at <= plan.from_at:
        found.append(Objection("until", "the outage would end before it begins", "give a later end"))
    elif plan.until_at <= now:
        found.append(Objection("until", "the planned end has passed", "give an end that lies ahead"))
    elif plan.until_at - plan.from_at > LONGEST_MS:
        found.append(Objection("until", "no outage is planned for more than 31 days", "draft one permit for each part"))
    if not plan.work.strip():
        found.append(Objection("work", "the work is not described", "say what is to be done"))
    if not plan.measures:
        found.append(
            Objection("measures", "no safety measure is named (o-outage-safety)", "choose or write at least one")
        )
    if site.has_life_safety and not plan.watch_instead.strip():
        remedy = "say who or what watches instead while it is out of service"
        found.append(Objection("watch_instead", "something that protects life will not be watched", remedy))
    if not found and not plan.window_reason.strip() and needs_window_reason(plan, site):
        remedy = "choose an evening, a night or a weekend, or say why not"
        found.append(Objection("window_reason", "it lies in office hours (o-outage-window)", remedy))
    return found


def needs_window_reason(plan: Plan, site: Site) -> bool:
    """Whether power is to be cut in office hours: then the reason is recorded (o-outage-window)."""
    if "power" not in site.systems:
        return False
    inside = elapsed(from_ms(plan.from_at), from_ms(plan.until_at), _office(site.zone), ())
    return inside > timedelta(0)


@cache
def _office(zone: str) -> Calendar:
    """Office hours, Monday to Friday 09:00 to 18:00: what the clause's "off-hours" leaves out."""
    days = ("mon", "tue", "wed", "thu", "fri")
    return Calendar.from_dict({"tz": zone, "week": {day: [["09:00", "18:00"]] for day in days}})


def needs_four_eyes(systems: frozenset[str] | set[str]) -> bool:
    """Whether who asks may not approve: switching power has its own approval (h-5.3.1-auth), fire protection likewise."""
    return bool({"power", "fire"} & set(systems))


def notice_due(from_at: EpochMs, lead_h: int) -> EpochMs:
    """Until when occupants are to be told, in epoch ms."""
    return from_at - lead_h * 3_600_000


@dataclass(frozen=True, slots=True)
class Standing:
    """A permit as it stands, as far as cutting needs it."""

    from_at: EpochMs
    until_at: EpochMs
    is_notice_needed: bool
    lead_h: int
    notified_at: EpochMs | None
    measures: Sequence[str]


def cut_objections(standing: Standing, checked: Sequence[str], reason: str, now: EpochMs) -> list[Objection]:
    """Why it may not be cut now. A reason lets pass what occupants can live with, never what is missing."""
    if now >= standing.until_at:
        remedy = "withdraw this permit and draft a new one"
        return [Objection("", "the planned time is over", remedy, "over")]
    if standing.is_notice_needed and standing.notified_at is None:
        return [Objection("", "occupants were not told yet (o-outage-planned)", "record the notice first", "notice")]
    missing = [one for one in standing.measures if one not in checked]
    if missing:
        what = f"not in place: {', '.join(missing)} (o-outage-safety)"
        return [Objection("checked", what, "put every measure of the permit in place and tick it")]
    found = []
    if now < standing.from_at and not reason.strip():
        found.append(Objection("reason", "it is earlier than what was planned and told", "wait, or say why"))
    elif is_short_notice(standing) and not reason.strip():
        what = f"occupants were told less than {standing.lead_h} h before"
        found.append(Objection("reason", what, "say why it cannot wait"))
    return found


def is_short_notice(standing: Standing) -> bool:
    """Whether occupants heard later than the permit's lead time."""
    told = standing.notified_at
    return told is not None and standing.is_notice_needed and told > notice_due(standing.from_at, standing.lead_h)


def is_overrun(stage: str, until_at: EpochMs, now: EpochMs) -> bool:
    """Whether it should have been back by now."""
    return stage in OUT_STAGES and now > until_at


def next_look(stage: str, until_at: EpochMs, cut_at: EpochMs | None, now: EpochMs) -> EpochMs | None:
    """When somebody has to look at the clock again for this permit; None: the clock says nothing more."""
    if stage in OUT_STAGES:
        instants = [until_at - WARN_MS, until_at + 1, (cut_at or now) + PATIENCE_MS]  # at its end it is not late yet
        return min((at for at in instants if at > now), default=None)
    if stage in {Stage.APPROVED, Stage.NOTIFIED} and until_at > now:
        return until_at
    return None
