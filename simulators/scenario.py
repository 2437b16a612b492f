"""A timeline of faults and the tickets it must produce: what to do when, and was it right (pure).

Times are seconds from the start of the scenario. What a fault must raise stands in its equipment class, so a scenario
names only the equipment and the fault; advisory rules open no ticket and are not expected.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from contract.conventions import EpochMs
from device_profiles.schema import DurationMs, Identifier
from simulators.site import SimulatedSite


class ScenarioError(ValueError):
    """The scenario cannot be played. The text says what, where and what to do."""


class PlannedFault(BaseModel):
    """One line of a scenario file."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    at: DurationMs
    equipment: Identifier
    fault: Identifier
    lasts: DurationMs = 10_000


class Scenario(BaseModel):
    """``scenario.yaml``: faults in the order a reader likes."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    faults: list[PlannedFault]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do at one moment."""

    at_ms: int
    do: Literal["inject", "clear"]

    equipment: str
    fault: str


@dataclass(frozen=True, slots=True)
class Expectation:
    """One ticket that one injected fault must open."""

    equipment: str
    fault: str
    rule: str
    on_delay_ms: int
    injected_ms: EpochMs

    @property
    def key(self) -> tuple[str, str]:
        return self.equipment, self.rule


@dataclass(frozen=True, slots=True)
class SeenTicket:
    """A ticket as the cloud tells it."""

    id: str
    equipment: str
    rule: str
    clause: str
    priority: str
    raised_at: str
    received_at: str
    received_ms: EpochMs
    response_due: str | None
    resolution_due: str | None

    @property
    def key(self) -> tuple[str, str]:
        return self.equipment, self.rule


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which tickets are missing, which nobody ordered, and how fast the right ones came."""

    missing: tuple[Expectation, ...]
    unexpected: tuple[SeenTicket, ...]
    latency_ms: tuple[int, ...]
    """Injection to the cloud's acceptance, the rule's on-delay subtracted, ascending."""

    @property
    def is_right(self) -> bool:
        return not self.missing and not self.unexpected


def load_scenario(path: Path) -> Scenario:
    """Read a scenario file. Raises ScenarioError naming the file and every mistake."""
    try:
        return Scenario.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ScenarioError(f"{path}: is not YAML: {error}") from error
    except ValidationError as error:
        lines = [f"{path}: {'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise ScenarioError("\n".join(lines)) from error


def check_scenario(scenario: Scenario, site: SimulatedSite) -> list[str]:
    """Every name of the scenario that the site does not have, as sentences."""
    return [problem for planned in scenario.faults if (problem := _problem(planned, site))]


def _problem(planned: PlannedFault, site: SimulatedSite) -> str:
    equipment = site.equipment.get(planned.equipment)
    if equipment is None:
        known = ", ".join(sorted(site.equipment))
        return f"fault {planned.fault}: no equipment {planned.equipment}; this site has {known}"
    if planned.fault not in equipment.equipment_class.faults:
        known = ", ".join(sorted(equipment.equipment_class.faults))
        return f"{planned.equipment}: its class knows no fault {planned.fault}; it knows {known}"
    return ""


def schedule(faults: Iterable[PlannedFault], horizon_ms: float = math.inf) -> list[Step]:
    """Injections and repairs in the order of time; nothing is injected at or after ``horizon_ms``."""
    chosen = [planned for planned in faults if planned.at < horizon_ms]
    steps = [Step(planned.at, "inject", planned.equipment, planned.fault) for planned in chosen]
    steps += [Step(planned.at + planned.lasts, "clear", planned.equipment, planned.fault) for planned in chosen]
    return sorted(steps, key=lambda step: step.at_ms)


def expectations(equipment: str, fault: str, injected_ms: EpochMs, site: SimulatedSite) -> list[Expectation]:
    """The tickets that a fault injected now must open."""
    of = site.equipment[equipment]
    return [
        Expectation(equipment, fault, rule, of.on_delays_ms[rule], injected_ms)
        for rule in of.equipment_class.faults[fault].raises
        if of.severities.get(rule, "advisory") != "advisory"
    ]


def judge(expected: Sequence[Expectation], tickets: Sequence[SeenTicket]) -> Verdict:
    """Compare what was ordered with what came. The same fault injected twice needs its ticket once."""
    first: dict[tuple[str, str], Expectation] = {}
    for one in expected:
        first.setdefault(one.key, one)
    by_key: dict[tuple[str, str], SeenTicket] = {}
    doubled = []
    for ticket in tickets:
        if ticket.key in first and ticket.key not in by_key:
            by_key[ticket.key] = ticket
        else:
            doubled.append(ticket)
    missing = tuple(one for key, one in first.items() if key not in by_key)
    latency = sorted(latency_ms(one, by_key[key]) for key, one in first.items() if key in by_key)
    return Verdict(missing, tuple(doubled), tuple(latency))


def latency_ms(expected: Expectation, ticket: SeenTicket) -> int:
    """From the injection to the cloud's acceptance, without the rule's on-delay."""
    return ticket.received_ms - expected.injected_ms - expected.on_delay_ms


def percentiles(latency: Sequence[int]) -> Mapping[str, int | None]:
    """p50, p99 (nearest rank) and max of ascending figures; None when there are none."""
    if not latency:
        return {"p50": None, "p99": None, "max": None}
    return {"p50": _rank(latency, 0.50), "p99": _rank(latency, 0.99), "max": latency[-1]}


def _rank(ascending: Sequence[int], share: float) -> int:
    return ascending[max(math.ceil(share * len(ascending)) - 1, 0)]
