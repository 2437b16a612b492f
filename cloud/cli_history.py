"""``plantroom-cloud history``: take history out, bring it in, see how much there is, make it small."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from cloud.clock import Clock, SystemClock
from cloud.config import Config, load_config
from cloud.errors import Misconfigured, Refused
from cloud.telemetry import exchange, transfer
from cloud.telemetry.choosing import choose_store
from cloud.telemetry.mover import bounds_of, tidy
from cloud.telemetry.store import Away, Held, Row, Store
from contract.conventions import EpochMs, Exit, format_instant, json_line
from device_profiles.reading import Finding
from device_profiles.schema import check_identifier

app = typer.Typer(help="History: export, import, stats, compact.", no_args_is_help=True)

_T = TypeVar("_T")
_SHOWN = 20
_STEPS = 1000
_SUFFIXES = (".csv", ".csv.gz", ".parquet")
Data = Annotated[Path | None, typer.Option("--data", help="Folder of the databases; default ./.plantroom")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="cloud.yaml")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output; lists give JSON lines")]
File = Annotated[
    Path, typer.Argument(help="FILE.csv, FILE.csv.gz or FILE.parquet; - is CSV on standard input or output")
]
Site = Annotated[str, typer.Option(help="Only this site; * stands for anything")]
Equipment = Annotated[str, typer.Option(help="Only this equipment; * stands for anything")]
Point = Annotated[str, typer.Option(help="Only this point; * stands for anything")]
From = Annotated[
    str,
    typer.Option("--from", help="From this instant on: 2026-11-01 or 2026-11-01T06:30:00+08:00; UTC without a zone"),
]
To = Annotated[str, typer.Option("--to", help="Before this instant")]


class Session:
    """The configured store, open, on a loop of its own."""

    def __init__(self, settings: Config) -> None:
        self.settings = settings
        self.clock: Clock = SystemClock()
        self.store: Store = choose_store(settings, self.clock)
        self._runner = asyncio.Runner()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return self._runner.run(work)

    def close(self) -> None:
        self.run(self.store.close())
        self._runner.close()


@contextmanager
def _session(data: Path | None, config: Path | None, *, is_reading: bool = False) -> Iterator[Session]:
    settings = load_config(os.environ, config, data)
    if not settings.telemetry_url and is_reading and not settings.telemetry_path.exists():
        remedy = "Give --data, or set telemetry_url for a server"
        raise Misconfigured([Finding(str(settings.telemetry_path), 0, "", "there is no history here", remedy)])
    settings.data.mkdir(parents=True, exist_ok=True)
    session = Session(settings)
    try:
        session.run(session.store.open())
        yield session
    except Away as error:
        remedy = "what was written so far is kept; start the command again when it is back, samples that came twice change nothing"
        raise Refused(503, "history_unavailable", f"the history store does not answer: {error}", remedy) from error
    finally:
        session.close()


@app.command("export")
def export_history(
    file: File,
    *,
    site: Site = "*",
    equipment: Equipment = "*",
    point: Point = "*",
    from_text: From = "",
    to_text: To = "",
    data: Data = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Write history into a file, every sample as it was read: value, quality, cause and instant."""
    choice = _choice(site, equipment, point, from_text, to_text)
    _check_name(file)
    with _session(data, config, is_reading=True) as session, _progress(_STEPS, file, is_shown=not as_json) as move:
        counted = _Counted(_driven(session, choice, move))
        if str(file) == "-":
            exchange.write_csv(sys.stdout, counted)
            return
        _write_whole(file, counted)
    told = {"file": str(file), "samples": counted.samples, "points": len(counted.points)}
    _tell(told, f"{counted.samples} samples of {len(counted.points)} points in {file}.", is_json=as_json)


