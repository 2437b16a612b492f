"""``plantroom-cloud calendar`` and ``plantroom-cloud sla``: targets, calendars and clocks on the console."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from cloud.cli_shared import ConfigFile, Data, Json, settings_of, tell, write
from cloud.config import Config
from cloud.errors import Misconfigured
from contract.conventions import Exit, format_instant
from device_profiles.reading import Finding

calendar_app = typer.Typer(help="Calendars: working time, holidays, which years are confirmed.", no_args_is_help=True)
sla_app = typer.Typer(help="Clocks of tickets, and the targets behind them.", no_args_is_help=True)
_Name = Annotated[str, typer.Argument(help="Such as office; `calendar list` shows them")]
_CONSOLE = "console"


def _with_desk(settings: Config, work: Callable[[Any, Any, int], Awaitable[Any]]) -> Any:  # noqa: ANN401
    """Run ``work(desk, connection, now)`` in one transaction, with the targets in force."""
    from cloud.tickets import targets
    from cloud.tickets.desk import Desk

    async def run(connection: Any, now: int) -> Any:  # noqa: ANN401
        desk = Desk(settings.policy)
        await targets.settle(connection, desk, now)
        return await work(desk, connection, now)

    return write(settings, run)


@calendar_app.command("list")
def calendar_list(data: Data = None, config: ConfigFile = None, as_json: Json = False) -> None:
    """Calendars with their zones, countries and years; exit code 1 while a year that begins soon is not confirmed."""
    from cloud.tickets import targets

    async def work(desk: Any, _connection: Any, now: int) -> list[dict[str, Any]]:  # noqa: ANN401
        missing = targets.unconfirmed(desk.policy, now)
        return [
            {"calendar": name, "zone": plan.hours.get("tz", ""), "country": plan.country, "years": list(plan.years),
             "confirmed": list(plan.confirmed), "unconfirmed": [year for one, year in missing if one == name]}
            for name, plan in desk.policy.plans.items()
        ]  # fmt: skip

    rows = _with_desk(settings_of(data, config), work)
    for row in rows:
        years = ", ".join(map(str, row["confirmed"])) or "none"
        alarm = f"  NOT CONFIRMED: {', '.join(map(str, row['unconfirmed']))}" if row["unconfirmed"] else ""
        words = f"{row['calendar']}  {row['zone'] or 'zone of each site'}  holidays {row['country'] or 'none'}"
        tell(row, f"{words}  confirmed {years}{alarm}", is_json=as_json)
    raise typer.Exit(Exit.FINDING if any(row["unconfirmed"] for row in rows) else Exit.DONE)


@calendar_app.command("show")
def calendar_show(name: _Name, data: Data = None, config: ConfigFile = None, as_json: Json = False) -> None:
    """One calendar: its hours, and every closed or made-up date with its name."""
    from cloud.tickets.targets_routes import plan_of

    async def work(desk: Any, _connection: Any, _now: int) -> dict[str, Any]:  # noqa: ANN401
        return {"version": desk.policy.version, **plan_of(desk, name).as_json()}

    found = _with_desk(settings_of(data, config), work)
    lines = [f"{name}, targets {found['version']}, zone {found['hours'].get('tz') or 'of each site'}"]
    week = found["hours"].get("week")
    lines += [f"  {day}  " + ", ".join("-".join(pair) for pair in windows) for day, windows in (week or {}).items()]
    lines += ["  every day, all day"] if week is None else []
    for mark, key in (("closed", "holidays"), ("worked", "workdays")):
        lines += [f"  {day}  {mark}  {names.get('en', '')} {names.get('zh', '')}" for day, names in found[key].items()]
    for day, windows in found["hours"].get("dates", {}).items():
        lines.append(f"  {day}  by hand  " + (", ".join("-".join(pair) for pair in windows) or "closed"))
    tell(found, "\n".join(lines), is_json=as_json)


@calendar_app.command("import")
def calendar_import(
    name: _Name,
    file: Annotated[Path, typer.Argument(help="An .ics file with all-day events")],
    data: Data = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Take the dates of an iCal file, for every year that it speaks of; confirm each year afterwards."""
    from cloud.tickets.targets_holidays import with_ical

    try:
        text = file.read_bytes()
    except OSError as error:
        found = Finding(str(file), 0, "", f"cannot be read: {error.strerror}", "Check the path")
        raise Misconfigured([found]) from error
    _change(settings_of(data, config), name, lambda plan: with_ical(plan, text), f"import of {file.name}", as_json)


