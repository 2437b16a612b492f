"""``plantroom-edge scan``: who answers on a line, and what may be read of them. It asks politely and only ever reads."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from contract.conventions import Exit, data_directory, from_ms
from device_profiles.library import Finding
from device_profiles.schema import check_identifier
from edge.cli_bus import (
    BaudOption,
    CaOption,
    CertOption,
    HostOption,
    KeyOption,
    KindOption,
    ParityOption,
    PortOption,
    Rs485Option,
    SerialOption,
    StopBitsOption,
    TimeoutOption,
    bus_of,
    table_of,
    wrong,
)
from edge.cli_lines import Data, tell_through
from edge.cli_speech import Json, fail, put_json, speaking
from edge.clock import SystemClock
from edge.commission.asking import line_of, open_asker
from edge.commission.scanning import Found, Scanner, draft
from edge.site import Bus


def scan(
    *,
    host: HostOption = "",
    port: PortOption = None,
    serial: SerialOption = "",
    baud: BaudOption = 9600,
    parity: ParityOption = "N",
    stop_bits: StopBitsOption = 1,
    rs485: Rs485Option = False,
    kind: KindOption = "tcp",
    ca_file: CaOption = None,
    cert_file: CertOption = None,
    key_file: KeyOption = None,
    ids: Annotated[str, typer.Option(help="Ids to try, such as 1-20 or 1,5,7.")] = "1-32",
    addresses: Annotated[str, typer.Option(help="First and last address to try.")] = "0-199",
    tables: Annotated[str, typer.Option(help="Tables to try, with commas between.")] = "holding,input",
    out: Annotated[Path | None, typer.Option(help="Folder for a draft mapping of each device.")] = None,
    pause: Annotated[int, typer.Option(min=0, help="Milliseconds between requests.")] = 20,
    most: Annotated[int, typer.Option(min=1, help="The most requests to send.")] = 5000,
    timeout: TimeoutOption = 300,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Find the ids that answer on a line and what they let read, one request at a time; write a draft mapping."""
    with speaking():
        bus = bus_of(
            kind=kind, host=host, port=port, serial=serial, baud=baud, parity=parity, stop_bits=stop_bits, rs485=rs485,
            ca_file=ca_file, cert_file=cert_file, key_file=key_file,
        )  # fmt: skip
        units = _numbers(ids, 0, 255)
        span = _numbers(addresses, 0, 65_535)
        wanted = [table_of(one.strip()) for one in tables.split(",")]
        bar = Bar()
        try:
            scanned = asyncio.run(
                _scan(bus, units, (span[0], span[-1]), wanted, (pause, timeout, most), bar, data_directory(data))
            )
        finally:
            bar.end()
        files = _write_drafts(scanned, out, line_of(bus)) if out else {}
    for found in scanned:
        _show_found(found, files.get(found.unit), as_json=as_json)
    if not scanned:
        typer.echo("no id answers; check address, wiring, baud rate and parity", err=True)
        raise typer.Exit(Exit.FINDING)


class Bar:
    """A progress bar on standard error; on no terminal only its last line is written."""

    WIDTH = 30

    def __init__(self) -> None:
        self._is_terminal, self._shown = sys.stderr.isatty(), ""

    def tell(self, done: int, of: int, what: str) -> None:
        filled = self.WIDTH * done // max(of, 1)
        line = f"[{'#' * filled}{'.' * (self.WIDTH - filled)}] {done}/{of} {what}"
        if self._is_terminal:
            typer.echo("\r" + line.ljust(len(self._shown)), err=True, nl=False)
        elif done == of:
            typer.echo(line, err=True)
        self._shown = line

    def end(self) -> None:
        if self._is_terminal and self._shown:
            typer.echo("", err=True)


def _numbers(text: str, lowest: int, highest: int) -> list[int]:
    found: list[int] = []
    for part in text.split(","):
        low, dash, high = part.strip().partition("-")
        if not low.isdecimal() or (dash and not high.isdecimal()):
            raise wrong(f"{text!r} is no list of numbers", "Write 1-20 or 1,5,7")
        found += range(int(low), int(high or low) + 1) if int(high or low) <= highest else []
    if not found or min(found) < lowest:
        raise wrong(f"{text!r} holds no number from {lowest} to {highest}", f"Write such as {lowest}-{highest}")
    return sorted(set(found))


async def _scan(
    bus: Bus,
    units: list[int],
    span: tuple[int, int],
    tables: list[str],
    manner: tuple[int, int, int],
    bar: Bar,
    data: Path,
) -> list[Found]:
    clock = SystemClock()
    pause_ms, timeout_ms, most = manner
    async with open_asker(bus, data, clock) as asker:
        tell_through(asker)
        scanner = Scanner(asker, clock, pause_s=pause_ms / 1000, timeout_ms=timeout_ms, most=most, tell=bar.tell)
        return [await scanner.device(unit, tables, *span) for unit in await scanner.units(units)]


def _write_drafts(scanned: list[Found], out: Path, where: str) -> dict[int, Path]:
    day = f"{from_ms(SystemClock().now_ms()):%Y-%m-%d}"
    files = {}
    try:
        folder = out / "models" / "input_module"
        folder.mkdir(parents=True, exist_ok=True)
        for found in scanned:
            if found.tables:
                name = check_identifier(f"draft_{found.unit}")
                files[found.unit] = folder / f"{name}.yaml"
                files[found.unit].write_text(draft(found, name, where, day), encoding="utf-8")
    except OSError as error:
        fail([Finding(str(out), 0, "", f"cannot be written: {error.strerror}", "Name another --out folder")])
    return files


def _show_found(found: Found, file: Path | None, *, as_json: bool) -> None:
    ranges = {name: found.ranges(name) for name in found.tables}
    if as_json:
        put_json({"id": found.unit, "ranges": ranges, "stopped": found.stopped, "draft": str(file) if file else None})
        return
    told = "; ".join(
        f"{name} " + ", ".join(f"{a}-{b}" if a < b else f"{a}" for a, b in spans) for name, spans in ranges.items()
    )
    typer.echo(f"id {found.unit}: {told or 'answers, but lets nothing be read there'}")
    if found.stopped:
        typer.echo(f"  not everything was looked at: {found.stopped}")
    if file:
        typer.echo(f"  draft mapping: {file}")
