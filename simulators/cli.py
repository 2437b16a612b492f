"""``plantroom-sim``: the demo, a site against simulated devices, and a hand on running plant."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from contract.conventions import Exit, json_line
from device_profiles.library import LibraryError
from simulators import cli_run, cli_site
from simulators.broker import BrokerUnavailable, embedded_broker
from simulators.cli_demo import DemoFailed, serve_demo
from simulators.clock import SystemClock
from simulators.control import Control, ControlError, command
from simulators.demo_setup import Options
from simulators.plant import PlantServers, SimulatedPlant
from simulators.player import endless, play
from simulators.raw_lines import Where
from simulators.scenario import PlannedFault, Scenario, ScenarioError, check_scenario, load_scenario
from simulators.site import SiteError, build_site, load_file, load_library

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


app.command()(cli_site.site)
app.command()(cli_run.run)
app.command()(cli_run.scenarios)


@app.command()
def plant(
    file: SiteFile,
    control: ControlPort,
    seed: Seed = 0,
    listen: Annotated[
        str, typer.Option(help="Address of the Modbus servers; the control stays on the loopback.")
    ] = "127.0.0.1",
    scenario: Annotated[
        Path | None, typer.Option(help="Let these faults happen, then others like them, for ever.")
    ] = None,
) -> None:
    """Serve the simulated devices of a site file on the file's own ports, for a gateway elsewhere."""
    try:
        faults = load_scenario(scenario).faults if scenario else []
        with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
            asyncio.run(_serve_plant(file, control, seed, listen, faults))
    except (SiteError, ScenarioError, LibraryError) as error:
        _fail(str(error), Exit.MISCONFIGURED)


async def _serve_plant(file: Path, control: int, seed: int, listen: str, faults: Sequence[PlannedFault]) -> None:
    if task := asyncio.current_task():
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    clock = SystemClock()
    data = load_file(file)
    simulated = SimulatedPlant(build_site(data, load_library(data, file.parent)), clock, seed=seed)
    if problems := check_scenario(Scenario(faults=list(faults)), simulated.site):
        raise ScenarioError("\n".join(problems))
    servers, started = PlantServers(simulated, clock, where=Where(listen), folder=file.parent), asyncio.Event()
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(servers.run(started), name="plant")
            await started.wait()
            hand = await asyncio.start_server(Control(simulated, servers).serve, "127.0.0.1", control)
            group.create_task(hand.serve_forever(), name="control")
            group.create_task(play(simulated, endless(faults, seed), clock), name="player")
    except* SiteError as errors:
        raise errors.exceptions[0] from None


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
