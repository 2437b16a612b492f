"""acquire, how it goes: how each device answers, as the contract's DeviceHealth."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from contract.conventions import EpochMs, format_instant
from contract.messages import Cause, DeviceHealth, DeviceRead, DeviceTrouble
from edge.acquire.frames import READ_COILS, READ_DISCRETE, Read
from edge.decode.sample import Moment

WINDOW_MS = 60_000
SLICE_MS = 5_000
DEGRADED_BELOW = 0.9
State = Literal["ok", "degraded", "silent", "not_connected", "not_yet"]
_STATE_OF: dict[Cause, State] = {Cause.NO_RESPONSE: "silent", Cause.NOT_CONNECTED: "not_connected"}
KEPT_MALFORMED = 5
KEPT_BYTES = 1_000
MOST_SHOWN = 50
KEPT_TROUBLES = 5
MOST_READS = 32
"""Requests of one device whose last answers are kept; the oldest gives way."""
LONGEST_SHOWN = 400


@dataclass(frozen=True, slots=True)
class Malformed:
    """A message that could not be read, kept for inspection."""

    at_ms: EpochMs
    topic: str
    payload: bytes
    """Its first thousand bytes."""
    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """What a device refuses to tell: points by their device's names, and the plan without them, one line a request."""

    points: tuple[str, ...]
    plan: tuple[str, ...]


@dataclass(slots=True)
class _Trouble:
    at_ms: EpochMs
    cause: Cause
    text: str
    times: int = 1


@dataclass(slots=True)
class _Counts:
    """One device. ``slices`` holds [slice number, asked, answered] of the last minute, oldest first."""

    slices: list[list[int]] = field(default_factory=list)
    state: State = "not_yet"
    last_ok_ms: int | None = None
    response_ms: float | None = None
    errors: int = 0
    last_error: str = ""
    skipped: int = 0
    troubles: deque[_Trouble] = field(default_factory=lambda: deque(maxlen=KEPT_TROUBLES))
    reads: dict[Read | str, tuple[EpochMs, bytes]] = field(default_factory=dict)

    def count(self, steady_ms: int, *, answered: bool) -> None:
        number = steady_ms // SLICE_MS
        if not self.slices or self.slices[-1][0] != number:
            self.slices.append([number, 0, 0])
            self.forget(steady_ms)
        self.slices[-1][1] += 1
        self.slices[-1][2] += answered

    def forget(self, steady_ms: int) -> None:
        oldest = (steady_ms - WINDOW_MS) // SLICE_MS
        while self.slices and self.slices[0][0] <= oldest:
            del self.slices[0]

    def shown(self, steady_ms: int) -> State:
        """Its state as it is told: a device that often does not answer is degraded although it just has."""
        self.forget(steady_ms)
        return "degraded" if self.state == "ok" and self.share < DEGRADED_BELOW else self.state

    @property
    def share(self) -> float:
        asked = sum(one[1] for one in self.slices)
        if asked == 0:
            return 1.0 if self.state == "ok" else 0.0
        return sum(one[2] for one in self.slices) / asked


