"""``plantroom-edge rules``: why a rule stands where it stands, and what recorded samples would have raised."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from contract.codec import decode_record
from contract.conventions import data_directory, format_instant, json_line, to_ms
from contract.messages import Value
from device_profiles.library import Finding
from device_profiles.reading import did_you_mean
from edge.cli_speech import Json, SiteArgument, speaking
from edge.clock import SystemClock
from edge.config import load_site
from edge.decode.sample import Moment, Sample
from edge.errors import Misconfigured
from edge.outbox.record import unpack
from edge.recorded import Reader, kept_polls
from edge.replay import Turn, event_line, replay
from edge.rules.checkpoint import noted_at_ms, recall_values
from edge.rules.engine import Engine
from edge.rules.explain import Explanation
from edge.site import Site

MOST_AFTER_MS = 60_000
"""How far after the last kept sample an instant may lie and still be answered from it."""
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
    for turn in replay(site, _polls(path, reader), reader.refuse_newcomer, until_ms=until_ms):
        is_empty = False
        yield turn
    if is_empty:
        remedy = "Write time,equipment,point,value rows" if until_ms is None else "Choose a later --at"
        raise Misconfigured([Finding(str(path), 0, "", "holds no samples up to there", remedy)])


def _polls(path: Path, reader: Reader) -> Iterator[list[Sample]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            yield from reader.polls(lines)
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
    at: Annotated[str | None, typer.Option(help="Instant (ISO 8601) instead of the newest that is known.")] = None,
    samples: Annotated[
        Path | None, typer.Option(help="Recorded samples; without them, what the gateway's own data hold.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with the gateway's edge.db.")] = None,
    as_json: Json = False,
) -> None:
    """Show every term of a rule with value, quality and age, where its alarm stands and what it waits for."""
    with speaking(as_json=as_json):
        site = load_site(site_file)
        _check_names(site, equipment, rule)
        until_ms = None if at is None else _instant(at)
        told = _explanation(site, equipment, rule, until_ms, samples, data)
    if as_json:
        typer.echo(json_line(_object(told)))
        return
    for line in _lines(told):
        typer.echo(line)


@dataclass(frozen=True, slots=True)
class _Told:
    """What was found, at which instant, and where from."""

    found: Explanation
    at: Moment
    source: str


def _check_names(site: Site, equipment: str, rule: str) -> None:
    """Suggest the near ones for a name that is not there."""
    one = site.find_equipment(equipment)
    if one is None:
        remedy = did_you_mean(equipment, [other.id for other in site.equipment])
        raise Misconfigured([Finding(str(site.path), 0, "", f"no equipment {equipment}", remedy)])
    if rule in one.rules:
        return
    if (unbound := one.equipment_class.rules.get(rule)) is not None:
        roles = " or ".join(unbound.roles)
        message = f"{rule} does not bind {equipment}: it needs the role {roles}" if roles else f"{rule} is switched off"
        raise Misconfigured([Finding(str(site.path), 0, "", message, f"Look at roles and rules of {equipment}")])
    remedy = did_you_mean(rule, one.rules)
    raise Misconfigured([Finding(str(site.path), 0, "", f"no rule {rule} on {equipment}", remedy)])


def _explanation(
    site: Site, equipment: str, rule: str, until_ms: int | None, samples: Path | None, data: Path | None
) -> _Told:  # fmt: skip
    if samples is not None:
        engine, now = _end(_turns(site, samples, until_ms))
        source = f"recorded samples of {samples}"
    else:
        file = data_directory(data) / "edge.db"
        if until_ms is not None:
            engine, now, source = _kept(site, file, until_ms)
        else:
            engine, now = _noted(site, file)
            source = f"what the gateway noted in {file}"
    found = engine.explain(equipment, rule, now)
    if found is None:
        raise Misconfigured([Finding(str(site.path), 0, "", f"no rule {rule} on {equipment}", "Check the names")])
    return _Told(found, now, source)


def _end(turns: Iterator[Turn]) -> tuple[Engine, Moment]:
    """The engine as it stood after the last turn."""
    engine, now, _ = deque(turns, maxlen=1)[0]
    return engine, now


def _instant(text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        remedy = "Write an instant such as 2026-11-21T07:05:00Z"
        raise Misconfigured([Finding("--at", 0, "", f"{text!r} is no instant", remedy)]) from None
    return to_ms(at if at.tzinfo else at.replace(tzinfo=UTC))


def _kept(site: Site, file: Path, until_ms: int) -> tuple[Engine, Moment, str]:
    """The engine at a past instant, from the samples that the gateway keeps because the cloud has not taken them yet."""
    bodies = _read(file, "SELECT body FROM outbox WHERE lane = 'samples' AND stage < 2 ORDER BY epoch, seq")
    polls = kept_polls([decode_record(unpack(body)) for (body,) in bodies], site)
    if not polls or until_ms < polls[0][0].sampled_at_ms or until_ms > polls[-1][0].sampled_at_ms + MOST_AFTER_MS:
        held = "none" if not polls else " to ".join(format_instant(polls[end][0].sampled_at_ms) for end in (0, -1))
        message = (
            f"keeps samples only until the cloud has them (now: {held}), so {format_instant(until_ms)} cannot be known"
        )
        remedy = "Give the time, equipment, point and value of then with --samples (the cloud has the history), or leave --at out for the newest"
        raise Misconfigured([Finding(str(file), 0, "", message, remedy)])
    engine, now = _end(replay(site, iter(polls), _never, sum(map(len, polls)), until_ms))
    return engine, now, f"samples kept in {file} since {format_instant(polls[0][0].sampled_at_ms)}"


def _never(sample: Sample, _after: int) -> NoReturn:
    raise AssertionError(f"every kept row is looked at first: {sample.path}")


def _noted(site: Site, file: Path) -> tuple[Engine, Moment]:
    """The engine as the gateway last noted it, at that instant; the database is only read."""
    saved = dict(_read(file, "SELECT key, body FROM state"))
    values = {key.removeprefix("values/"): body for key, body in saved.items() if key.startswith("values/")}
    noted = max(map(noted_at_ms, values.values()), default=SystemClock().now_ms())
    now = Moment(noted, noted)
    engine = Engine(site, now, saved)
    for runtime in engine.runtimes():
        if (body := values.get(runtime.equipment.id)) is not None:
            recall_values(runtime, body, now)
    engine.share(now)
    return engine, now


def _read(file: Path, query: str) -> list[tuple[Any, ...]]:
    if not file.exists():
        message = "there is no such file: the gateway has not run here"
        raise Misconfigured([Finding(str(file), 0, "", message, "Name its folder with --data, or --samples")])
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
            return db.execute(query).fetchall()
    except sqlite3.Error as error:
        raise Misconfigured([Finding(str(file), 0, "", f"cannot be read: {error}", "Name another --data")]) from None


def _lines(told: _Told) -> Iterator[str]:
    found = told.found
    yield f"{found.equipment}/{found.rule} at {format_instant(told.at.wall_ms)} ({found.severity}, clause {found.clause})"
    yield f"  from: {told.source}"
    yield f"  when: {found.when}"
    if found.gate:
        yield f"  gate: {found.gate}"
    if found.unwatched:
        yield f"  not watched here: {found.unwatched}"
        return
    for term in found.terms:
        value = "unknown" if term.value is None else f"{_shown(term.value)} {term.unit}".rstrip()
        old = "" if term.age_ms is None else f", {term.age_ms / 1000:g} s old"
        note = f", {term.note}" if term.note else ""
        yield f"    {term.name} = {value} ({term.quality}{old}{note})"
    condition = {True: "true", False: "false", None: "unknown"}[found.condition]
    silenced = f", silenced by {found.silenced_by}" if found.silenced_by else ""
    yield f"  condition: {condition}; alarm: {found.phase} ({found.standing.replace('_', ' ')}){silenced}"
    yield f"  waits for {found.waits_for}"


def _shown(value: Value) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


def _object(told: _Told) -> dict[str, Any]:
    found = told.found
    waits = None if found.waits_until_ms is None else max(found.waits_until_ms - told.at.steady_ms, 0)
    return {
        "equipment": found.equipment, "rule": found.rule, "at": format_instant(told.at.wall_ms), "from": told.source,
        "severity": found.severity, "clause": found.clause, "when": found.when, "gate": found.gate,
        "condition": found.condition, "state": found.phase, "alarm_state": found.standing, "waits_ms": waits,
        "waits_for": found.waits_for, "unknown_for_ms": found.unknown_for_ms, "silenced_by": found.silenced_by,
        "not_watched": found.unwatched,
        "terms": [
            {
                "name": term.name, "value": term.value, "unit": term.unit, "quality": term.quality,
                "age_ms": term.age_ms, "note": term.note,
            }
            for term in found.terms
        ],
    }  # fmt: skip
