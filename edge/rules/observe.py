"""rules: periodic tests recognised from signals, with their evidence and verdict (pure).

A test begins when its ``start`` becomes true and ends when its ``end`` is true. ``passes`` is judged with the values at
the end; the evidence holds them, with the lowest and highest of every number meanwhile, and the raw samples of its points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from contract.conventions import format_instant
from contract.messages import Quality, Term, TestObserved
from device_profiles.schema import ObservedTest
from edge.decode.sample import Moment
from edge.rules.recording import Raw, Recording, recall


@dataclass(frozen=True, slots=True)
class Reading:
    """What the three conditions are now, and the values that ``passes`` looks at."""

    start: bool | None
    end: bool | None
    passes: bool | None
    terms: Sequence[Term]
    minimum_ms: int = 0
    """How long the test must last at least, as it is set here."""
    ignore_below_ms: int = 0
    """What ends earlier was no attempt."""


@dataclass(slots=True)
class Observation:
    """One test of one piece of equipment: idle, running since an instant, or over and waiting to be armed again."""

    equipment: str
    test: str
    rule: ObservedTest
    began: Moment | None = None
    is_armed: bool = True
    lowest: dict[str, float] = field(default_factory=dict)
    highest: dict[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    """Of the points whose samples are kept."""
    recordings: dict[str, Recording] = field(default_factory=dict)

    def record(self, point: str, raw: Raw) -> None:
        """Keep a sample of one of its points; for a test that runs."""
        self.recordings.setdefault(point, Recording()).take(raw)

    def observe(self, reading: Reading, now: Moment) -> TestObserved | None:
        """One evaluation; the finished test, when it just finished."""
        if self.began is None:
            self._begin(reading, now)
            return None
        self._note(reading.terms)
        lasted_ms = now.steady_ms - self.began.steady_ms
        if reading.end and lasted_ms < reading.ignore_below_ms:
            self.began = None
            return None
        if reading.end:
            return self._finish(reading, now, self._verdict(reading, lasted_ms))
        if self.rule.within is not None and lasted_ms > self.rule.within:
            return self._finish(reading, now, [f"had not ended after {self.rule.within // 1000} s"])
        return None

    def _begin(self, reading: Reading, now: Moment) -> None:
        if reading.start is False:
            self.is_armed = True
        elif reading.start and self.is_armed:
            self.began, self.is_armed = now, False
            self.lowest, self.highest, self.recordings = {}, {}, {}
            self._note(reading.terms)

    def _note(self, terms: Sequence[Term]) -> None:
        for term in terms:
            if isinstance(term.value, int | float) and not isinstance(term.value, bool):
                self.lowest[term.name] = min(self.lowest.get(term.name, term.value), term.value)
                self.highest[term.name] = max(self.highest.get(term.name, term.value), term.value)

    def _verdict(self, reading: Reading, lasted_ms: int) -> list[str]:
        reasons = []
        if lasted_ms < reading.minimum_ms:
            reasons.append(f"lasted {lasted_ms // 1000} s of at least {reading.minimum_ms // 1000} s")
        if reading.passes is None:
            reasons.append(f"could not be judged: {self.rule.passes}")
        elif not reading.passes:
            reasons.append(f"not reached: {self.rule.passes}")
        return reasons

    def _finish(self, reading: Reading, now: Moment, reasons: list[str]) -> TestObserved:
        began = self.began or now
        self.began = None
        return TestObserved(
            equipment=self.equipment, test=self.test, started_at=format_instant(began.wall_ms),
            ended_at=format_instant(now.wall_ms), passed=not reasons, reasons=reasons,
            evidence=[*reading.terms, *self._extremes(reading.terms), _duration(began, now)],
            samples=[one.series(point, self.units.get(point, "")) for point, one in self.recordings.items()],
        )  # fmt: skip

    def _extremes(self, terms: Sequence[Term]) -> list[Term]:
        units = {term.name: term.unit for term in terms}
        lowest = [
            Term(name=f"lowest {name}", value=value, unit=units.get(name, "")) for name, value in self.lowest.items()
        ]
        highest = [
            Term(name=f"highest {name}", value=value, unit=units.get(name, "")) for name, value in self.highest.items()
        ]
        return [*lowest, *highest]

    def checkpoint(self) -> dict[str, Any]:
        began = None if self.began is None else [self.began.wall_ms, self.began.steady_ms]
        return {"began": began, "is_armed": self.is_armed, "lowest": dict(self.lowest), "highest": dict(self.highest)}

    def restore(self, saved: dict[str, Any], shift: int) -> None:
        """Continue a test that ran when the process stopped."""
        if saved["began"] is not None:
            self.began = Moment(wall_ms=saved["began"][0], steady_ms=saved["began"][1] + shift)
        self.is_armed = saved["is_armed"]
        self.lowest, self.highest = dict(saved["lowest"]), dict(saved["highest"])

    def evidence_checkpoint(self) -> dict[str, Any] | None:
        """What it gathered, while it runs. Saved with the windows, so that a kill costs at most what these lose."""
        if self.began is None:
            return None
        return {
            "began_ms": self.began.wall_ms, "lowest": dict(self.lowest), "highest": dict(self.highest),
            "samples": {point: one.checkpoint() for point, one in self.recordings.items()},
        }  # fmt: skip

    def restore_evidence(self, saved: dict[str, Any]) -> None:
        """Go on with the evidence of the test that runs; that of an earlier one is passed over."""
        if self.began is None or saved["began_ms"] != self.began.wall_ms:
            return
        for name, value in saved["lowest"].items():
            self.lowest[name] = min(self.lowest.get(name, value), value)
        for name, value in saved["highest"].items():
            self.highest[name] = max(self.highest.get(name, value), value)
        self.recordings = {point: recall(one) for point, one in saved["samples"].items()}


def _duration(began: Moment, now: Moment) -> Term:
    return Term(name="duration", value=(now.steady_ms - began.steady_ms) / 1000, unit="s", quality=Quality.GOOD)
