"""A scenario file: plant, timeline and expectations, read with the line of every mistake.

``load_scenario_file`` reads one, ``scenario_of`` builds one from plain data. Whether its names exist on the site is
judged by ``scenario_check``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from device_profiles.reading import Finding, LibraryError, LineMap, finding, load_yaml, validate
from device_profiles.schema import DurationMs, Identifier, Text
from simulators.scenario_expect import Expect
from simulators.scenario_steps import KINDS, Step
from simulators.scenario_times import Start

SHIPPED = Path(__file__).parent / "scenarios"


class ScenarioWrong(ValueError):
    """A scenario that cannot be played. ``findings`` holds every mistake, each with file, line and remedy."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__("\n".join(str(one) for one in findings))
        self.findings = findings


class Person(BaseModel):
    """Somebody who acts. With ``channel`` they can be called, and what they are told is recorded."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: Identifier
    role: str
    channel: bool = False

    @field_validator("role")
    @classmethod
    def _known(cls, role: str) -> str:
        if role not in ROLES:
            raise ValueError(f"{role!r} is no role; write one of {', '.join(ROLES)}")
        return role


ROLES = ("viewer", "technician", "engineer", "manager", "admin")
PEOPLE = tuple(Person(name=role, role=role) for role in ROLES)
"""Who is always there: one of each role, named after it."""


class Generate(BaseModel):
    """A site that is made up: so many devices with so many points each."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    devices: int = Field(ge=1, le=1000)
    points: int = Field(default=12, ge=1, le=200)


class Head(BaseModel):
    """The file as written, its timeline still plain."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    title: Text
    about: Text | None = None
    start: Start
    lasts: DurationMs = Field(gt=0)
    seed: int = 0
    site: Path | None = None
    generate: Generate | None = None
    sampling: DurationMs | None = None
    history: bool = False
    pace: Literal["real", "calm", "coarse", "quarter"] = "real"
    cloud: dict[str, Any] = {}
    """What stands in cloud.yaml: targets, calendars …"""
    people: list[Person] = []
    timeline: list[dict[str, Any]] = []
    expect: Expect = Expect()


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario whose form is right. ``data`` is the plain file, ``lines`` where each of its nodes stands."""

    name: str
    file: Path
    head: Head
    steps: tuple[Step, ...]
    """In the order of the file."""
    data: Mapping[str, Any]
    lines: LineMap

    def line(self, *path: str | int) -> int:
        """Line of a node in the file."""
        return self.lines.line(path)

    @property
    def site_file(self) -> Path | None:
        """The site file it names, seen from its own folder."""
        return None if self.head.site is None else self.file.parent / self.head.site

    @property
    def people(self) -> tuple[Person, ...]:
        """Its own people and one of each role."""
        own = {one.name for one in self.head.people}
        return (*self.head.people, *(one for one in PEOPLE if one.name not in own))


def load_scenario_file(path: Path) -> Scenario:
    """Read a scenario file. Raises ScenarioWrong with every mistake."""
    try:
        data, lines = load_yaml(path)
    except LibraryError as error:
        raise ScenarioWrong(list(error.findings)) from error
    return _scenario(data, lines, path)


def scenario_of(data: Mapping[str, Any], file: Path) -> Scenario:
    """A scenario from plain data; ``file`` is where it would stand. Raises ScenarioWrong."""
    return _scenario(data, LineMap(), file)


def _scenario(data: Any, lines: LineMap, path: Path) -> Scenario:  # noqa: ANN401 - a document holds anything
    head, findings = validate(Head, data, lines, path)
    if isinstance(data, Mapping):
        findings += _site_mistakes(data, lines, path)
    steps = []
    entries = data.get("timeline") if isinstance(data, Mapping) else None
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        step, wrong = _step(entry, index, lines, path)
        findings += wrong
        steps += [step] if step else []
    if findings or head is None:
        raise ScenarioWrong(sorted(findings, key=lambda one: one.line))
    return Scenario(path.stem, path, head, tuple(steps), data, lines)


def _site_mistakes(data: Mapping[str, Any], lines: LineMap, path: Path) -> Iterator[Finding]:
    if ("site" in data) == ("generate" in data):
        yield finding(
            path, lines, ("site",), "a scenario plays on one site",
            "Write site: FILE or generate: {devices: 30, points: 12}, not both",
        )  # fmt: skip


def _step(entry: object, index: int, lines: LineMap, path: Path) -> tuple[Step | None, list[Finding]]:
    where = ("timeline", index)
    if not isinstance(entry, Mapping):
        return None, []  # told by the head
    verbs = [verb for verb in KINDS if verb in entry]
    if len(verbs) != 1:
        said = f"says {' and '.join(verbs)}" if verbs else "says nothing to do"
        remedy = f"Write exactly one of {', '.join(KINDS)}"
        return None, [finding(path, lines, where, f"this step {said}", remedy)]
    own = LineMap({at[2:]: line for at, line in lines.lines.items() if at[:2] == where})
    step, wrong = validate(KINDS[verbs[0]], entry, own, path)
    shown = f"timeline[{index}]"
    return step, [
        Finding(one.file, one.line, f"{shown}.{one.path}" if one.path else shown, one.message, one.remedy)
        for one in wrong
    ]
