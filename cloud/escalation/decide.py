"""Escalation: from a ticket's calls and the notices there are already, what has to be written now (pure).

A call is one moment of a step; a notice is one message of a call to one owner. A call whose step reaches nobody is passed on: to the
whom of the next step of the same clock, then to every administrator, and last to a notice without an owner, which every page shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from cloud.escalation.chain import Call, Step

NIGHT = (time(22), time(7))
"""When a ticket marked as past calls nobody, by the site's wall clock."""
ADMINS = "role:admin"
Row = Mapping[str, object]
Whom = Callable[[Step], tuple[str, ...]]
"""The owners of a step who can be told: those with a channel."""


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours in which somebody is not disturbed; they may cross midnight."""

    start: time
    end: time
    zone: str = "UTC"

    def over_at(self, now: datetime) -> datetime:
        """``now``, or the end of the quiet hours in which it lies."""
        local = now.astimezone(ZoneInfo(self.zone))
        clock = local.time()
        if self.start <= self.end:
            is_quiet, later = self.start <= clock < self.end, 0
        else:
            is_quiet, later = clock >= self.start or clock < self.end, int(clock >= self.start)
        if not is_quiet:
            return now
        end = datetime.combine(local.date() + timedelta(days=later), self.end, ZoneInfo(self.zone))
        return max(now, end.astimezone(now.tzinfo))


@dataclass(frozen=True, slots=True)
class Manners:
    """When whom may be told: ``quiet`` by owner; ``is_past`` and ``is_life_safety`` of the ticket."""

    quiet: Mapping[str, Quiet]
    site_zone: str
    is_past: bool = False
    is_life_safety: bool = False

    def earliest(self, owner: str, now: datetime) -> datetime:
        """From when on an owner may be told."""
        at = Quiet(*NIGHT, self.site_zone).over_at(now) if self.is_past else now
        quiet = self.quiet.get(owner)
        return at if quiet is None or (self.is_life_safety and not self.is_past) else quiet.over_at(at)


@dataclass(frozen=True, slots=True)
class Written:
    """A notice as it stands in the database."""

    id: int
    call: tuple[str, int, int, int]
    owner: str
    state: str
    due: datetime
    failed_at: datetime | None = None
    not_before: datetime | None = None

    def is_waiting_beyond(self, at: datetime) -> bool:
        """Whether quiet hours alone, which are over at ``at``, still keep it."""
        return (
            self.state == "waiting" and self.failed_at is None and self.not_before is not None and at < self.not_before
        )

    @property
    def has_failed(self) -> bool:
        """Whether it reached nobody although it was tried on every channel, or had nobody to reach."""
        return self.state not in {"sent", "cancelled", "superseded"} and (self.failed_at is not None or not self.owner)


@dataclass(frozen=True, slots=True)
class New:
    """A notice to write. Without an owner it is a note for the record: ``state`` says which."""

    call: Call
    owner: str
    state: str
    why: str = ""
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What one look at a ticket comes to."""

    new: tuple[New, ...] = ()
    ended: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    """Notices that need not be sent any more: id to new state and why."""
    revived: Mapping[int, datetime] = field(default_factory=dict)
    """Notices that were cancelled and are wanted again (the ticket was reopened), and those that need not wait so long any more
    (the ticket is past no more): id to when they may be sent."""
    next_call: datetime | None = None


def decide(
    calls: Sequence[Call],
    written: Sequence[Written],
    numbered: Sequence[tuple[int, Step]],
    whom: Whom,
    manners: Manners,
    now: datetime,
) -> Decision:
    """What to write now. Only the latest due call of each clock is made; older ones nobody made in time are noted as superseded."""
    by_call: dict[tuple[str, int, int, int], list[Written]] = {}
    for row in written:
        by_call.setdefault(row.call, []).append(row)
    reached = [call for call in calls if call.due <= now and call.was_wanted]
    fresh = [call for call in reached if call.key not in by_call]
    new = [*_new(fresh, numbered, whom, manners, now), *_passed_on(reached, by_call, numbered, whom, manners, now)]
    ahead = [call.due for call in calls if call.due > now and call.is_live]
    return Decision(
        new=tuple(new),
        ended=_ended(calls, written, new),
        revived=dict(_revived(reached, by_call, manners, now)),
        next_call=min(ahead, default=None),
    )


