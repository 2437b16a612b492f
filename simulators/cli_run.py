"""``plantroom-sim run`` and ``plantroom-sim scenarios``: scenarios played on the running product, and what came of them."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NoReturn, TextIO

import typer

from contract.conventions import Exit, json_line
from device_profiles.reading import Finding
from simulators.clock import SystemClock
from simulators.demo_lines import language_of
from simulators.pool import cores, quiet, spread
from simulators.processes import ProcessFailed
from simulators.progress import Progress
from simulators.run import Outcome, Tell, checked, play, run_scenario, times_of
from simulators.run_paced import run_paced
from simulators.run_report import as_object, lines_of, summary
from simulators.run_timeline import Event
from simulators.scenario_check import virtual_only
from simulators.scenario_file import Scenario, ScenarioWrong
from simulators.scenario_shelf import load_all, shipped

_SHOWN = 3
"""So many names of what a folder holds are told."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of one call."""

    seed: int | None
    speed: float | None
    is_real_time: bool
    is_json: bool
    jobs: int
    data: Path | None
    whole: bool

    @property
    def stream(self) -> TextIO:
        """Where lines for people go."""
        return sys.stderr if self.is_json else sys.stdout

    @property
    def is_watched(self) -> bool:
        """Whether what happens is told as it happens."""
        return self.whole and (self.is_real_time or self.speed is not None)


@dataclass(frozen=True, slots=True)
class Share:
    """One scenario for one process."""

    scenario: Scenario
    seed: int | None
    data: Path | None


