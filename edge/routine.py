"""rules → outbox: what the gateway says about itself, as a record among the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from contract.conventions import EpochMs, Instant, format_instant
from contract.messages import DeviceHealth, GatewayStatus, Record
from edge.acquire.health import HealthBoard, Refused
from edge.decode.sample import Moment
from edge.outbox.sqlite import LANES, Outbox
from edge.rules.engine import Engine
from edge.site import Site
from edge.uplink.deliver import Link

CHANGED_EVERY_MS = 2_000
"""A device that falls silent or answers again is told this soon."""
MOST_READ = 50
"""Of so many devices a status tells the last answers, of the next ones the next status."""
ALONE_EVERY_MS = 3_600_000
"""How often while the cloud does not answer: a long outage must not fill the outbox with news of itself."""


class Routine:
    """Decides when a status is due and makes it."""

    def __init__(
        self, site: Site, outbox: Outbox, engine: Engine, board: HealthBoard, link: Link, version: str,
        announcement: Callable[[], Sequence[Record]] | None = None,
    ) -> None:  # fmt: skip
        self._site, self._outbox, self._engine = site, outbox, engine
        self._board, self._link, self._version = board, link, version
        self._last: int | None = None
        self._looked = 0
        self._states: Sequence[str] = []
        self._announcement = announcement
        self._refused: Mapping[str, Refused] | None = None
        self._next_read = 0

    def serve(self, site: Site, engine: Engine) -> None:
        """Tell of a reloaded site from now on."""
        self._site, self._engine = site, engine
        self._last = None

    def records(self, now: Moment) -> list[Record]:
        """What is due: the announcement where it has changed by itself, a status; mostly nothing."""
        if self._last is not None and now.steady_ms - self._looked < CHANGED_EVERY_MS:
            return []
        self._looked = now.steady_ms
        return [*self._news(), *self._statuses(now)]

    def _news(self) -> list[Record]:
        """The announcement anew when a device has come to refuse part of its plan, or gives it again."""
        before, self._refused = self._refused, dict(self._board.refused)
        is_new = before is not None and before != self._refused
        return [*self._announcement()] if is_new and self._announcement is not None else []

    def _statuses(self, now: Moment) -> list[Record]:
        states = self._board.states(now)
        if not self._is_due(now, states):
            return []
        self._last, self._states = now.steady_ms, states
        return [self._status(now, self._board.rows(now))]

    def _is_due(self, now: Moment, states: Sequence[str]) -> bool:
        if self._last is None:
            return True
        since = now.steady_ms - self._last
        if not self._link.is_up:
            return since >= ALONE_EVERY_MS
        return since >= self._engine.pace.status_ms or states != self._states

    def _status(self, now: Moment, rows: list[DeviceHealth]) -> Record:
        events, samples = (self._outbox.depths[lane] for lane in LANES)
        oldest = [depth.oldest_ms for depth in (events, samples) if depth.oldest_ms is not None]
        rows = self._board.told(rows, self._turn([row.device for row in rows]) if self._link.is_up else ())
        return GatewayStatus(
            at=format_instant(now.wall_ms), version=self._version, outbox_events=events.records,
            outbox_samples=samples.records, oldest_unsent_at=format_instant(min(oldest)) if oldest else None,
            clock_offset_ms=self._link.clock_offset_ms, devices=rows, active_alarms=len(self._engine.active_alarms()),
            oldest_event_at=_instant(events.oldest_ms), oldest_sample_at=_instant(samples.oldest_ms),
            link_trouble=self._link.trouble, link_trouble_at=_instant(self._link.trouble_ms),
        )  # fmt: skip

    def _turn(self, devices: Sequence[str]) -> Sequence[str]:
        """Whose last answers are told this time."""
        first = self._next_read if self._next_read < len(devices) else 0
        self._next_read = first + MOST_READ
        return devices[first : first + MOST_READ]


def _instant(at_ms: EpochMs | None) -> Instant | None:
    return None if at_ms is None else format_instant(at_ms)
