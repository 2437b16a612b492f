"""dashboard: a ticket, its clocks and its timeline → the ticket page. Pure. Every due time shows its sum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cloud.dashboard import present
from cloud.dashboard.clocks import ORDER, Clock, clock
from cloud.dashboard.present import Here
from cloud.dashboard.rows import DeadlineRow, TicketRow, TimelineRow
from cloud.dashboard.words import Words
from cloud.sla.conflicts import CONFLICTS
from cloud.sla.timeline import Deadline, Line
from contract.conventions import to_ms

Sum = tuple[Deadline, tuple[Line, ...]]
LATE_NEWS_MS: Final = 10_000
"""News of an alarm that took longer than this to arrive is said to be late."""


# --- three clocks and how they add up ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a clock's track, in per cent of its width."""

    kind: str
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class BigClock:
    clock: Clock
    track: tuple[Part, ...]
    now: float | None
    held: str


def deadline_row(deadline: Deadline) -> DeadlineRow:
    """A clock just derived from its timeline, in the shape in which lists read the stored ones."""
    return DeadlineRow(
        clock=deadline.clock, target_s=round(deadline.length.total_seconds()), start_at=to_ms(deadline.start),
        due_at=to_ms(deadline.due) if deadline.due else None, state=deadline.state,
        met_at=to_ms(deadline.stopped_at) if deadline.stopped_at else None,
        breached_at=to_ms(deadline.breached_at) if deadline.breached_at else None,
        used_s=deadline.used.total_seconds(), calendar=deadline.target.calendar, clause=deadline.target.clause,
        source=deadline.target.source, activation=deadline.activation,
    )  # fmt: skip


def newest(sums: Sequence[Sum]) -> list[Sum]:
    """The clocks of the newest activation, in the fixed order."""
    latest: dict[str, Sum] = {}
    for one in sums:
        known = latest.get(one[0].clock)
        if known is None or one[0].activation >= known[0].activation:
            latest[one[0].clock] = one
    return [latest[kind] for kind in ORDER if kind in latest]


def big_clocks(sums: Sequence[Sum], here: Here) -> tuple[BigClock, ...]:
    return tuple(_big(deadline, lines, here) for deadline, lines in newest(sums))


def _big(deadline: Deadline, lines: Sequence[Line], here: Here) -> BigClock:
    shown = clock(deadline_row(deadline), here)
    held = sum(line.wall.total_seconds() for line in lines if line.kind == "held")
    text = f"{here.words('sumstate.held')} {present.duration(held, here.words)}" if held else ""
    track, now = _track(deadline, lines, here.now)
    return BigClock(shown, track, now, text)


def _track(deadline: Deadline, lines: Sequence[Line], now: int) -> tuple[tuple[Part, ...], float | None]:
    """Running and held stretches over the time from start to due, and where now is."""
    start = to_ms(deadline.start)
    due = to_ms(deadline.due) if deadline.due else None
    held = sum(line.wall.total_seconds() for line in lines if line.kind == "held") * 1000
    length = max(1.0, (due - start) if due else deadline.length.total_seconds() * 1000 + held)
    parts = [_part(line, start, length) for line in lines if line.kind in {"running", "held", "late", "resolved"}]
    is_over = deadline.stopped_at is not None or deadline.breached_at is not None
    at = None if is_over else round(min(99.0, (now - start) / length * 100), 2)
    return tuple(part for part in parts if part.width > 0), at


def _part(line: Line, start: int, length: float) -> Part:
    x = min(100.0, (to_ms(line.start) - start) / length * 100)
    width = min(100.0 - x, line.wall.total_seconds() * 1000 / length * 100)
    return Part("run" if line.kind in {"running", "late"} else "hold", round(x, 2), round(max(0.0, width), 2))


@dataclass(frozen=True, slots=True)
class SumLine:
    start: str
    end: str
    kind: str
    icon: str
    state: str
    why: str
    wall: str
    counts: str
    used: str


@dataclass(frozen=True, slots=True)
class SumTable:
    title: str
    facts: tuple[str, ...]
    lines: tuple[SumLine, ...]
    total: str
    wall: str
    counts: str
    foot: str = ""


_LATE_WHY: Final = "timeline.news_late_why"
_SUM_ICONS: Final = {"running": "ck-run", "held": "ck-hold", "late": "ck-late", "resolved": "ck-met"}


