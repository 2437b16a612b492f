"""``plantroom-edge accept``: a commissioning engineer, every point, the local display, and in the end a signed sheet."""

from __future__ import annotations

import asyncio
import getpass
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from contract.conventions import Exit, data_directory, format_instant
from device_profiles.library import Finding
from edge.cli_bus import wrong
from edge.cli_lines import Data, find_device, last_spoken
from edge.cli_speech import Json, put_json, speaking
from edge.clock import SystemClock
from edge.commission.acceptance import (
    Progress,
    Verdict,
    agreement,
    entry_of,
    load_progress,
    page,
    plan_of,
    sheet_of,
    sign,
    verify,
)
from edge.commission.asking import open_asker
from edge.commission.reading import Row, read_device, show_value
from edge.config import load_site
from edge.errors import Misconfigured, Transient
from edge.gateway import version
from edge.site import Device, Site

HELP = """\
Enter: the display shows the same    a number or a word: what the display shows    n TEXT: note it as it is
r: read again    s: skip for now    q: stop here and go on another day    ?: this"""


def accept(  # noqa: PLR0917 - options, each by its name
    site_file: Annotated[Path | None, typer.Argument(metavar="[SITE]", help="The site file.")] = None,
    check_sheet: Annotated[Path | None, typer.Option("--verify", help="Check a written sheet instead.")] = None,
    device: Annotated[str, typer.Option(help="Only this device.")] = "",
    engineer: Annotated[str, typer.Option(help="Who looks at the displays.")] = "",
    key: Annotated[Path | None, typer.Option(help="Key file to sign with. Default: the gateway's credential.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the sheet. Default: beside the site file.")] = None,
    tolerance: Annotated[
        float, typer.Option(min=0, max=1, help="How far display and reading may differ (share).")
    ] = 0.02,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Walk through every point: read it, compare it with the local display, confirm or note; then sign the sheet."""
    with speaking():
        if check_sheet is not None:
            _verify(check_sheet, _key(key, None if site_file is None else load_site(site_file)), as_json=as_json)
            return
        if site_file is None:
            raise wrong("no site file is named", "Write plantroom-edge accept site.yaml")
        site = load_site(site_file)
        devices = [find_device(site, device)] if device else [*site.devices]
        folder = out or site_file.parent
        walk = Walk(site, devices, folder / f"{site.id}.acceptance-progress.json", tolerance, data_directory(data))
        walk.begin(engineer)
        is_done = walk.run()
        written = _write(walk, folder, _key(key, site))
    _tell(walk, written, as_json=as_json)
    bad = [one for one in walk.progress.entries.values() if one.verdict == "differs"]
    if bad or not is_done or walk.open_points():
        raise typer.Exit(Exit.FINDING)


@dataclass(slots=True)
class Walk:
    """One sitting. Every answer is saved at once, so that it can be left at any point."""

    site: Site
    devices: list[Device]
    file: Path
    tolerance: float
    data: Path
    progress: Progress = None  # type: ignore[assignment]  # set by begin

    def begin(self, engineer: str) -> None:
        """Go on where the last sitting ended. Raises Misconfigured for a file that is something else."""
        try:
            self.progress = load_progress(self.file)
        except (OSError, ValueError) as error:
            remedy = "Move it away to begin anew"
            raise Misconfigured([Finding(str(self.file), 0, "", f"cannot be continued: {error}", remedy)]) from error
        now = format_instant(SystemClock().now_ms())
        self.progress.engineer = engineer or self.progress.engineer or _login()
        self.progress.begun = self.progress.begun or now
        known = {f"{one.id}/{binding.device_point}" for one in self.site.devices for binding in one.bindings}
        self.progress.entries = {path: entry for path, entry in self.progress.entries.items() if path in known}

    def points(self) -> Iterator[tuple[Device, str]]:
        """Every point of this walk, device by device."""
        for device in self.devices:
            for binding in device.bindings:
                yield device, binding.device_point

    def is_answered(self, device: Device, point: str) -> bool:
        return self.progress.is_answered(f"{device.id}/{point}", plan_of(device, point))

    def open_points(self) -> list[str]:
        """Points of the whole site that nobody has compared."""
        every = [(one, binding.device_point) for one in self.site.devices for binding in one.bindings]
        return [f"{device.id}/{point}" for device, point in every if not self.is_answered(device, point)]

    def run(self) -> bool:
        """Ask about each open point. False when the engineer stopped before the end."""
        todo = [(device, point) for device, point in self.points() if not self.is_answered(device, point)]
        every = len(list(self.points()))
        if todo:
            typer.echo(HELP, err=True)
        for at, (device, point) in enumerate(todo, start=every - len(todo) + 1):
            if not self._ask(device, point, f"[{at}/{every}]"):
                return False
        return True

    def _ask(self, device: Device, point: str, place: str) -> bool:
        while True:
            row = asyncio.run(self._read(device, point))
            good = show_value(row.value) + f" {row.unit}" if row.is_good else f"{row.quality}: {row.cause} {row.reason}"
            words = " ".join(f"{word:04X}" for word in row.words)
            typer.echo(
                f"{place} {row.equipment}/{row.target}  ({device.id}/{point}, {row.where}, {words or '-'})", err=True
            )
            typer.echo(f"    reads {good.strip()}    display? ", err=True, nl=False)
            said = sys.stdin.readline()
            if not said or said.strip().lower() == "q":
                return False
            if said.strip() == "?":
                typer.echo(HELP, err=True)
            elif said.strip().lower() != "r":
                self._take(device, row, said.strip())
                return True

    async def _read(self, device: Device, point: str) -> Row:
        binding = next(one for one in device.bindings if one.device_point == point)
        if device.bus.kind == "mqtt":
            rows = await last_spoken(replace(device, bindings=(binding,)), self.data)
            if not rows:
                raise Transient(f"the running gateway knows no {device.id}/{point}; is it the same site file?")
            return rows[0]
        clock = SystemClock()
        async with open_asker(device.bus, self.data, clock) as asker:
            rows = [row async for row in read_device(asker, replace(device, bindings=(binding,)), clock)]
            return rows[0]

    def _take(self, device: Device, row: Row, said: str) -> None:
        verdict: Verdict = "agrees" if row.is_good else "differs"
        shown, note = "", ""
        if said.lower() == "s":
            verdict = "skipped"
        elif said.lower() == "n" or said.lower().startswith("n "):
            verdict, note = "noted", said[1:].strip()
        elif said:
            shown, verdict = said, agreement(row, said, self.tolerance)
        if verdict == "differs":
            typer.echo("    does not agree: check type, order, address and scale with plantroom-edge probe", err=True)
        at = format_instant(SystemClock().now_ms())
        self.progress.answer(entry_of(row, verdict, shown, note, at), plan_of(device, row.point))
        try:
            self.progress.save(self.file)
        except OSError as error:
            raise Transient(f"{self.file}: cannot be written: {error.strerror}") from error


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _key(file: Path | None, site: Site | None) -> tuple[bytes, str] | None:
    """The key and who signs with it; None when there is none. Raises Misconfigured for a named file that cannot be used."""
    source = file or (site.gateway.credential_file if site is not None else None)
    if source is None or (file is None and not source.exists()):
        return None
    try:
        key = source.read_bytes().strip()
    except OSError as error:
        raise Misconfigured(
            [Finding(str(source), 0, "", f"cannot be read: {error.strerror}", "Check --key")]
        ) from error
    if len(key) < 16:
        raise Misconfigured(
            [Finding(str(source), 0, "", "is too short to sign with", "Use at least 16 bytes of chance")]
        )
    return key, (f"gateway {site.gateway.id}" if site is not None and file is None else f"key file {source.name}")


def _write(walk: Walk, folder: Path, key: tuple[bytes, str] | None) -> tuple[Path, Path]:
    ended = format_instant(SystemClock().now_ms())
    content = sheet_of(walk.site, walk.progress, walk.open_points(), ended, version())
    signed = sign(content, *(key or (None, "")))
    files = folder / f"{walk.site.id}.acceptance.json", folder / f"{walk.site.id}.acceptance.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files[0].write_text(json.dumps(signed, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        files[1].write_text(page(signed), encoding="utf-8")
    except OSError as error:
        raise Transient(f"{folder}: cannot be written: {error.strerror}") from error
    if key is None:
        typer.echo("the sheet is not signed: enrol the gateway, or name a --key file", err=True)
    return files


def _tell(walk: Walk, written: tuple[Path, Path], *, as_json: bool) -> None:
    verdicts = [entry.verdict for entry in walk.progress.entries.values()]
    counts = {word: verdicts.count(word) for word in ("agrees", "differs", "noted", "skipped")}
    told = {**counts, "open": len(walk.open_points()), "sheet": str(written[0]), "page": str(written[1])}
    if as_json:
        put_json(told)
        return
    typer.echo(", ".join(f"{counts[word]} {word}" for word in counts) + f"; {told['open']} points open")
    typer.echo(f"sheet: {written[0]}\npage to print: {written[1]}")


def _verify(file: Path, key: tuple[bytes, str] | None, *, as_json: bool) -> None:
    """Check a sheet; for its page, the sheet beside it and that the page shows just that."""
    sheet = file.with_suffix(".json") if file.suffix == ".html" else file
    try:
        signed = json.loads(sheet.read_text(encoding="utf-8"))
        is_right, told = verify(signed, None if key is None else key[0])
        if is_right and file.suffix == ".html" and file.read_text(encoding="utf-8") != page(signed):
            is_right, told = False, f"does not show what {sheet.name} says"
    except (ValueError, KeyError, TypeError):
        is_right, told = False, "is no acceptance sheet"
    except OSError as error:
        raise Misconfigured(
            [Finding(str(sheet), 0, "", f"cannot be read: {error.strerror}", "Check the name")]
        ) from error
    if as_json:
        put_json({"file": str(file), "verified": is_right, "told": told})
    else:
        typer.echo(f"{file} {told}")
    if not is_right:
        raise typer.Exit(Exit.FINDING)
