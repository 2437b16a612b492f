"""rules: alarms that come too thick become one storm with its members (pure).

**Chattering** is one alarm that is raised and cleared so often within a time; a **flood** is more alarms than a person can
follow. What is raised inside a storm is silenced by design and goes on being judged, recorded and counted; life safety is
counted and never silenced. What another reason silences already (a permit, a cause, a shelf) makes no storm, and neither do
advisory alarms, which ask nobody for anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from contract.conventions import format_instant
from contract.messages import Record, Severity, StormBegan, StormEnded, StormKind, StormMember
from edge.decode.sample import Moment
from edge.site import STORM_SOURCE, StormFigures

STORM = "storm"
"""The reason an alarm is silent for."""
Key = tuple[str, str, str]
"""Equipment, rule, instance."""
SHIPPED = StormFigures()
_NO_ALARM: Key = ("", "", "")


@dataclass(frozen=True, slots=True)
class Raise:
    """One activation that counts."""

    key: Key
    severity: Severity
    at: Moment


@dataclass(slots=True)
class Storm:
    """A running storm. ``last_ms`` is the steady instant of its newest raise."""

    id: str
    kind: StormKind
    key: Key
    began_ms: int
    recognised: Moment
    last_ms: int
    raises: int
    silenced: dict[Key, None] = field(default_factory=dict)
    """Active members that it speaks for."""


@dataclass(frozen=True, slots=True)
class Joined:
    """What a raise means: the storms it belongs to, why it is silent (or empty), and what it began."""

    storms: tuple[str, ...]
    silence: str
    records: tuple[Record, ...] = ()


class Storms:
    """The storms of one gateway. Told of every raise and clear, in order."""

    def __init__(self, figures: StormFigures = SHIPPED) -> None:
        self.figures = figures
        self.running: dict[str, Storm] = {}
        self.is_dirty = False
        self._recent: list[Raise] = []
        """What was raised within the longer of the two times and belongs to no chattering, oldest first."""

    # --- what happens -------------------------------------------------------------------------------------------

    def raised(self, key: Key, severity: Severity, now: Moment, silence: str) -> Joined:
        """An alarm was raised; ``silence`` is why it is silent already, or empty."""
        if severity is Severity.ADVISORY:
            return Joined((), silence)
        self.is_dirty = True
        chattering = self._chattering(key)
        began: list[Record] = []
        if chattering is not None:
            chattering.last_ms = now.steady_ms
        elif silence in ("", STORM):
            began = self._begin_flood(now)
            oldest = now.steady_ms - max(self.figures.flood_ms, self.figures.cycles_ms)
            self._recent = [*(one for one in self._recent if one.at.steady_ms > oldest), Raise(key, severity, now)]
        joined = [one for one in self.running.values() if one.kind == "flood" or one is chattering]
        is_silenced = severity is not Severity.LIFE_SAFETY
        for storm in joined:
            storm.raises += 1
            if is_silenced:
                storm.silenced[key] = None
        why = silence if silence not in ("", STORM) else STORM if joined and is_silenced else ""
        return Joined(tuple(one.id for one in joined), why, tuple(began))

    def cleared(self, key: Key, now: Moment) -> list[Record]:
        """An alarm cleared: that may have been the last of the cycles that make it chatter."""
        for storm in self.running.values():
            if key in storm.silenced:
                del storm.silenced[key]
                self.is_dirty = True
        own = [one for one in self._recent if one.key == key][-self.figures.cycles :]
        is_fast = len(own) == self.figures.cycles and now.steady_ms - own[0].at.steady_ms <= self.figures.cycles_ms
        if not is_fast or self._chattering(key) is not None:
            return []
        return [self._begin("chattering", key, own, now)]

    def silence(self, key: Key) -> str:
        """``storm`` for an active member that a running storm speaks for, else empty."""
        return STORM if any(key in storm.silenced for storm in self.running.values()) else ""

    def pass_time(self, now: Moment) -> list[Storm]:
        """The storms that are over now; they speak for nobody any more."""
        over = [one for one in self.running.values() if self._ends_at(one) <= now.steady_ms]
        for storm in over:
            del self.running[storm.id]
            self.is_dirty = True
        return over

    def next_end(self) -> int | None:
        """``steady_ms`` at which a storm ends if nothing more is raised; None when none runs."""
        return min((self._ends_at(one) for one in self.running.values()), default=None)

    # --- decisions ----------------------------------------------------------------------------------------------

    def _chattering(self, key: Key) -> Storm | None:
        return next((one for one in self.running.values() if one.kind == "chattering" and one.key == key), None)

    def _begin_flood(self, now: Moment) -> list[Record]:
        """The raise that comes now is one too many."""
        since = now.steady_ms - self.figures.flood_ms
        before = [one for one in self._recent if one.at.steady_ms > since]
        is_running = any(one.kind == "flood" for one in self.running.values())
        if is_running or len(before) < self.figures.more_than:
            return []
        return [self._begin("flood", _NO_ALARM, before, now)]

    def _begin(self, kind: StormKind, key: Key, members: Sequence[Raise], now: Moment) -> Record:
        about = "/".join(part for part in key if part)
        began_ms = members[0].at.wall_ms
        name = f"{kind}:{about}@{now.wall_ms}" if about else f"{kind}@{now.wall_ms}"
        self.running[name] = Storm(name, kind, key, began_ms, now, now.steady_ms, len(members))
        self.is_dirty = True
        equipment, rule, instance = key
        within_ms = self.figures.flood_ms if kind == "flood" else self.figures.cycles_ms
        return StormBegan(
            storm=name, kind=kind, equipment=equipment, rule=rule, instance=instance, within_ms=within_ms,
            began_at=format_instant(began_ms), recognised_at=format_instant(now.wall_ms), members=[_member(one) for one in members],
        )  # fmt: skip

    def _ends_at(self, storm: Storm) -> int:
        """Chattering: when it has been quiet for its time. Flood: when too few are left within its time."""
        if storm.kind == "chattering":
            return storm.last_ms + self.figures.cycles_ms
        newest: list[int] = sorted(one.at.steady_ms for one in self._recent)[-self.figures.ends_below :]
        is_going_on = len(newest) == self.figures.ends_below
        return newest[0] + self.figures.flood_ms if is_going_on else storm.recognised.steady_ms

    # --- checkpoint ---------------------------------------------------------------------------------------------

    def to_json(self, now: Moment) -> bytes:
        """Everything, to be saved in the transaction of the events it led to."""
        return msgspec.json.encode(
            {
                "format": 1, "ahead": now.wall_ms - now.steady_ms,
                "recent": [[*one.key, one.severity, one.at.wall_ms, one.at.steady_ms] for one in self._recent],
                "running": [_storm_json(one) for one in self.running.values()],
            }
        )  # fmt: skip

    def restore(self, body: bytes, now: Moment) -> None:
        """Go on from a body, its steady instants moved into this process's time and never into the future."""
        saved = msgspec.json.decode(body)
        shift: int = saved["ahead"] - (now.wall_ms - now.steady_ms)

        def steady(at: int) -> int:
            return min(at + shift, now.steady_ms)

        self._recent = [
            Raise((equipment, rule, instance), Severity(severity), Moment(wall, steady(at)))
            for equipment, rule, instance, severity, wall, at in saved["recent"]
        ]
        for one in saved["running"]:
            recognised = Moment(one["recognised"][0], steady(one["recognised"][1]))
            self.running[one["id"]] = Storm(
                one["id"], one["kind"], tuple(one["key"]), one["began_ms"], recognised, steady(one["last_ms"]),
                one["raises"], dict.fromkeys(tuple(key) for key in one["silenced"]),
            )  # fmt: skip