def sum_table(one: Sum, ticket: TicketRow, here: Here) -> SumTable:
    """How one clock's time adds up: a line per interval, the last line is the target."""
    deadline, lines = one
    words = here.words
    facts = [words("ticket.policy", policy=deadline.version or ticket.policy)] if ticket.policy else []
    if deadline.target.calendar:
        facts.append(words("ticket.calendar", calendar=deadline.target.calendar))
    facts += [text for text in (deadline.target.clause, deadline.target.source) if text][:1]
    if conflict := CONFLICTS.get(deadline.target.conflict):
        facts.append(f"{words('targets.disagree')}: {words.text(conflict.chosen)}")
    counted = sum(line.counts.total_seconds() for line in lines)
    return SumTable(
        title=words("ticket.sum", clock=words(f"clock.{deadline.clock}.name").lower()), facts=tuple(facts),
        lines=tuple(_sum_line(line, index, here) for index, line in enumerate(lines)), total=_total(deadline, here),
        wall=present.exact(sum(line.wall.total_seconds() for line in lines)), counts=present.exact(counted),
        foot=_news(ticket, here) if deadline.clock == "resolution" else "",
    )  # fmt: skip


def _sum_line(line: Line, index: int, here: Here) -> SumLine:
    words = here.words
    why = line.why or words(f"timeline.sum.{'opened' if index == 0 and line.kind == 'running' else line.kind}")
    if line.cause:
        named = words.text(line.names)
        why = words(f"cause_closed.{line.cause}") + (f" {named}" if named else "")
    return SumLine(
        start=here.when(to_ms(line.start), seconds=True), end=here.when(to_ms(line.end), seconds=True), kind=line.kind,
        icon=_SUM_ICONS.get(line.kind, ""), state=words(f"sumstate.{line.kind}"), why=why,
        wall=present.exact(line.wall.total_seconds()), counts=present.exact(line.counts.total_seconds()),
        used=present.exact(line.used.total_seconds()),
    )  # fmt: skip


def _total(deadline: Deadline, here: Here) -> str:
    words = here.words
    target = present.exact(deadline.length.total_seconds())
    if deadline.stopped_at is not None:
        return words("ticket.sum_met", at=here.when(to_ms(deadline.stopped_at), seconds=True), target=target)
    if deadline.due is None:
        return words("ticket.sum_held", target=target)
    return words("ticket.sum_due", at=here.when(to_ms(deadline.due), seconds=True), target=target)


def _news(ticket: TicketRow, here: Here) -> str:
    """When the fault began, and how late the news of it came."""
    if ticket.began_at is None or ticket.raised_at is None:
        return ""
    began, raised = here.when(ticket.began_at, seconds=True), here.when(ticket.raised_at, seconds=True)
    late_ms = (ticket.received_at or ticket.raised_at) - ticket.raised_at
    if late_ms < LATE_NEWS_MS:
        return here.words("ticket.news_now", began=began, raised=raised)
    return here.words("ticket.news", began=began, late=present.duration(late_ms / 1000, here.words))


# --- timeline ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Moment:
    at: str
    iso: str
    kind: str
    css: str
    title: str
    details: tuple[str, ...]


_FAULT_KINDS: Final = frozenset({"activated", "recurred", "cleared"})


@dataclass(frozen=True, slots=True)
class Story:
    """A ticket's timeline with what explains it: the first alarm's rule and terms, and how people are called."""

    ticket: TicketRow
    lines: Sequence[TimelineRow]
    condition: str
    seen: str
    on_delay_ms: int
    names: Mapping[str, str]


def moments(story: Story, here: Here) -> tuple[Moment, ...]:
    """The timeline, oldest first, headed by what the machine saw before the ticket was opened."""
    return (*_before(story, here), *(_moment(line, story, here) for line in story.lines))


def _before(story: Story, here: Here) -> list[Moment]:
    words, ticket = here.words, story.ticket
    css = f"fault sev-{present.css(ticket.severity)}"
    found = []
    if ticket.began_at is not None and story.condition:
        title = words("timeline.began", condition=story.condition)
        found.append(Moment(here.when(ticket.began_at, seconds=True), present.iso(ticket.began_at), "began", css, title,
                            (story.seen,) if story.seen else ()))  # fmt: skip
    if ticket.raised_at is not None and story.condition:
        delay = present.duration(story.on_delay_ms / 1000, words)
        details = (words("timeline.after_delay", delay=delay),) if story.on_delay_ms else ()
        found.append(Moment(here.when(ticket.raised_at, seconds=True), present.iso(ticket.raised_at), "alarm_raised", css,
                            words("timeline.alarm_raised"), details))  # fmt: skip
    return found