class HealthBoard:
    """Counts by device. The buses write, the gateway's status and page read; nothing here waits."""

    def __init__(self, devices: Iterable[str] = ()) -> None:
        self._counts = {device: _Counts() for device in devices}
        self.unreadable: dict[str, deque[Malformed]] = {}
        """The last few messages that could not be read, by device; by bus where nobody knows whose they are."""
        self.unreadable_total = 0
        """All of them since the start."""
        self.refused: dict[str, Refused] = {}
        """By device, what it is known to refuse."""

    def register(self, device: str) -> None:
        """Show the device from the start, before it is first asked."""
        self._of(device)

    def keep(self, devices: Iterable[str]) -> None:
        """Show these, in this order; the counts of those that stay go on."""
        self._counts = {device: self._of(device) for device in devices}
        self.unreadable = {name: kept for name, kept in self.unreadable.items() if name in self._counts}
        self.refused = {name: known for name, known in self.refused.items() if name in self._counts}

    def _of(self, device: str) -> _Counts:
        if (known := self._counts.get(device)) is None:
            known = self._counts[device] = _Counts()
        return known

    def refuses(self, device: str, points: Sequence[str], plan: Sequence[str]) -> None:
        """Replace what the device is known to refuse; no points forget it."""
        if points:
            self.refused[device] = Refused(tuple(points), tuple(plan))
        else:
            self.refused.pop(device, None)

    def plans(self, planned: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
        """Each device's plan as it is now: as planned, without what was refused."""
        return {name: self.refused[name].plan if name in self.refused else plan for name, plan in planned.items()}

    def answered(self, device: str, at: Moment, response_ms: float | None = None) -> None:
        """The device answered with values (or, on MQTT, spoke)."""
        counts = self._of(device)
        counts.count(at.steady_ms, answered=True)
        counts.last_ok_ms = at.wall_ms
        counts.state = "ok"
        if response_ms is not None:
            old = counts.response_ms
            counts.response_ms = response_ms if old is None else old + 0.2 * (response_ms - old)

    def failed(self, device: str, at: Moment, cause: Cause, error: str) -> None:
        """A request of the device came to nothing. ``error`` is for a person: what happened, with the request."""
        counts = self._of(device)
        counts.count(at.steady_ms, answered=False)
        counts.errors += 1
        counts.last_error = error
        last = counts.troubles[-1] if counts.troubles else None
        if last is not None and (last.cause, last.text) == (cause, error):
            last.at_ms, last.times = at.wall_ms, last.times + 1
        else:
            counts.troubles.append(_Trouble(at.wall_ms, cause, error))
        counts.state = _STATE_OF.get(cause, "degraded")

    def heard(self, device: str, at: Moment, where: Read | str, raw: bytes) -> None:
        """Keep the last answer to a request, or the last message on a topic, as it came."""
        reads = self._of(device).reads
        if where not in reads and len(reads) >= MOST_READS:
            del reads[next(iter(reads))]
        reads[where] = (at.wall_ms, raw[:KEPT_BYTES])

    def malformed(self, device: str, at: Moment, topic: str, payload: bytes, reason: str) -> None:
        """The device (or a bus, for what names no device) sent what cannot be read."""
        self.unreadable_total += 1
        kept = self.unreadable.setdefault(device, deque(maxlen=KEPT_MALFORMED))
        kept.append(Malformed(at.wall_ms, topic, payload[:KEPT_BYTES], reason))
        if device in self._counts:
            self.failed(device, at, Cause.UNDECODABLE, f"message on {topic} cannot be read: {reason}")

    def last_unreadable(self) -> list[tuple[str, Malformed]]:
        """What is kept of them all, newest first."""
        kept = [(device, one) for device, several in self.unreadable.items() for one in several]
        return sorted(kept, key=lambda row: row[1].at_ms, reverse=True)[:MOST_SHOWN]

    def skipped(self, device: str, times: int) -> None:
        """Polls that were due and could not run in time."""
        self._of(device).skipped += times

    def skips(self, device: str) -> int:
        """Polls of a device that were skipped since the start, because its bus was busy."""
        return self._of(device).skipped

    def rows(self, now: Moment) -> list[DeviceHealth]:
        """Every device, in the order of the site file."""
        return [self._row(device, counts, now) for device, counts in self._counts.items()]

    def states(self, now: Moment) -> list[State]:
        """Every device's state, in the same order."""
        return [counts.shown(now.steady_ms) for counts in self._counts.values()]

    def _row(self, device: str, counts: _Counts, now: Moment) -> DeviceHealth:
        return DeviceHealth(
            device=device,
            state=counts.shown(now.steady_ms),
            answered_share=round(counts.share, 4),
            last_ok_at=None if counts.last_ok_ms is None else format_instant(counts.last_ok_ms),
            response_ms=None if counts.response_ms is None else round(counts.response_ms, 2),
            errors=counts.errors,
            last_error=counts.last_error,
        )

    def told(self, rows: Sequence[DeviceHealth], with_reads: Collection[str]) -> list[DeviceHealth]:
        """The same rows with their last troubles, and of some devices the last answers: for the cloud."""
        return [
            msgspec.structs.replace(
                row,
                recent=_troubles(self._of(row.device)),
                reads=_reads(self._of(row.device)) if row.device in with_reads else [],
            )
            for row in rows
        ]


def _troubles(counts: _Counts) -> list[DeviceTrouble]:
    return [
        DeviceTrouble(at=format_instant(one.at_ms), cause=one.cause, text=one.text, times=one.times)
        for one in reversed(counts.troubles)
    ]


def _reads(counts: _Counts) -> list[DeviceRead]:
    return [
        DeviceRead(at=format_instant(at_ms), where=str(where), raw=show_raw(where, raw))
        for where, (at_ms, raw) in counts.reads.items()
    ]


def show_raw(where: Read | str, raw: bytes) -> str:
    """Registers by four hexadecimal digits, bits by bytes, a message as text."""
    if isinstance(where, str):
        return show_payload(raw)
    return raw.hex(" ", 1 if where.function in (READ_COILS, READ_DISCRETE) else 2).upper()


def show_payload(payload: bytes) -> str:
    """Text where it is text, hex otherwise; never a control character."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        text = f"0x{payload.hex()}"
    text = "".join(one if one.isprintable() else " " for one in text)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
