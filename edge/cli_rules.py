"""``plantroom-edge rules``: why a rule stands where it stands, and what recorded samples would have raised."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from contract.conventions import data_directory, format_instant, json_line, to_ms
from device_profiles.library import Finding
from edge.cli_speech import Json, SiteArgument, speaking
from edge.clock import SystemClock
from edge.config import load_site
from edge.decode.sample import Moment, Sample
from edge.errors import Misconfigured
from edge.recorded import Reader
from edge.replay import Turn, event_line, replay
from edge.rules.checkpoint import recall_values
from edge.rules.engine import Engine, Explanation
from edge.site import Site

rules = typer.Typer(no_args_is_help=True, help="Explain a rule, or run recorded samples through the rules.")


@rules.command("replay")
def rules_replay(
    site_file: SiteArgument,
    samples: Annotated[Path, typer.Argument(help="CSV with a header, or JSON lines: time, equipment, point, value.")],
) -> None:
    """Run recorded samples through the site's rules in virtual time; print the events as JSON lines."""
    with speaking():
        site = load_site(site_file)
        for engine, _, records in _turns(site, samples):
            for record in records:
                if (line := event_line(engine, record)) is not None:
                    typer.echo(line)


def _turns(site: Site, path: Path, until_ms: int | None = None) -> Iterator[Turn]:
    """The file through the rules, to its end or to an instant."""
    reader, is_empty = Reader(path, site), True
    for turn in replay(site, reader, _polls(path, reader, until_ms)):
        is_empty = False
        yield turn
    if is_empty:
        remedy = "Write time,equipment,point,value rows" if until_ms is None else "Choose a later --at"
        raise Misconfigured([Finding(str(path), 0, "", "holds no samples up to there", remedy)])


def _polls(path: Path, reader: Reader, until_ms: int | None) -> Iterator[list[Sample]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            for poll in reader.polls(lines):
                if until_ms is not None and poll[0].sampled_at_ms > until_ms:
                    return
                yield poll
    except OSError as error:
        raise Misconfigured(
            [Finding(str(path), 0, "", f"cannot be read: {error.strerror}", "Check the name")]
        ) from None
    except UnicodeDecodeError:
        raise Misconfigured([Finding(str(path), 0, "", "is not UTF-8 text", "Save it as UTF-8")]) from None


@rules.command("explain")
def rules_explain(
    site_file: SiteArgument,
    equipment: Annotated[str, typer.Argument(help="Id of the equipment.")],
    rule: Annotated[str, typer.Argument(help="Id of the rule.")],
    at: Annotated[str | None, typer.Option(help="Instant (ISO 8601) in recorded samples; needs --samples.")] = None,
    samples: Annotated[
        Path | None, typer.Option(help="Recorded samples; without them, what the gateway noted last.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with the gateway's edge.db.")] = None,
    as_json: Json = False,
) -> None:
    """Show every term of a rule with value, quality and age, where its alarm stands and what it waits for."""
    with speaking():
        site = load_site(site_file)
        if samples is not None:
            engine, now = _at(site, samples, at)
        elif at is not None:
            raise Misconfigured([Finding("--at", 0, "", "needs recorded samples", "Add --samples FILE")])
        else:
            engine, now = _noted(site, data_directory(data) / "edge.db")
        found = engine.explain(equipment, rule, now)
        if found is None:
            known = ", ".join(f"{one.id}: {' '.join(one.rules)}" for one in site.equipment)
            raise Misconfigured([Finding(str(site.path), 0, "", f"no rule {rule} on {equipment}", f"Known: {known}")])
    if as_json:
        typer.echo(json_line(_object(found, now)))
        return
    for line in _lines(found, now):
        typer.echo(line)


def _at(site: Site, samples: Path, at: str | None) -> tuple[Engine, Moment]:
    """The engine as it stood at an instant of the file, or at its end."""
    until_ms = None if at is None else _instant(at)
    engine, now = Engine(site, Moment(0, 0)), Moment(0, 0)
    for engine, now, _ in _turns(site, samples, until_ms):  # noqa: B007 - where it stands at the end counts
        pass
    return engine, now


def _instant(text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        remedy = "Write an instant such as 2026-11-21T07:05:00Z"
        raise Misconfigured([Finding("--at", 0, "", f"{text!r} is no instant", remedy)]) from None
    return to_ms(at if at.tzinfo else at.replace(tzinfo=UTC))


def _noted(site: Site, file: Path) -> tuple[Engine, Moment]:
    """The engine as the gateway last noted it; the database is only read."""
    now = SystemClock().moment()
    if not file.exists():
        message, remedy = (
            "there is no such file: the gateway has not run here",
            "Name its folder with --data, or --samples",
        )
        raise Misconfigured([Finding(str(file), 0, "", message, remedy)])
    try:
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as db:
            saved = dict(db.execute("SELECT key, body FROM state").fetchall())
    except sqlite3.Error as error:
        raise Misconfigured([Finding(str(file), 0, "", f"cannot be read: {error}", "Name another --data")]) from None
    engine = Engine(site, now, saved)
    noted = now.wall_ms
    for runtime in engine.runtimes():
        if (body := saved.get(f"values/{runtime.equipment.id}")) is not None:
            noted = recall_values(runtime, body, now)
    return engine, Moment(noted, now.steady_ms - (now.wall_ms - noted))


def _lines(found: Explanation, now: Moment) -> Iterator[str]:
    yield f"{found.equipment}/{found.rule} at {format_instant(now.wall_ms)}"
    yield f"  when: {found.when}"
    if found.gate:
        yield f"  gate: {found.gate}"
    if found.unwatched:
        yield f"  not watched here: {found.unwatched}"
        return
    for term, age in found.terms:
        value = "unknown" if term.value is None else f"{term.value} {term.unit}".rstrip()
        old = "" if age is None else f", {age / 1000:g} s old"
        yield f"    {term.name} = {value} ({term.quality}{old})"
    condition = {True: "true", False: "false", None: "unknown"}[found.condition]
    yield f"  condition: {condition}; alarm: {found.phase}" + (
        f", silenced by {found.silenced_by}" if found.silenced_by else ""
    )
    if found.waits_until_ms is not None:
        yield f"  waits {max(found.waits_until_ms - now.steady_ms, 0) / 1000:g} s more"


def _object(found: Explanation, now: Moment) -> dict[str, Any]:
    waits = None if found.waits_until_ms is None else max(found.waits_until_ms - now.steady_ms, 0)
    return {
        "equipment": found.equipment, "rule": found.rule, "at": format_instant(now.wall_ms), "when": found.when,
        "gate": found.gate, "condition": found.condition, "state": found.phase, "waits_ms": waits,
        "silenced_by": found.silenced_by, "not_watched": found.unwatched,
        "terms": [
            {"name": term.name, "value": term.value, "unit": term.unit, "quality": term.quality, "age_ms": age}
            for term, age in found.terms
        ],
    }  # fmt: skip
