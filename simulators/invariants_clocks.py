"""tickets' timelines → clocks, reckoned a second time and slowly, minute by minute, to be held against the stored ones (pure).

Nothing here is shared with ``cloud.sla``: it walks from minute to minute, adds up what counts, and stops when the target
is reached. Only the targets that apply until a desk has its own, and those of its file, are reckoned, and only clocks whose
priority and policy never changed; for those the whole rule is: response and arrival never pause, resolution pauses on hold
(life safety does not) and while resolved, a calendar's clock stands while it is closed, stopping exactly at due is on time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from contract.conventions import EpochMs
from simulators.invariants_hours import Hours, Pause, joined
from simulators.run_facts import Facts, Row, details_of

POLICIES = ("shipped-1", "shipped-1+site")
MINUTE_MS = 60_000
TICK_MS = 5_000
"""A running cloud tells a breach at its instant; so much may pass until it is written."""
_STOPS = {
    "response": ("acknowledged", "arrived", "started", "resolved", "closed", "cancelled"),
    "arrival": ("arrived", "resolved", "closed", "cancelled"),
    "resolution": ("resolved", "closed", "cancelled"),
}
_CHANGED = ("reclassified", "retargeted", "merged", "absorbed")


@dataclass(frozen=True, slots=True)
class Reckoned:
    """A clock as slow reckoning finds it. ``due_ms`` None: held, and not due while that lasts."""

    due_ms: EpochMs | None
    stopped_ms: EpochMs | None
    used_ms: int

    def state(self, now_ms: EpochMs) -> str:
        end = self.stopped_ms if self.stopped_ms is not None else now_ms
        if self.due_ms is not None and end > self.due_ms:
            return "breached"
        if self.stopped_ms is not None:
            return "met"
        return "running" if self.due_ms is not None else "held"


def wrong_clocks(facts: Facts, now_ms: EpochMs, hours: Mapping[str, Hours] | None = None) -> Iterator[str]:
    """Every stored clock that slow reckoning finds otherwise, as sentences.

    ``now_ms`` is the cloud's clock; ``hours`` are the calendars that can be reckoned, by name.
    """
    calendars = {"": None, **(hours or {})}
    tickets = {row["id"]: row for row in facts.tickets}
    lines: dict[int, list[Row]] = {}
    for line in facts.timeline:
        lines.setdefault(line["ticket_id"], []).append(line)
    for clock in facts.clocks:
        ticket, story = tickets[clock["ticket_id"]], lines.get(clock["ticket_id"], [])
        is_known = clock["policy"] in POLICIES and clock["clock"] in _STOPS and clock["calendar"] in calendars
        if not is_known or ticket["kind"] != "fault":
            continue
        if any(line["kind"] in _CHANGED for line in story) or _is_backwards(story):
            continue
        yield from _compared(clock, reckon(clock, ticket, story, now_ms, calendars[clock["calendar"]]), now_ms)


def _is_backwards(story: Sequence[Row]) -> bool:
    """Whether the cloud's wall clock was set back while the ticket lived: then no sum means anything."""
    told = [line["at"] for line in story if line["kind"] not in ("cleared", "recurred")]
    return told != sorted(told)


def reckon(clock: Row, ticket: Row, story: Sequence[Row], now_ms: EpochMs, hours: Hours | None = None) -> Reckoned:
    """Walk from the start to the stop, or to where the target is used up."""
    start_ms, kind = clock["start_at"], clock["clock"]
    stopped_ms = _stop(story, kind, start_ms)
    pauses = _pauses(story, is_held=ticket["priority"] != "life_safety") if kind == "resolution" else []
    if hours is not None:
        pauses = joined([*pauses, *hours.closed(start_ms)])
    due_ms = walk(start_ms, clock["target_s"] * 1000, pauses)
    return Reckoned(due_ms, stopped_ms, counted(start_ms, now_ms if stopped_ms is None else stopped_ms, pauses))


def walk(start_ms: EpochMs, target_ms: int, pauses: Sequence[Pause]) -> EpochMs | None:
    """The instant at which so much has counted, minute by minute; None when a lasting pause comes first."""
    at, left = start_ms, target_ms
    while True:
        counts = counted(at, at + MINUTE_MS, pauses)
        if counts >= left:
            return _within(at, left, pauses)
        if not counts and any(end is None and since <= at for since, end in pauses):
            return None
        at, left = at + MINUTE_MS, left - counts