def ended(storm: Storm, now: Moment) -> Record:
    """The news that a storm is over."""
    equipment, rule, instance = storm.key
    return StormEnded(
        storm=storm.id, kind=storm.kind, equipment=equipment, rule=rule, instance=instance, raises=storm.raises,
        began_at=format_instant(storm.began_ms), recognised_at=format_instant(storm.recognised.wall_ms),
        ended_at=format_instant(now.wall_ms),
    )  # fmt: skip


def describe(figures: StormFigures) -> str:
    """The figures in one line, as ``check`` prints them."""
    source = STORM_SOURCE if figures == SHIPPED else f"site file, instead of {STORM_SOURCE}"
    return (
        f"chattering from {figures.cycles} cycles of an alarm in {figures.cycles_ms / 1000:g} s; flood from more than "
        f"{figures.more_than} alarms in {figures.flood_ms / 1000:g} s until fewer than {figures.ends_below} ({source})"
    )


def _member(one: Raise) -> StormMember:
    equipment, rule, instance = one.key
    return StormMember(
        equipment=equipment, rule=rule, instance=instance, severity=one.severity,
        raised_at=format_instant(one.at.wall_ms),
    )  # fmt: skip


def _storm_json(one: Storm) -> dict[str, Any]:
    return {
        "id": one.id, "kind": one.kind, "key": one.key, "began_ms": one.began_ms, "last_ms": one.last_ms,
        "recognised": [one.recognised.wall_ms, one.recognised.steady_ms], "raises": one.raises,
        "silenced": list(one.silenced),
    }  # fmt: skip
