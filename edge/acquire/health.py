"""acquire, how it goes: how each device answers, as the contract's DeviceHealth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from contract.conventions import format_instant
from contract.messages import Cause, DeviceHealth
from edge.decode.sample import Moment

WINDOW_MS = 60_000
SLICE_MS = 5_000
DEGRADED_BELOW = 0.9
State = Literal["ok", "degraded", "silent", "not_connected", "not_yet"]
_STATE_OF: dict[Cause, State] = {Cause.NO_RESPONSE: "silent", Cause.NOT_CONNECTED: "not_connected"}


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

    def register(self, device: str) -> None:
        """Show the device from the start, before it is first asked."""
        self._of(device)

    def keep(self, devices: Iterable[str]) -> None:
        """Show these, in this order; the counts of those that stay go on."""
        self._counts = {device: self._of(device) for device in devices}

    def _of(self, device: str) -> _Counts:
        return self._counts.setdefault(device, _Counts())

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
        counts.state = _STATE_OF.get(cause, "degraded")

    def skipped(self, device: str, times: int) -> None:
        """Polls that were due and could not run in time."""
        self._of(device).skipped += times

    def skips(self, device: str) -> int:
        """Polls of a device that were skipped since the start, because its bus was busy."""
        return self._of(device).skipped

    def rows(self, now: Moment) -> list[DeviceHealth]:
        """Every device, in the order of the site file."""
        return [self._row(device, counts, now) for device, counts in self._counts.items()]

    def _row(self, device: str, counts: _Counts, now: Moment) -> DeviceHealth:
        counts.forget(now.steady_ms)
        is_shaky = counts.state == "ok" and counts.share < DEGRADED_BELOW
        return DeviceHealth(
            device=device,
            state="degraded" if is_shaky else counts.state,
            answered_share=round(counts.share, 4),
            last_ok_at=None if counts.last_ok_ms is None else format_instant(counts.last_ok_ms),
            response_ms=None if counts.response_ms is None else round(counts.response_ms, 2),
            errors=counts.errors,
            last_error=counts.last_error,
        )