def _new(
    fresh: Sequence[Call],
    numbered: Sequence[tuple[int, Step]],
    whom: Whom,
    manners: Manners,
    now: datetime,
) -> Iterator[New]:
    latest: dict[tuple[str, int], datetime] = {}
    for call in fresh:
        if call.is_live:
            latest[call.group] = max(latest.get(call.group, call.due), call.due)
    for call in fresh:
        if not call.is_live:
            yield New(call, "", "cancelled", "stopped")
        elif call.due < latest[call.group]:
            yield New(call, "", "superseded", "later_step")
        else:
            yield from _told(call, (), numbered, whom, manners, now)


def _told(
    call: Call,
    before: Sequence[str],
    numbered: Sequence[tuple[int, Step]],
    whom: Whom,
    manners: Manners,
    now: datetime,
) -> Iterator[New]:
    """A notice for each owner of the first step, from the call's own on, that has somebody not asked yet."""
    own = next((step for number, step in numbered if number == call.step), None)
    later = [step for number, step in numbered if number > call.step and own is not None and step.group == own.group]
    levels = [*([own] if own is not None else []), *later, Step((ADMINS,))]
    for index, step in enumerate(levels):
        owners = [owner for owner in whom(step) if owner not in before]
        if owners:
            why = "" if index == 0 else "nobody_before"
            yield from (New(call, owner, "waiting", why, manners.earliest(owner, now)) for owner in owners)
            return
    if not before:
        yield New(call, "", "nobody", "no_channel")


def _passed_on(
    reached: Sequence[Call],
    by_call: Mapping[tuple[str, int, int, int], list[Written]],
    numbered: Sequence[tuple[int, Step]],
    whom: Whom,
    manners: Manners,
    now: datetime,
) -> Iterator[New]:
    """Calls that were made and reached nobody go to the next step's people at once."""
    for call in reached:
        rows = by_call.get(call.key, [])
        if call.is_live and rows and all(row.has_failed for row in rows):
            before = tuple(row.owner for row in rows)
            yield from _told(call, before, numbered, whom, manners, now)


def _ended(calls: Sequence[Call], written: Sequence[Written], new: Sequence[New]) -> dict[int, tuple[str, str]]:
    """Notices that wait and have lost their reason: the condition came, somebody can be told after all, or a later call tells the same."""
    live = {call.key for call in calls if call.is_live}
    told = {(one.call.group, one.owner): one.call.due for one in new if one.state == "waiting"}
    made = {one.call.key for one in new if one.state == "waiting"}
    ended: dict[int, tuple[str, str]] = {}
    for row in written:
        if row.state not in {"waiting", "nobody"}:
            continue
        later = told.get((row.call[:2], row.owner))
        if row.call not in live:
            ended[row.id] = ("cancelled", "stopped")
        elif row.state == "nobody" and row.call in made:
            ended[row.id] = ("superseded", "somebody_now")
        elif later is not None and later > row.due:
            ended[row.id] = ("superseded", "later_step")
    return ended


def _revived(
    reached: Sequence[Call],
    by_call: Mapping[tuple[str, int, int, int], list[Written]],
    manners: Manners,
    now: datetime,
) -> Iterator[tuple[int, datetime]]:
    for call in reached:
        for row in by_call.get(call.key, ()):
            at = manners.earliest(row.owner, now)
            if call.is_live and row.owner and (row.state == "cancelled" or row.is_waiting_beyond(at)):
                yield row.id, at
