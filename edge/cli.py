"""``plantroom-edge``: run and check a gateway, enrol it, look into the library and the rules.

Data goes to standard output, logs and messages to standard error. A user's mistake is one message per mistake, each
with file, line, path and what to do; never a traceback.
"""

from __future__ import annotations

from edge import lean  # alone and first: before what it keeps out

# isort: split
import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, TextIO, cast

import structlog
import typer

from contract.conventions import Exit, StandardError, data_directory, json_line
from device_profiles import library as shelf
from device_profiles.library import Finding
from edge import cli_check, gateway, logs
from edge.cli_speech import Json, SiteArgument, fail, speaking
from edge.clock import SystemClock
from edge.config import load_site
from edge.errors import Misconfigured, Rejected, Transient
from edge.lock import only_one
from edge.machine import Look
from edge.memory import GIVE_BACK_EVERY_S, SETTLE_S, give_back, settle
from edge.page.door import hash_password
from edge.plans import BusPlan, plan_site
from edge.reload import Reloader
from edge.rules.engine import Engine
from edge.site import Site
from edge.supervised import from_environment

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
library = typer.Typer(no_args_is_help=True, help="Look into the device library and check files for it.")
app.add_typer(library, name="library")


def add_tools() -> None:
    """The commands with files of their own. A gateway runs without them."""
    from edge import cli_lines, cli_scan
    from edge.cli_accept import accept
    from edge.cli_import import import_
    from edge.cli_rules import rules

    app.add_typer(rules, name="rules")
    for command in (cli_lines.read, cli_lines.probe, cli_scan.scan, accept):
        app.command()(command)
    app.command("import")(import_)


if not lean.IS_GATEWAY:
    add_tools()


def main() -> None:
    """Entry point."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)


def load(path: Path) -> tuple[Site, list[BusPlan]]:
    """A site and its plans, checked whole."""
    site = load_site(path)
    return site, plan_site(site)


# --- run ------------------------------------------------------------------------------------------------------------


@app.command()
def run(
    site_file: SiteArgument,
    data: Annotated[
        Path | None, typer.Option(help="Folder for edge.db. Default: PLANTROOM_DATA or ./.plantroom.")
    ] = None,
) -> None:
    """Run the gateway of a site until it is stopped. A changed site file is taken at once, or refused whole."""
    configure_log()
    with speaking():
        reloader = Reloader(site_file)
        site, _ = load(site_file)
        folder = data_directory(data)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            remedy = "Name another --data folder"
            fail([Finding(str(folder), 0, "", f"no data can be kept here: {error.strerror}", remedy)])
        say_what_is_missing(site)
        beside: dict[str, gateway.Side] = {
            "systemd": from_environment().run, "reload": reloader.run, "desk": gateway.later("edge.commission.desk", "serve_desk", data=folder),
        }  # fmt: skip
        with only_one(folder):
            work = gateway.run_gateway(site, clock=SystemClock(), data=folder, beside=beside, look=Look(folder))
            stopped_by = until_stopped(work, reloader.ask)
    raise typer.Exit(Exit.INTERRUPTED if stopped_by == signal.SIGINT else Exit.DONE)


def say_what_is_missing(site: Site) -> None:
    """What does not stop the gateway but should be known from the first line on."""
    log = structlog.get_logger("edge")
    config = site.gateway
    if config.cloud is None:
        log.info("works_alone", remedy="write gateway.cloud to deliver")
    elif not config.credential_file.exists():
        remedy = f"plantroom-edge enrol {site.path} CODE"
        log.warning("no_credential", file=str(config.credential_file), cloud=config.cloud, remedy=remedy)
    for device in site.devices:
        if device.model.status == "unverified":
            log.info("model_unverified", device=device.id, model=device.model.id)


def until_stopped(work: Coroutine[Any, Any, None], reload: Callable[[], None]) -> int:
    """Run to the end or to SIGINT or SIGTERM, which end it in order; the signal's number, or 0. SIGHUP reloads."""
    stopped_by = 0

    async def supervised() -> None:
        nonlocal stopped_by
        task = asyncio.create_task(work, name="gateway")

        def stop(number: int) -> None:
            nonlocal stopped_by
            stopped_by = number
            task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop, number)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)
        asyncio.get_running_loop().call_later(SETTLE_S, keep_settled)
        try:
            await task
        except asyncio.CancelledError:
            if not stopped_by:
                raise
            structlog.get_logger("edge").info("stopped", signal=signal.Signals(stopped_by).name)

    try:
        asyncio.run(supervised())
    except BaseExceptionGroup as group:
        raise foreseen(group) from None
    return stopped_by