def _moment(line: TimelineRow, story: Story, here: Here) -> Moment:
    words, ticket = here.words, story.ticket
    what = words.or_id("timeline", line.kind)
    if line.kind == "breached":
        what = words("timeline.breached", clock=words(f"clock.{line.data.get('clock', 'response')}.name"))
    if line.kind == "warned":
        name, share = words(f"clock.{line.data['clock']}.name"), f"{line.data['share']:.0%}"
        what = words("timeline.warned", clock=name, share=share)
    if line.kind == "retargeted":
        what = words("timeline.retargeted", version=str(line.data.get("policy", "")))
    actor = story.names.get(line.actor, line.actor) if line.actor_kind == "person" else ""
    title = words("timeline.by", actor=actor, what=what) if actor else what
    if line.actor_kind == "contractor":
        title = words("timeline.contractor", actor=line.actor, what=what)
    return Moment(here.when(line.at, seconds=True), present.iso(line.at), line.kind, _css(line, ticket),
                  present.capital(title), _details(line.data, story.names, here))  # fmt: skip


def _css(line: TimelineRow, ticket: TicketRow) -> str:
    if line.kind == "held":
        return "hold"
    if line.kind in _FAULT_KINDS:
        return f"fault sev-{present.css(ticket.severity)}"
    return "human" if line.actor_kind in {"person", "contractor"} else ""


def _details(data: Mapping[str, Any], names: Mapping[str, str], here: Here) -> tuple[str, ...]:
    """What was said with it, in the order in which people read it."""
    words = here.words
    found = [
        str(data[key]) for key in ("name", "equipment", "cause", "action", "reason", "how", "note") if data.get(key)
    ]
    if data.get("asked"):
        found += [words("timeline.asked", who=data["asked"]), str(data.get("answer", ""))]
    if data.get("holder"):
        found.append(f"{words('ticket.holder')}: {names.get(str(data['holder']), data['holder'])}")
    if data.get("priority"):
        found.append(words("ticket.priority_is", priority=words.or_id("priority", str(data["priority"]))))
    if isinstance(data.get("until"), int):
        found.append(f"{words('form.until')} {here.when(data['until'])}")
    if isinstance(data.get("entered_at"), int):
        found.append(words("timeline.reported", at=here.when(data["entered_at"], seconds=True)))
    return (*found, *_joined(data, words), *_moved(data, here), *_news_details(data, here))


def _moved(data: Mapping[str, Any], here: Here) -> list[str]:
    """The due instants that a line has moved, before and after."""
    words, moves = here.words, data.get("due")
    none = words("timeline.not_due")
    return [
        words(
            "timeline.moved", clock=words(f"clock.{clock.partition(':')[0]}.name"),
            before=here.when(at["before"]) if at["before"] else none, after=here.when(at["after"]) if at["after"] else none,
        )
        for clock, at in (moves.items() if isinstance(moves, dict) else ())
    ]  # fmt: skip


def _joined(data: Mapping[str, Any], words: Words) -> list[str]:
    """Which other tickets a line is about."""
    named = [str(data[key]) for key in ("into", "ticket", "parent", "merged") if data.get(key)]
    named += [str(name) for key in ("tickets", "children") for name in data.get(key, ())]
    if data.get("other"):
        relation = words.or_id("relation", str(data.get("relation", "related")))
        named.append(words("timeline.relation_is", relation=relation, ticket=data["other"]))
    return named


def _news_details(data: Mapping[str, Any], here: Here) -> list[str]:
    """How late the news came and why, and which event told it."""
    words, found = here.words, []
    if isinstance(data.get("news_late_ms"), int) and data["news_late_ms"] >= LATE_NEWS_MS:
        found.append(words("timeline.news_late", late=present.duration(data["news_late_ms"] / 1000, words)))
    if data.get("news_late_why"):
        times = {key: here.when(data[key]) for key in ("silent_from", "silent_until") if key in data}
        found.append(words(f"{_LATE_WHY}.{data['news_late_why']}", **times))
    if data.get("event"):
        found.append(words("timeline.event", event=data["event"]))
    return found