@calendar_app.command("confirm")
def calendar_confirm(
    name: _Name,
    year: Annotated[int, typer.Argument(min=2000, max=2100, help="Such as 2027")],
    data: Data = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Say that a year's holidays were compared with the authority's notice."""
    from cloud.tickets.targets_holidays import confirm

    _change(settings_of(data, config), name, lambda plan: confirm(plan, year), f"{year} confirmed", as_json)


def _change(settings: Config, name: str, change: Callable[[Any], Any], note: str, as_json: bool) -> None:
    from cloud.tickets import targets
    from cloud.tickets.targets_routes import plan_of

    async def work(desk: Any, connection: Any, now: int) -> tuple[str, Any]:  # noqa: ANN401
        body = targets.with_calendar(desk.policy, change(plan_of(desk, name)))
        told = targets.Change(body, desk.policy.version, note)
        effect = await targets.preview(connection, desk, targets.checked(told), now)
        return await targets.save(connection, desk, told, _CONSOLE, now), effect

    version, effect = _with_desk(settings, work)
    counts = {key: getattr(effect, key) for key in ("kept", "later", "earlier", "late_at_once")}
    words = f"Targets {version} are in force. Open tickets: {effect.kept} keep their due times, {effect.later} get later ones, "
    tell(
        {"version": version, "calendar": name, **counts},
        words + f"{effect.earlier} earlier ones, {effect.late_at_once} are late at once.",
        is_json=as_json,
    )


# --- clocks -------------------------------------------------------------------------------------------------------


@sla_app.command("explain")
def sla_explain(
    ticket: Annotated[str, typer.Argument(help="Such as T-000123")],
    data: Data = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Every clock of a ticket with every line of its sum."""
    from cloud.tickets import explaining

    async def work(desk: Any, connection: Any, now: int) -> explaining.Explained:  # noqa: ANN401
        return await explaining.explained(desk, connection, ticket, now)

    found = _with_desk(settings_of(data, config), work)
    tell(found.as_json(), "\n".join(found.lines()), is_json=as_json)


@sla_app.command("targets")
def sla_targets(data: Data = None, config: ConfigFile = None, as_json: Json = False) -> None:
    """The lines of the targets in force, each with its clause, and where the documents disagree."""
    from cloud.sla.conflicts import CONFLICTS
    from cloud.sla.written import line_json

    async def work(desk: Any, _connection: Any, _now: int) -> list[dict[str, Any]]:  # noqa: ANN401
        return [line_json(grant) | {"version": desk.policy.version} for grant in desk.policy.grants]

    rows = _with_desk(settings_of(data, config), work)
    for row in rows:
        names = ("kind", "category", "priority", "emergency", "system", "site")
        where = ", ".join(row[name] for name in names if row[name]) or "all tickets"
        figure = "no clock" if row["unit"] == "none" else f"{row['within_s'] / 3600:g} h {row['unit']}"
        mark = f"  conflict {row['conflict']}" if row["conflict"] else ""
        tell(
            row,
            f"{row['clock']:<10}  {where:<28}  {figure:<18}  {row['clause'] or row['source']}{mark}",
            is_json=as_json,
        )
    if not as_json:
        for key in dict.fromkeys(row["conflict"] for row in rows if row["conflict"]):
            typer.echo(f"{key}: {CONFLICTS[key].says['en']} {CONFLICTS[key].chosen['en']}")


@sla_app.command("versions")
def sla_versions(data: Data = None, config: ConfigFile = None, as_json: Json = False) -> None:
    """Every version of the targets, newest first: when, by whom, why."""
    from cloud.tickets import targets

    async def work(_desk: Any, connection: Any, _now: int) -> list[dict[str, Any]]:  # noqa: ANN401
        return [dict(row) for row in await targets.versions(connection)]

    for row in _with_desk(settings_of(data, config), work):
        shown = {
            "version": row["label"],
            "at": format_instant(row["at"]),
            "origin": row["origin"],
            "by": row["actor"],
            "note": row["note"],
        }
        tell(shown, "  ".join(str(value) for value in shown.values() if value), is_json=as_json)
