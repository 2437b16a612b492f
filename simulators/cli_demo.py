"""The demo from a command: set up, run, told; every mistake as a text with its exit code."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from contract.conventions import Exit
from simulators.demo import run_demo
from simulators.demo_lines import language_of
from simulators.demo_setup import DemoMisconfigured, Options, prepare
from simulators.demo_teller import Teller
from simulators.processes import ProcessFailed


class DemoFailed(Exception):
    """It could not start or could not go on. The text is for the user."""

    def __init__(self, text: str, code: Exit) -> None:
        super().__init__(text)
        self.code = code


def demo(
    *,
    seconds: Annotated[float | None, typer.Option("--for", min=1, help="End by itself after so many seconds.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object at the end; lines go to standard error.")
    ] = False,
    devices: Annotated[int | None, typer.Option(min=1, help="How many devices the plant shall have.")] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65_535, help="Port of the dashboard; a free one by default.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Keep all data in this empty folder instead of a temporary one.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same plant.")] = 0,
) -> None:
    """Run everything on this machine: simulated plant, broker, gateway, cloud; faults become tickets."""
    try:
        raise typer.Exit(serve_demo(Options(seconds, as_json, devices, port, data, seed)))
    except DemoFailed as failed:
        typer.echo(f"plantroom-sim: {failed}", err=True)
        raise typer.Exit(failed.code) from None


def serve_demo(options: Options) -> Exit:
    """Run everything until its time is up or Ctrl-C. Raises DemoFailed."""
    try:
        setup = prepare(options)
    except DemoMisconfigured as error:
        raise DemoFailed(str(error), Exit.MISCONFIGURED) from error
    stream = sys.stderr if options.is_json else sys.stdout
    teller = Teller(setup.site, language_of(os.environ), stream, sys.stdout if options.is_json else None)
    try:
        return asyncio.run(run_demo(options, setup, teller))
    except ProcessFailed as error:
        raise DemoFailed(f"{error}\n  The logs are kept in {setup.logs}.", Exit.FINDING) from error
