"""A scenario file → what came of it: plays it on the real code in virtual time, and compares what it expects.

``run_scenario`` makes its own virtual loop; ``play`` runs inside one. Same scenario and seed, same bytes.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from contract.conventions import EpochMs
from device_profiles.library import Library, LibraryError
from device_profiles.on_demand import load_needed
from device_profiles.reading import Finding
from simulators import invariants
from simulators.clock import VirtualClock, run_virtual
from simulators.expect import Judge, Miss, Times
from simulators.pool import silenced
from simulators.run_deeds import Conductor
from simulators.run_facts import Facts, Row, dump, key_of, read_facts
from simulators.run_plan import Deed, plan
from simulators.run_site import site_of, write_site
from simulators.run_stage import Stage, VirtualStage
from simulators.run_timeline import Event, timeline
from simulators.scenario_check import check
from simulators.scenario_file import Scenario, ScenarioWrong
from simulators.site import SiteError, build_site
from simulators.virtual import PACES, World, running
from simulators.virtual_cloud import configured

Tell = Callable[[float, Callable[[], Sequence[Event]]], None]
"""Hears how far a run is, 0 to 1, and may ask for everything that happened so far."""
_TOLD = 100
"""How often in a run."""
_TOLD_LEAST_MS = 1_000


def silent(_share: float, _events: Callable[[], Sequence[Event]]) -> None:
    """Tells nobody."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A ticket as it was left, without its instants."""

    key: str
    priority: str
    state: str
    occurrences: int
    activations: int
    is_past: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one scenario. ``misses`` are expectations not met, ``broken`` are invariants that do not hold."""

    name: str
    title: Mapping[str, str]
    file: str
    seed: int
    start_ms: EpochMs
    simulated_s: float
    zone: str
    misses: tuple[Miss, ...]
    broken: tuple[str, ...]
    met: int
    events: tuple[Event, ...]
    tickets: tuple[Seen, ...]
    digest: str
    """SHA-256 over every row that events, tickets and clocks left."""

    @property
    def is_right(self) -> bool:
        return not self.misses and not self.broken

    @property
    def times(self) -> Times:
        """How to write its instants."""
        return Times(self.start_ms, ZoneInfo(self.zone))


def run_scenario(scenario: Scenario, folder: Path, seed: int | None = None, tell: Tell | None = None) -> Outcome:
    """Play it on a virtual loop of its own; data lands in ``folder``. Raises ScenarioWrong, SiteError, LibraryError."""
    with silenced():
        return run_virtual(play(scenario, folder, seed, tell))


@dataclass(frozen=True, slots=True)
class Prepared:
    """A scenario whose every name exists, its site file on the ports of its own world, and all there is to do."""

    scenario: Scenario
    site_file: Path
    library: Library
    times: Times
    deeds: Sequence[Deed]


def prepare(scenario: Scenario, folder: Path) -> Prepared:
    """Check a scenario against its site. Raises ScenarioWrong with every mistake, SiteError, LibraryError."""
    data, library = checked(scenario)
    times = times_of(scenario, data)
    original = (scenario.site_file or folder / "site.yaml").parent
    try:
        with tempfile.TemporaryDirectory() as place:
            configured(scenario.head.cloud, Path(place), folder)
    except SiteError as error:
        raise ScenarioWrong([Finding(str(scenario.file), scenario.line("cloud"), "cloud", str(error))]) from error
    return Prepared(
        scenario, write_site(data, original, folder), library, times, plan(scenario, times.start_ms, times.zone)
    )


def times_of(scenario: Scenario, site: Mapping[str, Any] | None = None) -> Times:
    """How its times become instants, in the zone of its site. Raises SiteError."""
    zone = (site or site_of(scenario))["site"].get("zone", "UTC")
    return Times(scenario.head.start, ZoneInfo(zone))


def checked(scenario: Scenario) -> tuple[dict[str, Any], Library]:
    """The plain data of its site and its library, every name of the scenario checked against it. Raises as ``prepare``."""
    try:
        data = site_of(scenario)
        original = (scenario.site_file or Path("site.yaml")).parent
        library = load_needed([original / data["library"]] if data.get("library") else [])
        site = build_site(data, library)
    except (SiteError, LibraryError) as error:
        line = scenario.line("site" if scenario.site_file else "generate")
        raise ScenarioWrong([Finding(str(scenario.file), line, "site", str(error))]) from error
    if mistakes := check(scenario, site, ZoneInfo(data["site"].get("zone", "UTC"))):
        raise ScenarioWrong(mistakes)
    return data, library


async def play(scenario: Scenario, folder: Path, seed: int | None = None, tell: Tell | None = None) -> Outcome:
    """Play it on the running virtual loop. Raises as ``run_scenario``."""
    prepared = prepare(scenario, folder)
    seed = scenario.head.seed if seed is None else seed
    async with running(
        prepared.site_file,
        folder,
        VirtualClock(prepared.times.start_ms),
        seed=seed,
        library=prepared.library,
        world=world_of(scenario),
    ) as world:
        stage = VirtualStage(world)
        conductor = Conductor(stage, prepared.times)
        await conduct(conductor, stage, prepared, tell or silent)
        facts = read_facts(stage.database)
        broken = await invariants.check(world, prepared.deeds)
        return outcome_of(prepared, seed, conductor, facts, broken, stage)


def world_of(scenario: Scenario) -> World:
    """What differs in its world from the plainest one."""
    people = {one.name: one.role for one in scenario.people}
    reachable = tuple(one.name for one in scenario.people if one.channel)
    head, pace = scenario.head, PACES[scenario.head.pace]
    if head.pace != "real" and not head.history:
        pace = replace(pace, keeps_samples=False)
    return World(people, reachable, head.cloud, keeps_history=head.history, pace=pace)


async def conduct(conductor: Conductor, stage: Stage, prepared: Prepared, tell: Tell) -> None:
    """Every deed at its instant, until the end."""
    start_ms, lasts = prepared.times.start_ms, prepared.scenario.head.lasts
    slice_ms = max(_TOLD_LEAST_MS, lasts // _TOLD)

    def events() -> Sequence[Event]:
        return timeline(read_facts(stage.database, stage.behind_ms), stage.changes, conductor.events)

    async def passing(until_ms: EpochMs) -> None:
        while (now_ms := stage.now_ms()) < until_ms:
            await stage.until(min(until_ms, now_ms + slice_ms))
            tell((stage.now_ms() - start_ms) / lasts, events)

    for deed in prepared.deeds:
        if deed.at_ms > start_ms + lasts:
            break
        await passing(deed.at_ms)
        await conductor.do(deed)
    await passing(start_ms + lasts)


def outcome_of(
    prepared: Prepared,
    seed: int,
    conductor: Conductor,
    facts: Facts,
    broken: Sequence[str],
    stage: Stage,
) -> Outcome:
    """Compare what is expected with what was left."""
    scenario, times = prepared.scenario, prepared.times
    judge = Judge(scenario, facts, times)
    judge.judge()
    return Outcome(
        name=scenario.name, title=scenario.head.title.model_dump(), file=str(scenario.file), seed=seed,
        start_ms=times.start_ms, simulated_s=scenario.head.lasts / 1000, zone=str(times.zone),
        misses=(*conductor.misses, *judge.misses), broken=tuple(broken), met=conductor.met + judge.met,
        events=timeline(facts, stage.changes, conductor.events), tickets=tuple(_seen(one) for one in facts.tickets),
        digest=hashlib.sha256(dump(stage.database)).hexdigest(),
    )  # fmt: skip


def _seen(row: Row) -> Seen:
    return Seen(
        key_of(row), row["priority"], row["state"], row["occurrences"], row["activations"], bool(row["is_past"])
    )
