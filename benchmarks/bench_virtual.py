"""Virtual time: how many seconds of a site are lived in one second of this machine's processor.

A made-up site of 30 devices of 12 points, read every 15 minutes, lives with its gateway and its cloud, at the pace of a real
gateway and at those of long scenarios, the longest with its samples in the history and without. Beside each stands the same virtual loop with the same timers and nothing
else: no physics, no product. The site's own start (files, database, sign-ins) is not counted. CPU time, so that a busy machine changes little.
"""

import asyncio
import logging
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from benchmarks.result import Result
from simulators.clock import VirtualClock, VirtualLoop
from simulators.run_site import write_site
from simulators.site_made import made_site
from simulators.virtual import PACES, World, running

BENCH = "virtual"
DEVICES, POINTS = 30, 12
START_MS = 1_795_190_400_000
WARM_S = 3600.0


@dataclass(frozen=True, slots=True)
class Case:
    """A pace, whether samples go into the history, how long is lived, and the least to be lived in a second."""

    pace: str
    has_history: bool
    lived_s: float
    floor: float

    def __str__(self) -> str:
        return f"{self.pace} pace, {'with' if self.has_history else 'without'} history"


CASES = (
    Case("real", True, 4 * 3600.0, 400.0),
    Case("coarse", True, 48 * 3600.0, 8_000.0),
    Case("quarter", False, 10 * 86_400.0, 105_120.0),  # a year in five minutes
    Case("quarter", True, 10 * 86_400.0, 52_560.0),  # a year in ten
)


class _Noting(VirtualLoop):
    """Notes every instant at which it had nothing to do but to jump."""

    def __init__(self) -> None:
        self.jumps: list[float] = []
        super().__init__()

    def _advance(self, seconds: float) -> None:
        super()._advance(seconds)
        self.jumps.append(self.time())


async def _live(folder: Path, case: Case, loop: _Noting) -> float:
    """CPU seconds of what is lived, after an hour to settle."""
    pace = replace(PACES[case.pace], keeps_samples=case.has_history)
    file = write_site(made_site(DEVICES, POINTS), folder, folder)
    async with running(
        file, folder, VirtualClock(START_MS), world=World(pace=pace, keeps_history=case.has_history)
    ) as site:
        await site.at(WARM_S)
        loop.jumps.clear()
        begun = time.process_time()
        await site.at(WARM_S + case.lived_s)
        return time.process_time() - begun


async def _wait_only(instants: list[float]) -> float:
    loop, begun = asyncio.get_running_loop(), time.process_time()
    for instant in instants:
        await asyncio.sleep(instant - loop.time())
    return time.process_time() - begun


def _measured(case: Case) -> tuple[float, float, int]:
    """(CPU seconds with everything, with timers only, timers)."""
    with tempfile.TemporaryDirectory() as place:
        loop = _Noting()
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            whole = runner.run(_live(Path(place), case, loop))
            instants = [at for at in loop.jumps if at <= WARM_S + case.lived_s]
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        bare = runner.run(_wait_only(instants))
    return whole, bare, len(instants)


def run() -> Iterator[Result]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    for case in CASES:
        whole, bare, timers = _measured(case)
        told = f"{DEVICES} devices of {POINTS} points at 15 min, {case}"
        yield Result.at_least(BENCH, told, round(case.lived_s / whole), "s lived/s CPU", case.floor)
        yield Result(BENCH, f"the same {timers} timers, nothing else", round(case.lived_s / bare), "s lived/s CPU")