@app.command("import")
def import_history(
    file: File,
    site: Annotated[str, typer.Option(help="Put all under this site instead of the one in the file")] = "",
    data: Data = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Read a file and write it into history. It is checked whole first: with a mistake in it nothing is written."""
    _check_name(file)
    _check_site(site)
    with _local(file) as path:
        count = _checked(path, str(file), is_shown=not as_json)
        with _session(data, config) as session, _progress(count, file, is_shown=not as_json) as move:
            kept_from = session.clock.now_ms() - session.settings.longest_history_ms
            rows = _Aged(_renamed(exchange.in_batches(exchange.read_rows(path), lambda _: None), site), kept_from)
            outcome = session.run(transfer.imported(session.store, iter(rows), session.clock, move))
    told = {"file": str(file), "samples": outcome.samples, "refused": len(outcome.parked)}
    _tell(told, f"{outcome.samples} samples of {file} are in history.", is_json=as_json)
    if rows.too_old:
        typer.echo(
            f"{rows.too_old} of them are older than `history` in cloud.yaml keeps: they are forgotten again", err=True
        )
    for one in outcome.parked[:_SHOWN]:
        at = format_instant(one.row.sample.at_ms)
        typer.echo(f"refused: {one.row.site} {one.row.equipment}/{one.row.point} {at}: {one.reason}", err=True)
    if outcome.parked:
        raise typer.Exit(Exit.FINDING)


@app.command()
def stats(
    site: Site = "*",
    equipment: Equipment = "*",
    point: Point = "*",
    data: Data = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """How many samples there are of every point, from when to when."""
    choice = _choice(site, equipment, point, "", "")
    with _session(data, config, is_reading=True) as session:
        found = [one for one in session.run(session.store.held()) if choice.fits(one)]
        health = session.run(session.store.health())
        size = _size(session.settings)
    for one in found:
        ends = {"from": format_instant(one.first_ms), "to": format_instant(one.last_ms)}
        row = {"site": one.site, "equipment": one.equipment, "point": one.point, "samples": one.samples, **ends}
        _tell(
            row,
            f"{one.site}  {one.equipment}/{one.point}  {one.samples}  {ends['from']}  {ends['to']}",
            is_json=as_json,
        )
    if not as_json:
        typer.echo(_total(found, health.name, size), err=True)
        if session.settings.telemetry_url and health.detail:
            typer.echo(health.detail, err=True)


@app.command()
def compact(data: Data = None, config: ConfigFile = None, as_json: Json = False) -> None:
    """Do now what the service does by and by: forget and condense what is old, seal blocks, give disk back."""
    with _session(data, config, is_reading=True) as session:
        before = _size(session.settings)
        session.run(tidy(session.store, bounds_of(session.settings), session.clock.now_ms()))
        session.run(session.store.compact())
    after = _size(session.settings)
    told = {"bytes_before": before, "bytes_after": after} if after else {}
    words = (
        f"{_megabytes(before)} before, {_megabytes(after)} now."
        if after
        else "The server was told to; it goes on by itself."
    )
    _tell(told, words, is_json=as_json)


def _choice(site: str, equipment: str, point: str, begin: str, end: str) -> transfer.Choice:
    from_ms = _instant("--from", begin) if begin else 0
    to_ms = _instant("--to", end) if end else 2**62
    if from_ms >= to_ms:
        raise Misconfigured([Finding("", 0, "--to", "is not after --from", "Exchange them")])
    return transfer.Choice(site, equipment, point, from_ms, to_ms)


def _instant(option: str, text: str) -> EpochMs:
    try:
        return exchange.read_instant(text, UTC)
    except ValueError as error:
        remedy = "Write 2026-11-01 or 2026-11-01T06:30:00Z"
        raise Misconfigured([Finding("", 0, option, f"{text!r} is no instant", remedy)]) from error


def _check_name(file: Path) -> None:
    if str(file) != "-" and not file.name.endswith(_SUFFIXES):
        raise Misconfigured([Finding(str(file), 0, "", "says no format", f"End the name in {', '.join(_SUFFIXES)}")])


def _check_site(site: str) -> None:
    """What is written under another site must be found under it again."""
    try:
        check_identifier(site or "none_given")
    except ValueError as error:
        raise Misconfigured([Finding("", 0, "--site", str(error), "Name the site as its gateway does")]) from error


class _Counted:
    """Batches as they pass, counted."""

    def __init__(self, batches: Iterator[list[Row]]) -> None:
        self._batches = batches
        self.samples = 0
        self.points: set[tuple[str, str, str]] = set()

    def __iter__(self) -> Iterator[list[Row]]:
        for rows in self._batches:
            self.samples += len(rows)
            self.points.add((rows[0].site, rows[0].equipment, rows[0].point))
            yield rows


class _Aged:
    """Batches as they pass; ``too_old`` counts what is older than history is kept."""

    def __init__(self, batches: Iterator[list[Row]], kept_from: EpochMs) -> None:
        self._batches = batches
        self._kept_from = kept_from
        self.too_old = 0

    def __iter__(self) -> Iterator[list[Row]]:
        for rows in self._batches:
            self.too_old += sum(row.sample.at_ms < self._kept_from for row in rows)
            yield rows


def _driven(session: Session, choice: transfer.Choice, move: Callable[[int], None]) -> Iterator[list[Row]]:
    """The export, step by step, from code that waits for nothing."""
    done = 0

    def tell(share: float) -> None:
        nonlocal done
        move(int(share * _STEPS) - done)
        done = int(share * _STEPS)

    batches = transfer.exported(session.store, choice, tell)

    async def following() -> list[Row]:
        return await anext(batches, [])

    while rows := session.run(following()):
        yield rows


def _write_whole(file: Path, batches: _Counted) -> None:
    """The file appears when it is complete."""
    part = file.with_name(f".{os.getpid()}-{file.name}")
    try:
        exchange.write_rows(part, batches)
        part.replace(file)
    except OSError as error:
        remedy = "Check the folder and its free space"
        raise Misconfigured([Finding(str(file), 0, "", f"cannot be written: {error.strerror}", remedy)]) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


@contextmanager
def _local(file: Path) -> Iterator[Path]:
    """A file that can be read twice: standard input is put aside first."""
    if str(file) != "-":
        if not file.is_file():
            raise Misconfigured([Finding(str(file), 0, "", "is not there", "Check the path")])
        yield file
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "standard-input.csv"
        path.write_bytes(sys.stdin.buffer.read())
        yield path


def _checked(path: Path, name: str, *, is_shown: bool) -> int:
    """How many rows there are. Raises Misconfigured with the first mistakes and how many there are in all."""
    findings: list[Finding] = []
    count = 0
    try:
        with _progress(0, Path(name), is_shown=is_shown, verb="checking") as move:
            for rows in exchange.in_batches(exchange.read_rows(path), findings.append):
                count += len(rows)
                move(len(rows))
    except exchange.Unreadable as error:
        findings.append(Finding(name, 0, "", str(error), "Export it again, or correct it"))
    if findings:
        more = len(findings) - _SHOWN
        shown = [*islice(findings, _SHOWN), *([Finding(name, 0, "", f"{more} more mistakes", "")] if more > 0 else [])]
        raise Misconfigured(shown)
    return count


def _renamed(batches: Iterator[list[Row]], site: str) -> Iterator[list[Row]]:
    for rows in batches:
        yield [Row(site, row.equipment, row.point, row.sample) for row in rows] if site else rows


@contextmanager
def _progress(length: int, file: Path, *, is_shown: bool, verb: str = "") -> Iterator[Callable[[int], None]]:
    """A bar on standard error, where that is a terminal. Without a length it counts."""
    if not is_shown or not sys.stderr.isatty():
        yield lambda _: None
        return
    label = f"{verb} {file.name}".strip()
    with typer.progressbar(length=max(1, length), label=label, file=sys.stderr, show_pos=length != _STEPS) as bar:
        if length:
            yield bar.update
            return
        count = 0

        def grow(more: int) -> None:
            nonlocal count
            count += more
            bar.label = f"{label}: {count} samples"
            bar.render_progress()

        yield grow
        bar.update(1)


def _size(settings: Config) -> int:
    """Bytes of the embedded store on disk; 0 for a server."""
    if settings.telemetry_url:
        return 0
    path = settings.telemetry_path
    return sum(one.stat().st_size for one in path.parent.glob(f"{path.name}*") if one.is_file())


def _total(found: Sequence[Held], store: str, size: int) -> str:
    samples = sum(one.samples for one in found)
    each = f", {_megabytes(size)} on disk" if size else ""
    return f"{samples} samples of {len(found)} points in {store}{each}"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _tell(data: dict[str, Any], words: str, *, is_json: bool) -> None:
    typer.echo(json_line(data) if is_json else words)
