"""dashboard: who was told of a ticket and who is called next; messages and their failures; calling steps, contacts and channels in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select

from cloud.dashboard import present
from cloud.dashboard.present import Here
from cloud.dashboard.routes_shell import Opened
from cloud.dashboard.words import Words
from cloud.escalation import showing
from cloud.escalation.chain import SHIPPED, Kept, Step, from_plain
from cloud.escalation.contacts import ADDRESS, PERSON
from cloud.escalation.showing import Next
from cloud.storage import tables as t
from contract.conventions import EpochMs, to_ms

LATE_S: Final = 60
PAGE: Final = 100
STATES: Final = ("failed", "nobody", "waiting", "sending", "sent", "superseded", "cancelled")
_ICONS: Final[Mapping[str, str]] = {"sent": "ck-met", "failed": "ck-late", "nobody": "ck-late"}


@dataclass(frozen=True, slots=True)
class Line:
    """One message in a list."""

    id: int
    ticket: str
    when: str
    iso: str
    who: str
    why: str
    state: str
    icon: str
    is_wrong: bool
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ahead:
    """A call that is still to come."""

    when: str
    iso: str
    why: str
    who: str


@dataclass(frozen=True, slots=True)
class Calls:
    """The part of a ticket's page."""

    told: tuple[Line, ...]
    ahead: tuple[Ahead, ...]
    is_nobody: bool
    has_channels: bool


async def of_ticket(o: Opened, number: int) -> Calls:
    """Who was told of this ticket, who is called next and when, and whether nobody could be told."""
    here, state = o.page.here, o.request.app.state
    rows = await showing.notices(o.db, ticket=number, limit=500)
    lines = tuple(line(row, here) for row in reversed(rows))
    ahead = await showing.coming(state.desk, o.db, number, here.now)
    told = tuple(one for one in lines if one.state not in {"superseded", "cancelled"} or one.who)
    return Calls(
        told, tuple(_ahead(one, here) for one in ahead), any(row["state"] == "nobody" for row in rows),
        await showing.has_channels(o.db),
    )  # fmt: skip


def line(row: Mapping[str, Any], here: Here) -> Line:
    """One notice in the reader's words."""
    words = here.words
    at: EpochMs = row["sent_at"] or row["planned_at"]
    return Line(
        id=row["id"], ticket=row["ticket"], when=here.when(at, seconds=True), iso=present.iso(at), who=owner(row["owner"]),
        why=reason(row, words), state=row["state"], icon=_ICONS.get(row["state"], "q-stale" if row["state"] == "waiting" else ""),
        is_wrong=row["state"] in showing.TROUBLE or (row["failed_at"] is not None and row["state"] != "sent"),
        notes=tuple(_notes(row, here)),
    )  # fmt: skip


def reason(row: Mapping[str, Any], words: Words) -> str:
    """Why this call was made: which clock, and what it had reached."""
    if row["trigger"] == "event":
        return words.or_id("calls.event", row["clock"])
    text = present.capital(words(f"calls.why.{row['trigger']}", clock=words.or_id("calls.clock", row["clock"])))
    return f"{text} {words('calls.repeat_n', n=row['repeat'])}" if row["repeat"] else text


def _notes(row: Mapping[str, Any], here: Here) -> list[str]:
    words, late = here.words, showing.late_s(row)
    notes = [words.or_id("calls.because", row["why"])] if row["why"] else []
    if late >= LATE_S and row["state"] == "sent":
        notes.append(words("calls.late", late=present.duration(late, words)))
    if row["via"]:
        notes.append(words("calls.via", via=row["via"]))
    if row["receipt"]:
        notes.append(row["receipt"])
    elif row["error"]:
        notes.append(words("calls.failed_because", why=row["error"], n=row["attempts"]))
    if row["state"] == "waiting" and row["next_at"]:
        notes.append(words("calls.again_at", at=here.when(row["next_at"], seconds=True)))
    if row["is_possible_repeat"]:
        notes.append(words("calls.possible_repeat"))
    return notes


def _ahead(one: Next, here: Here) -> Ahead:
    at = to_ms(one.call.due)
    row = {"trigger": one.call.trigger, "clock": one.call.clock, "repeat": one.call.repeat}
    who = ", ".join(map(owner, one.owners)) or here.words("calls.nobody_yet")
    return Ahead(here.when(at, seconds=True), present.iso(at), reason(row, here.words), who)


def owner(name: str) -> str:
    """A person's or an address's name."""
    return name.removeprefix(PERSON).removeprefix(ADDRESS)


