"""A scenario in real time: gateway, cloud and broker as processes, plant on real sockets, people through HTTP.

Instants of what happened are moved back onto the scenario's own calendar, so that the same file is compared; real
clocks and polls are not exact, so an expected instant may be missed by ``SLACK_MS``. What a machine's clock shows cannot
be changed here, nor answers lost alone: such scenarios play on virtual time only.
"""

from __future__ import annotations

import asyncio
import signal
from dataclasses import replace
from pathlib import Path

import yaml

from device_profiles.reading import Finding
from simulators.broken_network import BrokenNetwork
from simulators.clock import SystemClock
from simulators.demo_setup import DemoMisconfigured, Options, Setup, prepare
from simulators.run import Outcome, Prepared, Tell, checked, conduct, outcome_of, times_of
from simulators.run_deeds import Conductor
from simulators.run_facts import read_facts
from simulators.run_plan import plan
from simulators.run_real_stage import RealStage, RunStack
from simulators.scenario_check import virtual_only
from simulators.scenario_file import Scenario, ScenarioWrong
from simulators.site import load_file

SLACK_MS = 5_000


def run_real(scenario: Scenario, folder: Path, seed: int | None, tell: Tell) -> Outcome:
    """Play it second by second. Raises ScenarioWrong; ProcessFailed when a process ends that should run."""
    if mistakes := list(virtual_only(scenario)):
        raise ScenarioWrong(mistakes)
    return asyncio.run(_run(scenario, folder, scenario.head.seed if seed is None else seed, tell))


async def _run(scenario: Scenario, folder: Path, seed: int, tell: Tell) -> Outcome:
    if task := asyncio.current_task():
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    data, library = checked(scenario)
    times = replace(times_of(scenario, data), slack_ms=SLACK_MS)
    setup = _set_up(data, scenario, folder)
    prepared = Prepared(scenario, setup.site_file, library, times, plan(scenario, times.start_ms, times.zone))
    clock = SystemClock()
    line = BrokenNetwork(clock, "127.0.0.1", setup.ports.cloud)
    await line.start()
    _through(setup.site_file, line.port)
    stack = RunStack(setup, seed, _cloud_file(scenario, folder))
    try:
        await stack.start()
        stage = RealStage(stack, line, times.start_ms)
        await stage.add_people(scenario)
        try:
            return await _play(prepared, stage, seed, tell)
        finally:
            await stage.close()
    finally:
        await line.stop()
        await stack.stop()


async def _play(prepared: Prepared, stage: RealStage, seed: int, tell: Tell) -> Outcome:
    stage.begin()
    conductor = Conductor(stage, prepared.times)
    await conduct(conductor, stage, prepared, tell)
    facts = read_facts(stage.database, stage.behind_ms)
    return outcome_of(prepared, seed, conductor, facts, (), stage)


def _set_up(data: dict[str, object], scenario: Scenario, folder: Path) -> Setup:
    """The scenario's site on free ports. Raises ScenarioWrong."""
    if own := data.get("library"):
        data["library"] = str(((scenario.site_file or folder).parent / str(own)).resolve())
    asked = folder / "asked.yaml"
    asked.write_text(yaml.safe_dump(data, allow_unicode=True, sort_keys=False), encoding="utf-8")
    try:
        return prepare(Options(data=folder, site=asked, scenario=None))
    except DemoMisconfigured as error:
        raise ScenarioWrong([Finding(str(scenario.file), 0, "", str(error))]) from error


def _through(site_file: Path, port: int) -> None:
    """Let the gateway reach its cloud by a line that can be cut."""
    data = load_file(site_file)
    data["gateway"]["cloud"] = f"http://127.0.0.1:{port}"
    data["gateway"]["credential_file"] = "credential"
    site_file.write_text(yaml.safe_dump(data, allow_unicode=True, sort_keys=False), encoding="utf-8")


def _cloud_file(scenario: Scenario, folder: Path) -> Path | None:
    if not scenario.head.cloud:
        return None
    file = folder / "cloud.yaml"
    file.write_text(yaml.safe_dump(scenario.head.cloud, allow_unicode=True), encoding="utf-8")
    return file