def run(
    scenario: Annotated[
        list[str], typer.Argument(help="Scenario files, or names of shipped ones; `all` is all of these.")
    ],
    *,
    virtual: Annotated[
        bool, typer.Option("--virtual", help="On virtual time, as fast as it can: the default.")
    ] = False,
    real_time: Annotated[
        bool,
        typer.Option("--real-time", help="Gateway, cloud and plant as processes on real sockets, second by second."),
    ] = False,
    speed: Annotated[
        float | None, typer.Option(min=0.1, help="Virtual time at so many times the pace of the wall clock.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="The same seed gives the same bytes; the file's own by default.")
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Scenarios beside each other; one a core.")] = None,
    data: Annotated[Path | None, typer.Option(help="Keep what gateway and cloud wrote, in this empty folder.")] = None,
    timeline: Annotated[bool, typer.Option("--timeline", help="Tell everything that happened.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a scenario; lines on standard error.")
    ] = False,
) -> None:
    """Play scenarios on the running product and compare what they expect.

    Exit 0: everything as expected; 1: something was not; 2: a scenario is wrong.
    """
    if sum((virtual, real_time, speed is not None)) > 1:
        _fail("--virtual, --real-time and --speed exclude each other; give one", Exit.MISCONFIGURED)
    asked = Asked(seed, speed, real_time, as_json, jobs or cores(), data, timeline)
    names = [path.stem for path in shipped()] if scenario == ["all"] else scenario
    try:
        scenarios = load_all(names)
        _check(scenarios, is_real_time=real_time)
        if data is not None:
            _take_folder(data, scenarios)
        raise typer.Exit(_run_all(scenarios, asked))
    except ScenarioWrong as error:
        _fail(str(error), Exit.MISCONFIGURED)
    except ProcessFailed as error:
        _fail(str(error), Exit.FINDING)


def scenarios(*, as_json: Annotated[bool, typer.Option("--json", help="One JSON object a scenario.")] = False) -> None:
    """List the shipped scenarios."""
    language = language_of(os.environ)
    for one in load_all([path.stem for path in shipped()]):
        title = one.head.title
        typer.echo(
            json_line(_listed(one)) if as_json else f"{one.name:<40} {title.zh if language == 'zh' else title.en}"
        )


def _listed(one: Scenario) -> dict[str, object]:
    head = one.head
    return {
        "name": one.name, "title": head.title.model_dump(), "about": head.about.model_dump() if head.about else None,
        "lasts_s": head.lasts / 1000, "pace": head.pace, "file": str(one.file),
    }  # fmt: skip


def _check(scenarios: Sequence[Scenario], *, is_real_time: bool) -> None:
    """Every mistake of every file, before anything is played."""
    mistakes = []
    for one in scenarios:
        try:
            checked(one)
        except ScenarioWrong as error:
            mistakes += error.findings
        if is_real_time:
            mistakes += virtual_only(one)
    if mistakes:
        raise ScenarioWrong(mistakes)


def _take_folder(data: Path, scenarios: Sequence[Scenario]) -> None:
    """Make --data's folder with one for each scenario: what one call wrote and nothing else. Raises ScenarioWrong."""
    names = [one.name for one in scenarios]
    for one in scenarios:
        if names.count(one.name) > 1:
            remedy = "Rename one, or run them one after the other with a folder each"
            raise ScenarioWrong([Finding(str(one.file), 0, "", f"two scenarios are named {one.name}", remedy)])
    remedy = "Name an empty folder with --data, or one that is not there yet"
    try:
        held = sorted(one.name for one in data.iterdir()) if data.exists() else []
        if held:
            said = f"is not empty: it holds {', '.join(held[:_SHOWN])}{' …' if len(held) > _SHOWN else ''}"
            raise ScenarioWrong([Finding(str(data), 0, "", said, remedy)])
        for name in names:
            (data / name).mkdir(parents=True)
    except OSError as error:
        raise ScenarioWrong([Finding(str(data), 0, "", f"cannot be used: {error.strerror}", remedy)]) from error


def _run_all(scenarios: Sequence[Scenario], asked: Asked) -> Exit:
    language, clock = language_of(os.environ), SystemClock()
    stream = asked.stream
    began_s, outcomes = clock.monotonic_s(), []
    whole = sum(one.head.lasts for one in scenarios) // 60_000
    with Progress(whole, "simulated minutes") as progress:
        for outcome in _outcomes(scenarios, asked, progress):
            outcomes.append(outcome)
            progress.clear()
            for line in lines_of(outcome, language, whole=asked.whole and not asked.is_watched):
                print(line, file=stream, flush=True)
            if asked.is_json:
                typer.echo(json_line(as_object(outcome)))
    if len(outcomes) > 1 or not asked.is_json:
        print(summary(outcomes, clock.monotonic_s() - began_s), file=stream)
    return Exit.DONE if all(one.is_right for one in outcomes) else Exit.FINDING


def _outcomes(scenarios: Sequence[Scenario], asked: Asked, progress: Progress) -> Iterator[Outcome]:
    if asked.is_real_time or asked.speed is not None or asked.jobs == 1 or len(scenarios) == 1:
        quiet()
        for one in scenarios:
            yield _alone(one, asked, _Teller(one, progress, asked.stream if asked.is_watched else None))
        return
    shares = [Share(one, asked.seed, asked.data) for one in scenarios]
    done: dict[str, Outcome] = {}
    waiting = [one.scenario.name for one in shares]
    for share, outcome in spread(_share, shares, asked.jobs):
        done[share.scenario.name] = outcome
        progress.advance(share.scenario.head.lasts // 60_000)
        if not asked.is_json:  # people want to know at once
            yield done.pop(share.scenario.name)
            continue
        while waiting and waiting[0] in done:  # programs, in the order in which they were asked for
            yield done.pop(waiting.pop(0))


def _share(share: Share) -> Outcome:
    """One scenario in a process of its own."""
    with folder_of(share.scenario, share.data) as folder:
        return run_scenario(share.scenario, folder, share.seed)


def _alone(scenario: Scenario, asked: Asked, tell: Tell) -> Outcome:
    with folder_of(scenario, asked.data) as folder:
        if asked.is_real_time:
            from simulators.run_real import run_real  # processes and sockets: only where they are wanted

            return run_real(scenario, folder, asked.seed, tell)
        if asked.speed is not None:
            return run_paced(play(scenario, folder, asked.seed, tell), asked.speed)
        return run_scenario(scenario, folder, asked.seed, tell)


class _Teller:
    """Moves the bar of one scenario, and tells what happens as it happens where somebody looks on."""

    def __init__(self, scenario: Scenario, progress: Progress, stream: TextIO | None) -> None:
        self._scenario, self._progress, self._stream = scenario, progress, stream
        self._minutes, self._told = scenario.head.lasts // 60_000, 0
        self._times = times_of(scenario)
        self._seen: dict[Event, None] = {}

    def __call__(self, share: float, events: Callable[[], Sequence[Event]]) -> None:
        if self._stream is not None:
            self._tell([one for one in events() if one not in self._seen], self._stream)
        now = int(share * self._minutes)
        self._progress.advance(now - self._told, self._scenario.name)
        self._told = now

    def _tell(self, new: Sequence[Event], stream: TextIO) -> None:
        self._seen |= dict.fromkeys(new)
        if new:
            self._progress.clear()
        for one in new:
            print(f"{self._times.written(one.at_ms):>12}  {one.who:<7} {one.text}", file=stream, flush=True)


@contextlib.contextmanager
def folder_of(scenario: Scenario, data: Path | None) -> Iterator[Path]:
    """Where one run's data lands: kept where it was asked for, else gone afterwards."""
    if data is None:
        place = Path(tempfile.mkdtemp(prefix=f"plantroom-{scenario.name}-"))
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)
        return
    yield data / scenario.name


def _fail(message: str, code: Exit) -> NoReturn:
    typer.echo(f"plantroom-sim: {message}", err=True)
    raise typer.Exit(code)
