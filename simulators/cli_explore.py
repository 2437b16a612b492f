"""``plantroom-sim explore``: chaos by search. Random plants and troubles, what must hold, the smallest case that breaks it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from contract.conventions import Exit, json_line
from simulators.explore import Found, explore_seed, library, play_case, write_case
from simulators.explore_draw import Case, draw
from simulators.pool import cores, quiet, spread
from simulators.progress import Progress
from simulators.scenario_file import ScenarioWrong
from simulators.shrink import shrink

KEPT = Path("explored")


@dataclass(frozen=True, slots=True)
class Kept:
    """A kind of failure, its smallest case and where that lies."""

    kind: str
    seed: int
    file: Path
    steps: int
    broken: tuple[str, ...]

    @property
    def command(self) -> str:
        """What plays it again."""
        return f"plantroom-sim run {shlex.quote(str(self.file))}"


def explore(
    *,
    runs: Annotated[int, typer.Option(min=1, help="How many cases to draw.")] = 100,
    seed: Annotated[int, typer.Option(help="The first case; the others follow it.")] = 1,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes; one a core.")] = None,
    keep: Annotated[Path, typer.Option(help="Folder for the shrunk scenario files.")] = KEPT,
    shrink_runs: Annotated[
        int, typer.Option(min=0, help="Runs that shrinking one failure may take; 0: as drawn.")
    ] = 80,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object at the end; lines on standard error.")
    ] = False,
) -> None:
    """Draw random plants, faults, outages, power cuts, lies and people, and look for a broken promise.

    Exit 0: all held; 1: something broke, and the smallest case that breaks it was written down.
    """
    quiet()
    failed = list(_failures(runs, seed, jobs or cores()))
    kept = [_kept(kind, found, keep, shrink_runs) for kind, found in _by_kind(failed).items()]
    for one in kept:
        _say(f"BROKEN  {one.kind}\n        {one.broken[0]}\n        seed {one.seed}, {one.steps} steps: {one.command}")
    _say(f"{runs} cases from seed {seed}: {runs - len(failed)} held, {len(failed)} broke in {len(kept)} ways")
    if as_json:
        shown = [
            {
                "kind": one.kind,
                "seed": one.seed,
                "file": str(one.file),
                "command": one.command,
                "broken": list(one.broken),
            }
            for one in kept
        ]
        sys.stdout.write(json_line({"runs": runs, "seed": seed, "broke": len(failed), "kinds": shown}) + "\n")
    raise typer.Exit(Exit.FINDING if failed else Exit.DONE)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _failures(runs: int, seed: int, jobs: int) -> Iterator[Found]:
    with Progress(runs, "cases") as progress:
        lived_s = 0.0
        for _, found in spread(explore_seed, range(seed, seed + runs), jobs):
            lived_s += found.simulated_s
            if found.broken:
                progress.clear()
                _say(f"seed {found.seed}: {found.broken[0]}")
                yield found
            progress.advance(note=f"{lived_s / 3600:.0f} h lived")


def _by_kind(failed: Sequence[Found]) -> dict[str, Found]:
    """The case with the fewest steps for each kind of failure."""
    found: dict[str, Found] = {}
    for one in sorted(failed, key=lambda one: (one.steps, one.seed)):
        for kind in sorted(one.kinds):
            found.setdefault(kind, one)
    return found


def _kept(kind: str, found: Found, folder: Path, shrink_runs: int) -> Kept:
    """Shrink a failure and write it down."""
    case = draw(found.seed, library())
    last = found

    def fails(smaller: Case) -> bool:
        nonlocal last
        try:
            tried = play_case(smaller)
        except ScenarioWrong:  # without that part it is no site or no scenario any more
            return False
        if kind in tried.kinds:
            last = tried
        return kind in tried.kinds

    smallest = shrink(case, fails, shrink_runs) if shrink_runs else case
    broken = tuple(one for one in last.broken if kind in replace(last, broken=(one,)).kinds)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"seed_{found.seed}_{_slug(kind)}.yaml"
    write_case(
        smallest, file, f"Found by exploration with seed {found.seed} and made smaller. What broke:\n{broken[0]}"
    )
    return Kept(kind, found.seed, file, len(smallest.steps), broken)


def _slug(kind: str) -> str:
    words = "".join(letter if letter.isascii() and letter.isalnum() else " " for letter in kind.lower()).split()
    return "_".join(words[:6]) or "failure"