# --- settings -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StepLine:
    """One step of a chain in words."""

    when: str
    whom: str
    more: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChainCard:
    """A chain: the tickets that it binds, its steps in words, and as fields to change."""

    id: int
    bound: str
    values: Mapping[str, str]
    lines: tuple[StepLine, ...]
    steps: tuple[Mapping[str, Any], ...]
    changed: str


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can be told."""

    owner: str
    name: str
    note: str
    channels: tuple[Mapping[str, Any], ...]
    contact: Mapping[str, str]
    may_change: bool


_NO_CONTACT: Final = {"language": "", "zone": "", "quiet_from": "", "quiet_to": ""}


async def people(o: Opened, *, is_manager: bool) -> tuple[Person, ...]:
    """Everybody with what they have, the reader first; only themselves for who may change nobody else."""
    users = (await o.db.execute(select(t.app_user).where(t.app_user.c.disabled_at.is_(None)))).mappings().all()
    channels = (await o.db.execute(select(t.calls.channel).order_by(t.calls.channel.c.position))).mappings().all()
    contacts = {row["owner"]: dict(row) for row in (await o.db.execute(select(t.calls.contact))).mappings()}
    words, me = o.page.here.words, PERSON + o.user.name
    known = [
        (PERSON + user["name"], user["display_name"] or user["name"], words.or_id("role", user["role"]))
        for user in users
    ]
    held = dict.fromkeys(row["owner"] for row in [*channels, *contacts.values()])
    known += [(name, owner(name), words("calls.address")) for name in held if name.startswith(ADDRESS)]
    found = [
        Person(
            name, shown, note, tuple(_channel(row, o.page.here) for row in channels if row["owner"] == name),
            {**_NO_CONTACT, **contacts.get(name, {})}, may_change=True,
        )
        for name, shown, note in known if is_manager or name == me
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda one: (one.owner != me, one.owner.startswith(ADDRESS), one.name)))


def _channel(row: Mapping[Any, Any], here: Here) -> dict[str, Any]:
    """A channel without its secret."""
    is_broken = row["last_failed_at"] is not None and row["last_failed_at"] > (row["last_ok_at"] or 0)
    words = here.words
    if is_broken:
        state = words("calls.channel_failed", at=here.when(row["last_failed_at"]), why=row["last_error"])
    elif row["last_ok_at"]:
        state = words("calls.channel_ok", at=here.when(row["last_ok_at"]))
    else:
        state = words("calls.channel_new")
    return {"id": row["id"], "label": row["label"], "state": state, "is_broken": is_broken}


async def chains(o: Opened) -> tuple[ChainCard, ...]:
    """The site's own chains, then those that are shipped."""
    here = o.page.here
    own = (await o.db.execute(select(t.calls.chain).order_by(t.calls.chain.c.id))).mappings().all()
    cards = [
        card(
            Kept(from_plain(row["steps"]), row["site_id"], row["kind"], row["priority"], row["emergency"]), here, row["id"],
            here.words("calls.changed", at=here.when(row["changed_at"]), who=row["changed_by"]),
        )
        for row in own
    ]  # fmt: skip
    return (*cards, *(card(one, here, 0, here.words("calls.shipped")) for one in SHIPPED))


def card(kept: Kept, here: Here, number: int, changed: str) -> ChainCard:
    """One chain in words."""
    words = here.words
    named = (
        words.or_id("emergency", kept.emergency) if kept.emergency else "",
        words.or_id("priority", kept.priority) if kept.priority else "",
        words.or_id("kind", kept.kind) if kept.kind else "", kept.site,
    )  # fmt: skip
    bound = present.capital(", ".join(filter(None, named))) or words("calls.every_ticket")
    values = {"site_id": kept.site, "kind": kept.kind, "priority": kept.priority, "emergency": kept.emergency}
    lines = tuple(step_line(step, words) for step in kept.steps)
    return ChainCard(number, bound, values, lines, tuple(fields(step) for step in kept.steps), changed)


def step_line(step: Step, words: Words) -> StepLine:
    """``When response is overdue — manager — every 30 min, 3 times``."""
    clock = words.or_id("calls.clock", step.clock)
    when = (
        words.or_id("calls.event", step.event) if step.trigger == "event"
        else words(f"calls.when.{step.trigger}", clock=clock, share=f"{step.share:.0%}")
    )  # fmt: skip
    if step.after:
        when = words("calls.after", when=when, later=present.duration(step.after.total_seconds(), words))
    more = []
    if step.repeat_every and step.repeats:
        every = present.duration(step.repeat_every.total_seconds(), words)
        more.append(words("calls.every", every=every, n=step.repeats))
    if step.by:
        more.append(words("calls.only_by", by=", ".join(step.by)))
    if step.until:
        more.append(words(f"calls.until.{step.until}"))
    return StepLine(when, ", ".join(whom(one, words) for one in step.whom), tuple(more))


def whom(one: str, words: Words) -> str:
    """Whom a step calls, in words."""
    if one in {"holder", "watchers"}:
        return words(f"calls.whom.{one}")
    return words.or_id("role", one.removeprefix("role:")) if one.startswith("role:") else owner(one)


def fields(step: Step) -> dict[str, Any]:
    """A step as the form shows it; durations in minutes."""
    return {
        "when": f"{step.event}" if step.trigger == "event" else f"{step.clock}/{step.trigger}", "share": f"{step.share:.0%}".rstrip("%"),
        "after": _minutes(step.after.total_seconds()), "whom": ", ".join(step.whom), "by": ", ".join(step.by),
        "every": _minutes(step.repeat_every.total_seconds()) if step.repeat_every else "", "repeats": step.repeats or "",
        "until": step.until,
    }  # fmt: skip


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:g}" if seconds else ""


def duties(rows: Sequence[Mapping[str, Any]], words: Words) -> list[tuple[str, str, str]]:
    """Site, duty and who holds it."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        found.setdefault((row["site_id"], row["role"]), []).append(owner(row["owner"]))
    return [
        (site or words("calls.every_site"), words.or_id("role", role), ", ".join(names))
        for (site, role), names in found.items()
    ]