def keep_settled() -> None:
    """Once the start is over settle, and from then on give back what is free now and then."""
    settle()
    loop = asyncio.get_running_loop()
    loop.call_later(GIVE_BACK_EVERY_S, _give_back_again, loop)


def _give_back_again(loop: asyncio.AbstractEventLoop) -> None:
    give_back()
    loop.call_later(GIVE_BACK_EVERY_S, _give_back_again, loop)


def foreseen(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The failure a person can do something about, out of a group of tasks; else the group itself."""
    found: BaseException | None = group.split((Misconfigured, Transient, Rejected))[0]
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return group if found is None else found


def configure_log() -> None:
    """Structlog to standard error."""
    clock = SystemClock()
    logs.configure(cast("TextIO", StandardError()), lambda: clock.moment().steady_ms)


# --- check ----------------------------------------------------------------------------------------------------------


@app.command()
def check(site_file: SiteArgument, as_json: Json = False) -> None:
    """Check a site file and print what will be asked of each bus, and which rules are watched."""
    with speaking(as_json=as_json):
        site, plans = load(site_file)
    engine = Engine(site, SystemClock().moment())
    if as_json:
        typer.echo(json_line(cli_check.as_object(site, plans, engine)))
        return
    for line in cli_check.lines_of(site, plans, engine):
        typer.echo(line)


# --- enrol, password ------------------------------------------------------------------------------------------------


@app.command()
def enrol(site_file: SiteArgument, code: Annotated[str, typer.Argument(help="The one-time code.")]) -> None:
    """Exchange the one-time code of ``plantroom-cloud gateway add`` for this gateway's credential."""
    from edge.uplink.http import store_credential

    with speaking():
        site = load_site(site_file)
        config = site.gateway
        if config.cloud is None:
            remedy = "Write cloud: https://… under gateway"
            raise Misconfigured([Finding(str(site.path), 0, "gateway.cloud", "no cloud to enrol with", remedy)])
        credential = asyncio.run(_enrol(site, code))
        try:
            store_credential(config.credential_file, credential)
        except OSError as error:
            raise Transient(f"{config.credential_file}: cannot be written: {error.strerror}") from error
    typer.echo(f"{config.id} is enrolled with {config.cloud}; credential in {config.credential_file}", err=True)


async def _enrol(site: Site, code: str) -> str:
    from edge.uplink.http import Cloud

    cloud = Cloud.open(site.gateway)
    try:
        return await cloud.enrol(site.gateway.id, code)
    finally:
        await cloud.close()


@app.command()
def password(file: Annotated[Path, typer.Argument(help="The password file to write.")]) -> None:
    """Write the password file of an opened status page. Reads the password from the terminal or standard input."""
    from edge.uplink.http import store_credential

    if sys.stdin.isatty():
        word = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        word = sys.stdin.readline().rstrip("\n")
    if len(word) < 8:
        typer.echo("The password needs at least 8 characters", err=True)
        raise typer.Exit(Exit.MISCONFIGURED)
    store_credential(file, hash_password(word))


# --- library --------------------------------------------------------------------------------------------------------


@library.command("check")
def library_check(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Files or folders; none checks the shipped library.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check classes, models and clauses; list every mistake at once."""
    from edge.conditions import check_conditions_of

    found = shelf.check(files or ())
    if not found:
        found = check_conditions_of(files or ())
    for finding in found:
        row = {key: getattr(finding, key) for key in ("file", "line", "path", "message", "remedy")}
        typer.echo(json_line(row) if as_json else str(finding), err=not as_json)
    if found:
        raise typer.Exit(Exit.MISCONFIGURED)
    if not as_json:
        typer.echo("no mistakes", err=True)


@library.command("list")
def library_list(as_json: Json = False) -> None:
    """Every class and model."""
    with speaking():
        for row in shelf.list_lines(shelf.load()):
            text = f"{row['kind']:6} {row['id']:36} {row['name']} ({row['about']})"
            typer.echo(json_line(row) if as_json else text)


@library.command("coverage")
def library_coverage(as_json: Json = False) -> None:
    """Which clauses are watched by which rules and tests, and which are not and why."""
    from device_profiles import coverage

    with speaking():
        known = shelf.load()
    if as_json:
        rows = coverage.coverage(known)
        clauses = [
            {"clause": row.clause.id, "rules": row.rules, "tests": row.tests, "why_not": row.why_not and row.why_not.en}
            for row in rows
        ]
        watched = sum(row.is_watched for row in rows)
        sums = {"clauses": len(rows), "watched": watched, "not_watched": len(rows) - watched}
        typer.echo(json_line({**sums, "rows": clauses}))
        return
    for line in coverage.coverage_lines(known):
        typer.echo(line)


@library.command("show")
def library_show(
    name: Annotated[str, typer.Argument(help="Id of a class, model or clause.")], as_json: Json = False
) -> None:
    """One class, model or clause."""
    with speaking():
        known = shelf.load()
    for kind in (known.classes, known.models, known.clauses):
        if as_json and name in kind:
            typer.echo(kind[name].model_dump_json())
            return
    try:
        lines = shelf.show_lines(known, name)
    except KeyError:
        from device_profiles.reading import did_you_mean

        near = did_you_mean(name, [*known.classes, *known.models, *known.clauses])
        typer.echo(f"{name} is no class, model or clause. {near}", err=True)
        raise typer.Exit(Exit.MISCONFIGURED) from None
    for line in lines:
        typer.echo(line)


# --- decode ---------------------------------------------------------------------------------------------------------


@app.command()
def decode(
    words: Annotated[list[str] | None, typer.Argument(help="Registers, such as 0x4366 0x3333.")] = None,
    *,
    wire_type: Annotated[str, typer.Option("--type", help="Wire type, such as float32.")] = "uint16",
    order: Annotated[str | None, typer.Option(help="Byte and word order, such as CDAB.")] = None,
    scale: Annotated[float | None, typer.Option()] = None,
    offset: Annotated[float | None, typer.Option()] = None,
    bit: Annotated[int | None, typer.Option()] = None,
    sentinel: Annotated[
        list[str] | None, typer.Option(help="Pattern that means not available, such as 0x8000.")
    ] = None,
    span: Annotated[
        tuple[float, float] | None, typer.Option("--range", help="What is plausible: lowest and highest.")
    ] = None,
    max_bytes: Annotated[int | None, typer.Option(help="Of a string: read no more than this.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every type and order that gives a plausible number.")
    ] = False,
    lines: Annotated[bool, typer.Option("--lines", help="Read JSON lines from standard input.")] = False,
) -> None:
    """Decode registers by hand: one JSON object each."""
    from edge.cli_decode import decode_lines, decode_words

    if lines:
        with speaking():
            decode_lines(sys.stdin.buffer)
        return
    keys = {
        "type": wire_type, "order": order, "scale": scale, "offset": offset, "bit": bit, "sentinels": sentinel,
        "range": span, "max_bytes": max_bytes,
    }  # fmt: skip
    decode_words(words or [], keys, everything=everything)


if __name__ == "__main__":
    main()
