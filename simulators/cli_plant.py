"""``plantroom-sim plant``: the simulated devices of a site file on the file's own addresses, for a gateway elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from contract.conventions import Exit
from device_profiles.library import LibraryError
from simulators.clock import SystemClock
from simulators.control import CONTROL_PORT, Control
from simulators.panel.server import PORT, NoPort, open_socket
from simulators.panel.server import panel as serve_panel
from simulators.plant import PlantServers, SimulatedPlant
from simulators.player import endless, play
from simulators.raw_lines import Where
from simulators.scenario import PlannedFault, Scenario, ScenarioError, check_scenario, load_scenario
from simulators.site import SiteError, build_site, load_file, load_library
from simulators.truth import TruthFile


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line says beside the site file."""

    control: int | None
    panel: tuple[str, int] | None
    """Where the control panel listens; None for no panel."""
    seed: int
    where: Where
    faults: tuple[PlannedFault, ...]
    truth: Path | None


def plant(
    file: Annotated[Path, typer.Argument(help="A site file.")],
    control: Annotated[
        int | None, typer.Option(help="Port of the plant's control; 8182 or the next free one without it.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same plant.")] = 0,
    listen: Annotated[
        str, typer.Option(help="Address of the Modbus servers; the control stays on the loopback.")
    ] = "127.0.0.1",
    scenario: Annotated[
        Path | None, typer.Option(help="Let these faults happen, then others like them, for ever.")
    ] = None,
    *,
    panel: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port of the control panel, or the next free; 0: none.")
    ] = PORT,
    panel_listen: Annotated[
        str, typer.Option(help="Address of the control panel; 0.0.0.0 opens it to the network.")
    ] = "127.0.0.1",
    truth: Annotated[
        Path | None, typer.Option(help="Write beside every reply what was true, what was shown, and its words.")
    ] = None,
    serial_folder: Annotated[
        Path | None, typer.Option(help="Where serial ports get their names; at the site file's own paths without it.")
    ] = None,
    cert_file: Annotated[Path | None, typer.Option(help="Certificate of devices that speak TLS.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="Its key.")] = None,
) -> None:
    """Serve the simulated devices of a site file on the file's own ports, for a gateway elsewhere."""
    try:
        faults = tuple(load_scenario(scenario).faults) if scenario else ()
        where = Where(listen, serial_folder, _certificate(cert_file, key_file))
        with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
            where_panel = (panel_listen, panel) if panel else None
            asyncio.run(_serve(file, Wishes(control, where_panel, seed, where, faults, truth)))
    except (SiteError, ScenarioError, LibraryError) as error:
        typer.echo(f"plantroom-sim: {error}", err=True)
        raise typer.Exit(Exit.MISCONFIGURED) from None


def _certificate(cert_file: Path | None, key_file: Path | None) -> ssl.SSLContext | None:
    if cert_file is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert_file, key_file)
    except OSError as error:  # an SSLError is one too
        raise SiteError(f"{cert_file}: no certificate, or no key to it: {error}") from error
    return context


async def _serve(file: Path, wishes: Wishes) -> None:
    if task := asyncio.current_task():
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    clock, data = SystemClock(), load_file(file)
    simulated = SimulatedPlant(build_site(data, load_library(data, file.parent)), clock, seed=wishes.seed)
    if problems := check_scenario(Scenario(faults=list(wishes.faults)), simulated.site):
        raise ScenarioError("\n".join(problems))
    with _truth_file(wishes.truth) as truth:
        servers = PlantServers(simulated, clock, where=wishes.where, folder=file.parent, truth=truth)
        await _live(simulated, servers, wishes, clock)


async def _live(simulated: SimulatedPlant, servers: PlantServers, wishes: Wishes, clock: SystemClock) -> None:
    started, wrong = asyncio.Event(), ""
    try:
        async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            group.create_task(servers.run(started), name="plant")
            await started.wait()
            control = Control(simulated, servers)
            if wishes.panel is not None:
                control.address = await stack.enter_async_context(serve_panel(control.hand, *wishes.panel))
                typer.echo(f"control panel {control.address}", err=True)
            hand = await asyncio.start_server(control.serve, sock=control_socket(wishes.control))
            group.create_task(hand.serve_forever(), name="control")
            group.create_task(play(simulated, endless(wishes.faults, wishes.seed), clock), name="player")
    except* (SiteError, NoPort) as errors:
        wrong = str(errors.exceptions[0])
    if wrong:  # raised here: what is raised within except* becomes a group
        raise SiteError(wrong)


def control_socket(port: int | None) -> socket.socket:
    """The control's loopback port: the one asked for, or the next free one, told. Raises NoPort."""
    if port is not None:
        return open_socket("127.0.0.1", port, tries=1)
    sock = open_socket("127.0.0.1", CONTROL_PORT)
    typer.echo(f"control port {sock.getsockname()[1]}", err=True)
    return sock


@contextlib.contextmanager
def _truth_file(path: Path | None) -> Iterator[TruthFile | None]:
    if path is None:
        yield None
        return
    try:
        truth = TruthFile(path)
    except OSError as error:
        raise SiteError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        yield truth
    finally:
        truth.close()
