"""``plantroom-sim``: the demo, a site against simulated devices, and a hand on running plant."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from contract.conventions import Exit, json_line
from simulators import cli_explore, cli_plant, cli_record, cli_run, cli_site
from simulators.broker import BrokerUnavailable, embedded_broker
from simulators.cli_demo import DemoFailed, serve_demo
from simulators.control import ControlError, command
from simulators.demo_setup import Options

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Seconds = Annotated[float | None, typer.Option("--for", min=1, help="End by itself after so many seconds.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object at the end; lines go to standard error.")]
Port = Annotated[int | None, typer.Option(min=1, max=65_535, help="Port of the dashboard; a free one by default.")]
Data = Annotated[Path | None, typer.Option(help="Keep all data in this empty folder instead of a temporary one.")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same plant.")]
SiteFile = Annotated[Path, typer.Argument(help="A site file.")]
ControlPort = Annotated[int, typer.Option(help="Port of the plant's control.")]


def main() -> None:
    """Entry point: every mistake of the user's ends in one message and an exit code, none in a traceback."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)


@app.command()
def demo(
    seconds: Seconds = None,
    as_json: AsJson = False,
    devices: Annotated[int | None, typer.Option(min=1, help="How many devices the plant shall have.")] = None,
    port: Port = None,
    data: Data = None,
    seed: Seed = 0,
) -> None:
    """Run everything on this machine: simulated plant, broker, gateway, cloud; faults become tickets."""
    try:
        raise typer.Exit(serve_demo(Options(seconds, as_json, devices, port, data, seed)))
    except DemoFailed as failed:
        _fail(str(failed), failed.code)


app.command()(cli_plant.plant)
app.command()(cli_record.record)
app.command()(cli_record.replay)
app.command()(cli_site.site)
app.command()(cli_run.run)
app.command()(cli_run.scenarios)
app.command()(cli_explore.explore)


@app.command(hidden=True)
def broker(port: Annotated[int, typer.Option(help="Port to listen on.")]) -> None:
    """Run the embedded MQTT broker on the loopback."""

    async def serve() -> None:
        async with embedded_broker(port):
            await asyncio.get_running_loop().create_future()

    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(serve())
    except BrokerUnavailable as error:
        _fail(str(error), Exit.MISCONFIGURED)


@app.command()
def inject(
    equipment: Annotated[str, typer.Argument(help="Equipment of the running plant.")],
    fault: Annotated[str, typer.Argument(help="A fault of its class.")],
    control: ControlPort,
    clear: Annotated[bool, typer.Option("--clear", help="Repair it instead.")] = False,
) -> None:
    """Cause a fault in a running simulated plant, or repair it."""
    wish: dict[str, Any] = {"do": "clear" if clear else "inject", "equipment": equipment, "fault": fault}
    try:
        answer = asyncio.run(command(control, wish))
    except ControlError as error:
        _fail(str(error), Exit.FINDING)
    typer.echo(json_line({**wish, "at_ms": answer["at_ms"]}))


def _fail(message: str, code: Exit) -> NoReturn:
    typer.echo(f"plantroom-sim: {message}", err=True)
    raise typer.Exit(code)
