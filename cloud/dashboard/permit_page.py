"""dashboard: a planned outage → its card on the ticket, its line in the list, its notice. Buttons come from the table of steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.dashboard import present, views
from cloud.dashboard.present import Here
from cloud.dashboard.words import Words
from cloud.tickets import permits, permits_service
from cloud.tickets.permits import CLEARANCE, MEASURES, OUT_STAGES, Stage, Step, permit_step
from cloud.tickets.permits_keeper import is_unapplied
from cloud.tickets.ticket import ticket_name

Permit = Mapping[Any, Any]
_MOST_RULES: Final = 6
_PRIMARY: Final = ("ask", "approve_cut", "notify", "cut", "report_done", "approve_restore", "restore", "close")


@dataclass(frozen=True, slots=True)
class Watch:
    """A rule that is not judged while its equipment is out of service."""

    name: str
    severity: str
    clause: str


@dataclass(frozen=True, slots=True)
class ThingLine:
    """A piece of equipment of a permit: where it stands between asked and applied, and what is not watched meanwhile."""

    name: str
    href: str
    state: str
    is_wrong: bool
    is_out: bool
    unwatched: tuple[Watch, ...]
    more: int


@dataclass(frozen=True, slots=True)
class PermitField:
    name: str
    label: str
    kind: str
    is_required: bool
    choices: tuple[tuple[str, str], ...] = ()
    hint: str = ""


@dataclass(frozen=True, slots=True)
class PermitAction:
    id: str
    is_primary: bool
    clause: str
    fields: tuple[PermitField, ...]


@dataclass(frozen=True, slots=True)
class PermitLine:
    """A permit in a list."""

    number: str
    title: str
    stage: str
    css: str
    when: str
    until: str
    note: str
    is_out: bool


async def of_ticket(db: AsyncConnection, number: int, role: str, here: Here) -> dict[str, Any] | None:
    """Everything the card of a permit shows; None for a ticket without one."""
    permit = await permits_service.permit_or_none(db, number)
    if permit is None:
        return None
    things = await permits_service.equipment_of(db, number)
    names = dict(await views.people(db))
    words = here.words
    return {
        "number": ticket_name(number), "href": f"/permits/{ticket_name(number)}",
        "stage": words(f"permit.stage.{permit['stage']}"), "late": late_text(permit, here), "is_out": permit["stage"] in OUT_STAGES,
        "facts": _facts(permit, here), "measures": tuple(measure_text(one, words) for one in permit["measures"]),
        "things": [await thing_line(db, one, here) for one in things], "moments": _moments(permit, names, here),
        "actions": _actions(permit, role, here), "is_notice_needed": permit["is_notice_needed"],
        "may_change": Step.CHANGE in permits.allowed(permit["stage"], role),
        "has_life_safety": bool(permit["watch_instead"]), "waits_for": _waits_for(permit, role, words),
    }  # fmt: skip


def _waits_for(permit: Permit, role: str, words: Words) -> str:
    """Whose turn it is where this reader cannot go on."""
    forward = [row for row in permits.STEPS if permit["stage"] in row.sources and str(row.step) in _PRIMARY]
    if not forward or any(row.step in permits.allowed(permit["stage"], role) for row in forward):
        return ""
    return words("permit.waits_for", role=words(f"role.{forward[0].role}"), step=words(f"permit.act.{forward[0].step}"))


def late_text(permit: Permit, here: Here) -> str:
    """How long it should have been back."""
    if not permits.is_overrun(permit["stage"], permit["until_at"], here.now):
        return ""
    return here.words("permit.overrun", duration=here.since(permit["until_at"]))


def measure_text(name: str, words: Words) -> str:
    """A measure of the list in words; one that was written is shown as written."""
    return words(f"permit.measure.{name}") if name in MEASURES else name


def _facts(permit: Permit, here: Here) -> list[tuple[str, str]]:
    words = here.words
    length = present.duration((permit["until_at"] - permit["from_at"]) / 1000, words)
    found = [
        (words("permit.from"), here.when(permit["from_at"])),
        (words("permit.until"), f"{here.when(permit['until_at'])} ({length})"),
        (words("permit.work"), permit["work"]),
        (words("permit.workers"), permit["workers"]),
        (words("permit.contractor"), permit["contractor"]),
        (words("permit.affected"), permit["affected"]),
        (words("permit.window_reason"), permit["window_reason"]),
        (words("permit.watch_instead"), permit["watch_instead"]),
    ]
    if permit["is_notice_needed"] and permit["notified_at"] is None:
        due = permits.notice_due(permit["from_at"], permit["lead_h"])
        key = "permit.notice_by_late" if due < here.now else "permit.notice_by"
        found.append((words("permit.notice"), words(key, at=here.when(due))))
    return [(label, text) for label, text in found if text]


def _moments(permit: Permit, names: Mapping[str, str], here: Here) -> list[tuple[str, str, str]]:
    """What was done so far: which step, when, by whom."""
    words = here.words
    rows = (
        ("ask", permit["asked_at"], permit["asked_by"]), ("approve_cut", permit["approved_at"], permit["approved_by"]),
        ("notify", permit["notified_at"], permit["notice_how"]), ("cut", permit["cut_at"], ""),
        ("report_done", permit["done_at"], permit["done_by"]),
        ("approve_restore", permit["restore_approved_at"], permit["restore_by"]), ("restore", permit["restored_at"], ""),
    )  # fmt: skip
    return [
        (words(f"permit.was.{step}"), here.when(at), names.get(who, who)) for step, at, who in rows if at is not None
    ]


# --- equipment ----------------------------------------------------------------------------------------------------


async def thing_line(db: AsyncConnection, thing: RowMapping, here: Here) -> ThingLine:
    """One piece of equipment with what became of the wish, and every rule that is silent meanwhile, gravest first."""
    rules = await unwatched(db, thing["site_id"], thing["equipment_id"], here.words)
    return ThingLine(
        name=here.words.text(thing["name"], thing["equipment_id"]),
        href=f"/equipment/{thing['site_id']}/{thing['equipment_id']}", state=thing_state(thing, here),
        is_wrong=is_unapplied(thing, here.now), is_out=bool(thing["out_of_service"]), unwatched=rules[:_MOST_RULES],
        more=max(0, len(rules) - _MOST_RULES),
    )  # fmt: skip


async def unwatched(db: AsyncConnection, site: str, id: str, words: Words) -> tuple[Watch, ...]:
    """The rules of a piece of equipment, gravest first."""
    rules = sorted(await views.rules(db, site, id), key=lambda one: (present.severity_rank(one.severity), one.id))
    return tuple(Watch(words.text(one.name, one.id), one.severity, one.clause) for one in rules)


def thing_state(thing: RowMapping, here: Here) -> str:
    """Asked, not yet applied; applied at; refused because; or marked where no gateway serves it."""
    words, out = here.words, thing["out_of_service"]
    if thing["gateway_id"] is None:
        return words("permit.thing.marked") if out else words("permit.thing.no_gateway")
    if thing["wish"] is None:
        return words("permit.thing.out_anyway") if out else words("permit.thing.in_service")
    kind = "out" if thing["wish"] == "out_of_service" else "back"
    if thing["applied_at"] is None:
        return words(f"permit.thing.{kind}_asked", at=here.when(thing["asked_at"]))
    if not thing["applied"]:
        return words("permit.thing.refused", reason=thing["answer"])
    if kind == "out" and not out:
        return words("permit.thing.ended")
    return words(f"permit.thing.{kind}_applied", at=here.when(thing["applied_at"]))


# --- buttons ------------------------------------------------------------------------------------------------------


def _actions(permit: Permit, role: str, here: Here) -> tuple[PermitAction, ...]:
    """The buttons that the table of steps allows this role in this stage, the next one first."""
    possible = [step for step in permits.allowed(permit["stage"], role) if step is not Step.CHANGE]
    if permit["stage"] == Stage.APPROVED and permit["is_notice_needed"]:
        possible = [step for step in possible if step is not Step.CUT]
    primary = next((name for name in _order(permit) if name in {str(step) for step in possible}), "")
    ordered = sorted(possible, key=lambda step: str(step) != primary)
    return tuple(_action(permit, step, here, is_primary=str(step) == primary) for step in ordered)


def _order(permit: Permit) -> Iterable[str]:
    """What comes next: told already, or nobody to tell, means cutting."""
    is_told = permit["notified_at"] is not None or not permit["is_notice_needed"]
    return [name for name in _PRIMARY if name != "notify"] if is_told else _PRIMARY


def _action(permit: Permit, step: Step, here: Here, *, is_primary: bool) -> PermitAction:
    row, words = permit_step(step), here.words
    fields = [_field(permit, step, name, words) for name in row.needs]
    if step is Step.CUT and _needs_reason(permit, here):
        fields.append(PermitField("reason", words("permit.cut_reason"), "line", is_required=True))
    return PermitAction(str(step), is_primary, row.clause, tuple(fields))


def _needs_reason(permit: Permit, here: Here) -> bool:
    found = permits.cut_objections(permits_service.standing(permit), permit["measures"], "", here.now)
    return any(one.field == "reason" for one in found)


def _field(permit: Permit, step: Step, name: str, words: Words) -> PermitField:
    if name == "checked" and step is Step.CUT:
        choices = tuple((one, measure_text(one, words)) for one in permit["measures"])
        return PermitField(name, words("permit.in_place"), "checks", is_required=True, choices=choices)
    if name == "checked":
        choices = tuple((one, words(f"permit.clear.{one}")) for one in CLEARANCE)
        return PermitField(name, words("permit.made_sure"), "checks", is_required=True, choices=choices)
    kind = {"until": "until", "how": "long", "action": "long"}.get(name, "line")
    labels = {"how": "permit.how", "action": "form.action", "until": "permit.new_end", "reason": "form.reason"}
    return PermitField(name, words(labels[name]), kind, is_required=True)


# --- the list -----------------------------------------------------------------------------------------------------


def line(row: RowMapping, things: Sequence[RowMapping], here: Here) -> PermitLine:
    """A permit in the list of outages."""
    words = here.words
    wrong = [thing for thing in things if row["stage"] in OUT_STAGES and is_unapplied(thing, here.now)]
    late = late_text(row, here)
    note = late or (words("permit.not_applied") if wrong else "")
    return PermitLine(
        number=ticket_name(row["ticket_id"]), title=words.text(row["title"]), stage=words(f"permit.stage.{row['stage']}"),
        css="alert" if note else "", when=here.when(row["from_at"]), until=here.when(row["until_at"]), note=note,
        is_out=row["stage"] in OUT_STAGES,
    )  # fmt: skip