def _within(at: EpochMs, left: int, pauses: Sequence[Pause]) -> EpochMs:
    """In this minute, the first instant with so much counted time behind it."""
    low, high = at, at + MINUTE_MS
    while low < high:
        middle = (low + high) // 2
        if counted(at, middle, pauses) >= left:
            high = middle
        else:
            low = middle + 1
    return low


def counted(start_ms: EpochMs, end_ms: EpochMs, pauses: Sequence[Pause]) -> int:
    """Milliseconds between the two that lie in no pause; pauses do not overlap."""
    out = sum(max(0, min(end_ms, end_ms if end is None else end) - max(start_ms, since)) for since, end in pauses)
    return max(0, end_ms - start_ms) - out


def _stop(story: Sequence[Row], clock: str, start_ms: EpochMs) -> EpochMs | None:
    stopped = None
    for line in story:
        if line["at"] < start_ms:
            continue
        if stopped is None and line["kind"] in _STOPS[clock]:
            stopped = line["at"]
        elif line["kind"] == "reopened" and clock == "resolution":
            stopped = None
    return stopped


def _pauses(story: Sequence[Row], *, is_held: bool) -> list[Pause]:
    """Stretches on hold and between resolved and reopened, joined so that none counts twice."""
    found: list[Pause] = []
    since: EpochMs | None = None
    holding = resolved = False
    for line in story:
        was = holding or resolved
        if line["kind"] == "held":
            holding = is_held
        elif line["kind"] in ("resumed", "resolved", "closed", "cancelled"):
            holding = False
        if line["kind"] in ("resolved", "closed", "cancelled"):
            resolved = True
        elif line["kind"] == "reopened":
            resolved = False
        now = holding or resolved
        if now and not was:
            since = line["at"]
        elif was and not now and since is not None:
            found.append((since, line["at"]))
    return [*found, (since, None)] if (holding or resolved) and since is not None else found


def _compared(clock: Row, slow: Reckoned, now_ms: EpochMs) -> Iterator[str]:
    name = f"T-{clock['ticket_id']:06d} {clock['clock']} {clock['activation']}"
    if clock["met_at"] != slow.stopped_ms:
        yield f"{name}: it stopped at {clock['met_at']}, slowly reckoned at {slow.stopped_ms}"
    elif slow.stopped_ms is None and clock["due_at"] != slow.due_ms:
        yield f"{name}: it is due at {clock['due_at']}, slowly reckoned at {slow.due_ms}"
    elif slow.stopped_ms is not None and abs(clock["used_s"] * 1000 - slow.used_ms) > 1:
        yield f"{name}: {clock['used_s']} s are used, slowly reckoned {slow.used_ms / 1000} s"
    if clock["breached_at"] is not None and slow.due_ms is not None and clock["breached_at"] != slow.due_ms:
        yield f"{name}: its breach stands at {clock['breached_at']}, slowly reckoned it was due at {slow.due_ms}"
    expected = slow.state(now_ms)
    is_just_due = slow.stopped_ms is None and slow.due_ms is not None and abs(now_ms - slow.due_ms) <= TICK_MS
    if clock["state"] != expected and not is_just_due and not _was_late_before(clock):
        yield f"{name}: it is {clock['state']}, slowly reckoned {expected}"


def _was_late_before(clock: Row) -> bool:
    """A clock that was late once stays so, whatever came later; that it was late is judged by its breach."""
    return clock["state"] == "breached" and clock["breached_at"] is not None


def undone_breaches(facts: Facts) -> Iterator[str]:
    """A breach that was told and no longer stands, stands and was never told, or was told twice."""
    stored = {(row["ticket_id"], row["clock"], row["activation"]): row for row in facts.clocks}
    told: dict[tuple[int, str, int], int] = {}
    for line in facts.timeline:
        if line["kind"] == "breached":
            details = details_of(line)
            key = (line["ticket_id"], str(details["clock"]), int(details.get("activation", 1)))
            told[key] = told.get(key, 0) + 1
            row = stored.get(key)
            if row is None or row["state"] != "breached" or row["breached_at"] is None:
                yield f"T-{key[0]:06d} {key[1]} {key[2]}: its breach was told and does not stand any more"
    yield from (
        f"T-{key[0]:06d} {key[1]} {key[2]}: one breach was told {count} times"
        for key, count in told.items()
        if count > 1
    )
    for key, row in stored.items():
        if row["breached_at"] is not None and key not in told:
            yield f"T-{key[0]:06d} {key[1]} {key[2]}: its breach stands in no timeline"
