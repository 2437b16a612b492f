"""seeds → runs → what broke: a drawn case is played on virtual time and only its invariants are judged.

A run that ends with an error of the program is a finding too. What people may not do, or what names nothing, is no
finding: the case is drawn at random, and its expectations are none.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from device_profiles.library import Library, load
from simulators.clock import run_virtual
from simulators.explore_draw import SITE_NAME, Case, draw
from simulators.pool import silenced
from simulators.run import play
from simulators.scenario_file import Scenario, ScenarioWrong, load_scenario_file

_FIGURES = re.compile(r"\d[\d.:TZ-]*")
_NAMES = re.compile(r"\b[a-z]+(?:_[a-z0-9]+)+\b")
_WHOSE = re.compile(r"^(T-\d+ )?\S*( \S+ \d+)?: ")
"""What a sentence is about, in front of what is wrong with it: a key, a ticket with its key or its clock."""


@dataclass(frozen=True, slots=True)
class Found:
    """What came of one case."""

    seed: int
    broken: tuple[str, ...]
    simulated_s: float
    steps: int

    @property
    def kinds(self) -> frozenset[str]:
        """What kind of thing each is: the sentence without its names and figures."""
        return frozenset(kind_of(one) for one in self.broken)


def kind_of(sentence: str) -> str:
    """Two sentences of one kind differ only in names and figures."""
    told = _WHOSE.sub("", sentence.splitlines()[0])
    return " ".join(_NAMES.sub("…", _FIGURES.sub("…", told)).split())


_library: list[Library] = []


def library() -> Library:
    """The shipped one, read once a process."""
    if not _library:
        _library.append(load([]))
    return _library[0]


def explore_seed(seed: int) -> Found:
    """Draw and play the case of one seed. For a worker process."""
    return play_case(draw(seed, library()))


def play_case(case: Case) -> Found:
    """Play it and judge its invariants. Raises ScenarioWrong for a case that is no scenario."""
    with silenced(), tempfile.TemporaryDirectory(prefix="plantroom-explore-") as place:
        folder = Path(place)
        file = write_case(case, folder / "case.yaml")
        (folder / "world").mkdir()
        try:
            outcome = run_virtual(_play(load_scenario_file(file), folder / "world"))
        except ScenarioWrong:
            raise
        except Exception as error:  # noqa: BLE001 - the program's own errors are what is looked for
            return Found(case.seed, (_told(error),), 0.0, len(case.steps))
    return Found(case.seed, outcome[0], outcome[1], len(case.steps))


async def _play(scenario: Scenario, folder: Path) -> tuple[tuple[str, ...], float]:

    outcome = await play(scenario, folder)
    return outcome.broken, asyncio.get_running_loop().time()


def _told(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(where.filename).name}: {where.name}: the program failed with {type(error).__name__}: {error}"


def write_case(case: Case, file: Path, heading: str = "") -> Path:
    """The case as a scenario file with its site beside it, the site named after the scenario; returns ``file``."""
    site_name = SITE_NAME if file.name == "case.yaml" else f"{file.stem}_site.yaml"
    file.with_name(site_name).write_text(_yaml(case.site), encoding="utf-8")
    scenario = {**case.scenario, "site": site_name}
    head = "".join(f"# {line}\n" for line in heading.splitlines())
    file.write_text(head + _yaml(scenario), encoding="utf-8")
    return file


def _yaml(data: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(data), allow_unicode=True, sort_keys=False, width=120, default_flow_style=None)
