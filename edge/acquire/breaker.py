"""acquire, restraint: a silent device costs its bus one short probe per back-off, whatever its number of points."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import msgspec

FIRST_BACK_OFF_MS = 2_000
LONGEST_BACK_OFF_MS = 30_000
LEAST_PROBE_MS = 100
UNKNOWN_PROBE_MS = 300
"""For a device that never answered, so that nobody knows how quick it is."""
PROBE_FACTOR = 4
PATIENT_PROBE = 4
"""Each so-manieth probe waits the device's full time-out, in case it has become slow."""


class Verdict(enum.Enum):
    """What a due poll of a device may do."""

    POLL = "poll"
    PROBE = "probe"
    """One request only, with the short time-out; the rest follows if it answers."""
    SKIP = "skip"


class Breaker(msgspec.Struct, frozen=True, gc=False):
    """How one device has been answering. Every answer makes a new one, hence no dataclass; instants are steady milliseconds."""

    silences: int = 0
    """Requests in a row that nobody answered, one per poll or probe."""
    retry_ms: int = 0
    response_ms: float | None = None
    """The slowest recent answer: rises at once, falls slowly."""

    @property
    def is_open(self) -> bool:
        """True while the device is taken to be silent."""
        return self.silences > 0

    def verdict(self, now_ms: int) -> Verdict:
        if not self.is_open:
            return Verdict.POLL
        return Verdict.PROBE if now_ms >= self.retry_ms else Verdict.SKIP

    def timeout_ms(self, full_ms: int) -> int:
        """How long to wait for an answer: the device's own time-out, or the short one of a probe.

        A device that once answered is known to be quick; every fourth probe is patient all the same.
        """
        if not self.is_open or self.silences % PATIENT_PROBE == 0:
            return full_ms
        usual = UNKNOWN_PROBE_MS if self.response_ms is None else round(PROBE_FACTOR * self.response_ms)
        return min(full_ms, max(LEAST_PROBE_MS, usual))

    def answered(self, took_ms: float) -> Breaker:
        """An answer came, be it an exception: the device is there."""
        usual = took_ms if self.response_ms is None else max(took_ms, 0.9 * self.response_ms)
        return Breaker(0, 0, usual)

    def silent(self, now_ms: int, every_ms: int) -> Breaker:
        """Nothing came. The first time the next due poll tries again; then the back-off doubles to its longest."""
        if self.silences == 0:
            return msgspec.structs.replace(self, silences=1, retry_ms=now_ms)
        back_off = min(max(FIRST_BACK_OFF_MS, every_ms) << min(self.silences - 1, 10), LONGEST_BACK_OFF_MS)
        return msgspec.structs.replace(self, silences=self.silences + 1, retry_ms=now_ms + max(back_off, every_ms))


@dataclass(frozen=True, slots=True)
class ProbeGate:
    """Probes of one bus take turns with healthy polls: after a probe the bus serves one healthy round first."""

    free_ms: int = 0

    def allows(self, now_ms: int) -> bool:
        return now_ms >= self.free_ms

    def after(self, ended_ms: int, healthy_every_ms: int | None) -> ProbeGate:
        """``healthy_every_ms`` is the shortest interval of the devices that answer, None when none does."""
        return ProbeGate(ended_ms + (healthy_every_ms or 0))
