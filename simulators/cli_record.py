"""``plantroom-sim record`` and ``replay``: what a site says, kept in a file, and said again to a gateway."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn

import structlog
import typer

from contract.conventions import Exit, format_instant
from device_profiles.schema import parse_duration_ms
from simulators.clock import SystemClock
from simulators.raw_lines import Where
from simulators.recording import Header, Recording, RecordingError, open_recording
from simulators.site import SiteError, load_file

SiteFile = Annotated[Path, typer.Argument(help="The site file whose devices are read.")]
Length = Annotated[str | None, typer.Option("--for", help="How long, as 1h or 90s; until Ctrl-C without it.")]
Out = Annotated[Path, typer.Option("--out", help="The new file.")]
File = Annotated[Path, typer.Argument(help="A recording.")]
Speed = Annotated[float, typer.Option(min=0.001, help="Seconds of the recording in each second.")]
Elsewhere = Annotated[
    Path | None, typer.Option("--site", help="A site file with the same buses at other addresses, as the gateway has it.")
]  # fmt: skip
Listen = Annotated[str, typer.Option(help="Address of the Modbus servers.")]
SerialFolder = Annotated[
    Path | None, typer.Option(help="Where serial ports get their names; at the site file's own paths without it.")
]


def record(file: SiteFile, out: Out, length: Length = None) -> None:
    """Read the devices of a site file as a gateway does, and keep every reply and message."""
    from edge.config import load_site
    from edge.errors import Misconfigured

    try:
        seconds = None if length is None else parse_duration_ms(length) / 1000
    except ValueError as error:
        _fail(f"--for {length}: {error}")
    try:
        site = load_site(file)
        buses = tuple(load_file(file).get("buses", []))
        recording = Recording(out, Header(site.id, SystemClock().now_ms(), buses))
    except (Misconfigured, RecordingError, SiteError) as error:
        _fail(str(error))
    typer.echo(f"Recording {site.id} ({len(site.devices)} devices) to {out}; Ctrl-C ends it.", err=True)
    try:
        good = _run(_record(site, recording, seconds))
    except RecordingError as error:
        _fail(str(error))
    typer.echo(f"{recording.entries} replies and messages, {recording.bytes} bytes, {good or 0} good values: {out}")


async def _record(site: Any, recording: Recording, seconds: float | None) -> int:  # noqa: ANN401 - edge.site.Site
    from edge.clock import SystemClock as EdgeClock
    from simulators.record import Heard, Tape, record

    heard = Heard()
    with contextlib.suppress(asyncio.CancelledError):
        log = structlog.wrap_logger(structlog.PrintLogger(sys.stderr))
        await record(site, Tape(recording, EdgeClock(), log), seconds, heard)
    return heard.good


def replay(
    file: File,
    speed: Speed = 1.0,
    site: Elsewhere = None,
    listen: Listen = "127.0.0.1",
    serial_folder: SerialFolder = None,
) -> None:
    """Serve a recording on the addresses of its site, for a gateway that reads them; ends with the recording."""
    from simulators.replay import Player, Replay, Tape

    try:
        header, entries = open_recording(file)
        buses = header.buses if site is None else tuple(load_file(site).get("buses", []))
        player = Player(Tape(entries), SystemClock(), speed)
        at = Replay(player, buses, SystemClock(), where=Where(listen, serial_folder), folder=(site or file).parent)
        typer.echo(
            f"{header.site} as of {format_instant(header.started_ms)}: time begins with the gateway's first question.",
            err=True,
        )
        _run(at.run())
    except (RecordingError, SiteError) as error:
        _fail(str(error))
    typer.echo("The recording is over.")


def _run(main: Coroutine[Any, Any, int | None]) -> int | None:
    """Run it; Ctrl-C and SIGTERM end it in order."""

    async def interruptible() -> int | None:
        if task := asyncio.current_task():
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        return await main

    try:
        return asyncio.run(interruptible())
    except asyncio.CancelledError:
        sys.exit(Exit.INTERRUPTED)


def _fail(message: str) -> NoReturn:
    typer.echo(f"plantroom-sim: {message}", err=True)
    raise typer.Exit(Exit.MISCONFIGURED)
