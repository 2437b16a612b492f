"""``plantroom-cloud notify``: channels of people, test messages, and what was sent."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from cloud.config import Config, load_config
from contract.conventions import Exit, format_instant, json_line

app = typer.Typer(help="Telling people: test, list, add.", no_args_is_help=True)
_T = TypeVar("_T")
Data = Annotated[Path | None, typer.Option("--data", help="Folder of the databases; default ./.plantroom")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="cloud.yaml")]
Json = Annotated[bool, typer.Option("--json", help="JSON lines on standard output")]


@app.command("add")
def notify_add(
    owner: Annotated[str, typer.Argument(help="A user's name, or address:NAME of a group, phone or system")],
    url: Annotated[
        str, typer.Argument(help="Where to send, as docs/calls.md shows; - reads it from standard input")
    ] = "-",
    data: Data = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Add a channel. It holds secrets: give it on standard input, so that no shell keeps it."""
    from cloud.escalation import contacts

    address = sys.stdin.readline().strip() if url == "-" else url

    async def work(connection: Any, now: int) -> int:  # noqa: ANN401
        return await contacts.add_channel(connection, _owner(owner), address, now, "console")

    number = _run(load_config(os.environ, config, data), work)
    _tell({"id": number, "owner": _owner(owner)}, f"{_owner(owner)} can be told by channel {number}.", is_json=as_json)


@app.command("test")
def notify_test(
    whom: Annotated[
        str, typer.Argument(help="A user, address:NAME, or an address such as mailtos://…; empty: everybody")
    ] = "",
    data: Data = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Send a test message and say what each receiver answered; exit code 1 when one of them did not take it."""
    from cloud.escalation.courier import look_at

    if "://" in whom:
        try:
            targets = [(whom, look_at(whom).label, "en")]
        except ValueError as error:
            _fail(str(error), "docs/calls.md shows what addresses look like")
    else:
        targets = _run(load_config(os.environ, config, data), lambda connection, _: _targets(connection, whom))
    if not targets:
        _fail("no channel is configured", "add one: plantroom-cloud notify add NAME")
    results = asyncio.run(_send(targets))
    for one in results:
        _tell(one, f"{'sent' if one['is_sent'] else 'FAILED'}  {one['label']}  {one['said']}", is_json=as_json)
    sys.exit(Exit.DONE if all(one["is_sent"] for one in results) else Exit.FINDING)


@app.command("list")
def notify_list(
    state: Annotated[
        str, typer.Option(help="Only: waiting, sending, sent, failed, cancelled, superseded, nobody")
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
    data: Data = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Messages about tickets, newest first: to whom, by what, and what became of each."""
    from cloud.escalation import showing

    states = [state] if state else []
    rows = _run(
        load_config(os.environ, config, data),
        lambda connection, _: showing.notices(connection, states=states, limit=limit),
    )
    for row in rows:
        told = {name: format_instant(v) if name.endswith("_at") and v is not None else v for name, v in row.items()}
        words = f"{row['ticket']}  {row['clock']} {row['trigger']}  {row['owner'] or 'nobody'}  {row['state']}"
        _tell(told, f"{told['planned_at']}  {words}  {row['receipt'] or row['error'] or row['why']}", is_json=as_json)


async def _targets(connection: Any, whom: str) -> list[tuple[str, str, str]]:  # noqa: ANN401
    from cloud.escalation import contacts

    if whom:
        await contacts.check_owner(connection, _owner(whom))
    known = await contacts.directory(connection)
    rows = await contacts.channel_rows(connection, _owner(whom) if whom else "")
    return [(row["url"], row["label"], known.language(row["owner"])) for row in rows]


async def _send(targets: list[tuple[str, str, str]]) -> list[dict[str, Any]]:
    from cloud.escalation.courier import AppriseCourier
    from cloud.escalation.routes import tested
    from cloud.people.secrets import new_token

    courier = AppriseCourier()
    try:
        return [await tested(courier, url, label, language, new_token()) for url, label, language in targets]
    finally:
        courier.close()


def _owner(name: str) -> str:
    return name if name.startswith(("person:", "address:")) else f"person:{name}"


def _run(settings: Config, work: Callable[[Any, int], Awaitable[_T]]) -> _T:
    """Run ``work(connection, now)`` in one transaction."""
    from cloud import server
    from cloud.clock import SystemClock

    async def run() -> _T:
        database = server.open_checked(settings)
        try:
            await server.migrate_checked(database)
            with server.checked(database):
                async with database.write() as connection:
                    return await work(connection, SystemClock().now_ms())
        finally:
            await database.close()

    return asyncio.run(run())


def _fail(*lines: str) -> NoReturn:
    typer.echo(". ".join(lines), err=True)
    sys.exit(Exit.FINDING)


def _tell(data: dict[str, Any], words: str, *, is_json: bool) -> None:
    typer.echo(json_line(data) if is_json else words)
