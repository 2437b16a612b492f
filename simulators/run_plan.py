"""timeline → deeds: every step at its instant, and the end of every step that ends by itself (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from contract.conventions import EpochMs
from simulators import scenario_steps as s
from simulators.scenario_file import Scenario


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing to do at one instant: a step, or (``is_end``) its end. ``line`` is where it stands in the file."""

    at_ms: EpochMs
    step: s.Step
    line: int
    is_end: bool = False


def plan(scenario: Scenario, start_ms: EpochMs, zone: ZoneInfo) -> list[Deed]:
    """Everything to do in the order of time, steps of one instant in the order of the file. Ends come before beginnings."""
    deeds: list[Deed] = []
    for index, step in enumerate(scenario.steps):
        at_ms, line = step.at.instant(start_ms, zone), scenario.line("timeline", index)
        deeds.append(Deed(at_ms, step, line))
        deeds += [Deed(end_ms, step, line, is_end=True) for end_ms in _end(step, at_ms)]
    for index, value in enumerate(scenario.head.expect.values):
        look = s.ExpectValue(
            at=value.at, expect_value=value.point, equipment=value.equipment, between=value.between,
            quality=value.quality, **{"is": value.is_},
        )  # fmt: skip
        deeds.append(Deed(value.at.instant(start_ms, zone), look, scenario.line("expect", "values", index)))
    return sorted(deeds, key=_order)


def _order(deed: Deed) -> tuple[EpochMs, int]:
    """What ends makes room for what begins; only a restart without a pause ends after it began."""
    is_instant = isinstance(deed.step, s.Restart) and not deed.step.lasts
    return deed.at_ms, (2 if is_instant else 0) if deed.is_end else 1


def _end(step: s.Step, at_ms: EpochMs) -> Iterator[EpochMs]:
    if isinstance(step, s.Restart):
        yield at_ms + (step.lasts or 0)
    elif isinstance(step, s.Lasting) and not isinstance(step, s.Shelve) and step.lasts is not None:
        yield at_ms + step.lasts


def late(scenario: Scenario, start_ms: EpochMs, zone: ZoneInfo) -> list[tuple[tuple[str | int, ...], str, bool]]:
    """Steps and looks outside the scenario: (path in the file, time as written, whether it is before the start)."""
    end_ms = start_ms + scenario.head.lasts
    looks = enumerate(scenario.head.expect.values)
    times = [
        *((("timeline", index, "at"), step.at) for index, step in enumerate(scenario.steps)),
        *((("expect", "values", index, "at"), value.at) for index, value in looks),
    ]
    instants = [(path, at.text, at.instant(start_ms, zone)) for path, at in times]
    return [(path, text, at < start_ms) for path, text, at in instants if not start_ms <= at <= end_ms]
