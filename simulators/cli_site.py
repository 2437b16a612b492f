"""``plantroom-sim site``: the acceptance test of a real site file, and the same site served for training."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import typer

from contract.conventions import Exit, json_line
from device_profiles.library import LibraryError
from device_profiles.schema import parse_duration_ms
from simulators.cli_demo import DemoFailed, serve_demo
from simulators.demo_setup import DemoMisconfigured, Options, prepare
from simulators.pool import cores, quiet, spread
from simulators.processes import ProcessFailed, program
from simulators.progress import Progress
from simulators.site import SiteError, build_site, load_file, load_library
from simulators.site_plan import Plan, plan_of
from simulators.site_report import Acceptance, acceptance_of, as_object, line_of, moves, summary
from simulators.site_trial import Finding
from simulators.site_worlds import Done, Share, in_virtual_time, moved_to_memory, on_real_sockets


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of one acceptance test."""

    file: Path
    faults: tuple[str, ...] = ()
    longest: str = "1h"
    seed: int = 0
    jobs: int | None = None
    is_real_time: bool = False
    is_json: bool = False
    demo: Options = field(default_factory=Options)


def site(
    file: Annotated[Path, typer.Argument(help="A site file.")],
    *,
    fault: Annotated[
        list[str] | None, typer.Option(help="Only this fault: FAULT, or EQUIPMENT/FAULT; may be given again.")
    ] = None,
    longest: Annotated[str, typer.Option(help="Leave out what the file lets take longer to be raised.")] = "1h",
    real_time: Annotated[
        bool, typer.Option("--real-time", help="Processes on real sockets, not virtual time.")
    ] = False,
    serve: Annotated[
        bool, typer.Option("--serve", help="No test: run plant, gateway and service desk until Ctrl-C; faults by hand.")
    ] = False,
    seconds: Annotated[float | None, typer.Option("--for", min=1, help="--serve: end after so many seconds.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65_535, help="Port of the dashboard; a free one.")] = None,
    data: Annotated[Path | None, typer.Option(help="Keep all data in this empty folder.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same plant.")] = 0,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes of a virtual test; one a core.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object at the end; lines on standard error.")
    ] = False,
) -> None:
    """Acceptance test of a site file of your own: every fault against the running product, nothing connected yet.

    The file stays as it is. Exit 0: every fault raised its alarms and tickets in time and they ended; 1: something to
    look at; 2: the file is wrong.
    """
    options = Options(seconds, is_json=as_json, port=port, data=data, seed=seed, site=file, scenario=None)
    try:
        if serve:
            check(file)
            raise typer.Exit(serve_demo(options))
        raise typer.Exit(
            accept(
                Asked(file, tuple(fault or ()), longest, seed, jobs, real_time, as_json, replace(options, seconds=None))
            )
        )
    except DemoFailed as failed:
        typer.echo(f"plantroom-sim: {failed}", err=True)
        raise typer.Exit(failed.code) from None


def accept(asked: Asked) -> Exit:
    """Try every fault of a site file against the running product and tell what came of it. Raises DemoFailed."""
    checked = check(asked.file)
    try:
        data = load_file(asked.file)
        site = build_site(data, load_library(data, asked.file.parent))
        not_watched = {one["id"]: one["not_watched"] for one in checked["equipment"]}
        plan = plan_of(site, not_watched, _longest(asked.longest), asked.faults)
        moved = moved_to_memory(data, asked.file.parent)
    except (SiteError, LibraryError) as error:
        raise DemoFailed(str(error), Exit.MISCONFIGURED) from error
    say = _speaker(asked)
    if not asked.is_real_time:
        say(f"{asked.file}: unchanged; the copy that runs differs in")
        for line in moves(data, moved):
            say(f"  {line}")
    parts = list(_real(asked, plan, say) if asked.is_real_time else _virtual(asked, plan, say))
    return _told(acceptance_of(site, plan, parts), asked, say)


def check(file: Path) -> dict[str, Any]:
    """The gateway's own judgement of the file. Raises DemoFailed with every mistake, each with file and line."""
    done = subprocess.run(  # noqa: S603 - our own command
        [*program("plantroom-edge"), "check", str(file), "--json"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise DemoFailed(done.stderr.strip() or done.stdout.strip(), Exit.MISCONFIGURED)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _longest(text: str) -> int:
    try:
        return parse_duration_ms(text)
    except ValueError as error:
        raise DemoFailed(f"--longest: {error}", Exit.MISCONFIGURED) from error


def _speaker(asked: Asked) -> Callable[[str], None]:
    stream = sys.stderr if asked.is_json else sys.stdout
    return lambda line: print(line, file=stream, flush=True)


def _virtual(asked: Asked, plan: Plan, say: Callable[[str], None]) -> Sequence[Done]:
    file = asked.file.absolute()
    shares = [Share(file, tuple(group), asked.seed) for _, group in groupby(plan.trials, lambda one: one.equipment)]
    if not shares:
        shares = [Share(file, (), asked.seed)]
    if (asked.jobs or cores()) <= 1 or len(shares) == 1:
        quiet()
    parts = []
    with Progress(len(plan.trials), "faults") as progress:
        for share, done in spread(in_virtual_time, shares, asked.jobs or cores()):
            parts.append(done)
            progress.clear()
            for finding in done.findings:
                say(line_of(finding))
            progress.advance(len(share.trials))
    return parts


def _real(asked: Asked, plan: Plan, say: Callable[[str], None]) -> Sequence[Done]:
    try:
        setup = prepare(replace(asked.demo, site=asked.file, scenario=None, seed=asked.seed))
    except DemoMisconfigured as error:
        raise DemoFailed(str(error), Exit.MISCONFIGURED) from error
    say(f"{asked.file}: unchanged; the copy that runs is {setup.site_file}")
    for line in moves(load_file(asked.file), load_file(setup.site_file)):
        say(f"  {line}")

    def tell(found: list[Finding]) -> None:
        for one in found:
            say(line_of(one))

    try:
        done = asyncio.run(on_real_sockets(setup, plan.trials, asked.seed, tell))
    except ProcessFailed as error:
        raise DemoFailed(f"{error}\n  The logs are kept in {setup.logs}.", Exit.FINDING) from error
    if setup.is_temporary:
        shutil.rmtree(setup.folder, ignore_errors=True)
    return [done]


def _told(outcome: Acceptance, asked: Asked, say: Callable[[str], None]) -> Exit:
    for line in summary(outcome):
        say(line)
    if asked.is_json:
        sys.stdout.write(json_line(as_object(outcome)) + "\n")
    return Exit.DONE if outcome.is_right else Exit.FINDING
