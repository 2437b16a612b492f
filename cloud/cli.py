"""``plantroom-cloud``: run the service desk and look after its users and gateways."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from cloud import cli_grafana, cli_history, cli_notify, cli_targets
from cloud.cli_shared import ConfigFile, Data, Json, settings_of, tell, with_database, write
from cloud.errors import Misconfigured, Refused
from cloud.tickets.ticket import Role
from contract.conventions import Exit, format_instant
from device_profiles.reading import Finding

app = typer.Typer(help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
gateway_app = typer.Typer(help="Gateways: add, list, rotate, revoke.", no_args_is_help=True)
user_app = typer.Typer(help="Users.", no_args_is_help=True)
quarantine_app = typer.Typer(help="Records that nobody could use.", no_args_is_help=True)
app.add_typer(gateway_app, name="gateway")
app.add_typer(quarantine_app, name="quarantine")
app.add_typer(user_app, name="user")
app.add_typer(cli_targets.sla_app, name="sla")
app.add_typer(cli_targets.calendar_app, name="calendar")
app.add_typer(cli_history.app, name="history")
app.add_typer(cli_notify.app, name="notify")
app.command("grafana")(cli_grafana.grafana)


def main() -> None:
    """Entry point: a user's mistake is one clear message and an exit code, never a traceback."""
    try:
        app()
    except Misconfigured as error:
        _fail(Exit.MISCONFIGURED, *map(str, error.findings))
    except Refused as error:
        _fail(Exit.FINDING, error.message + (f". {error.remedy}" if error.remedy else ""), *map(str, error.errors))
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)


def _fail(code: Exit, *lines: str) -> NoReturn:
    for line in lines:
        typer.echo(line, err=True)
    sys.exit(code)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one")] = None,
    data: Data = None,
    config: ConfigFile = None,
    sign_in_link: Annotated[
        bool, typer.Option("--sign-in-link", help="Print a one-time sign-in for an administrator")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run the service desk until it is stopped."""
    from cloud import server

    settings = settings_of(data, config, host=host, port=port)
    sys.exit(server.run(settings, has_sign_in_link=sign_in_link, is_json=as_json))


@app.command()
def migrate(data: Data = None, config: ConfigFile = None, as_json: Json = False) -> None:
    """Bring the database to this release's schema; `serve` does the same when it starts."""
    from cloud.storage.migrate import migrate as upgrade

    revision = with_database(settings_of(data, config), upgrade)
    tell({"revision": revision}, f"The database has schema {revision}.", is_json=as_json)


@gateway_app.command("add")
def gateway_add(
    gateway: Annotated[str, typer.Argument(help="Id of the gateway, as in its site file")],
    site: Annotated[str, typer.Option(help="Id of the site it belongs to")],
    data: Data = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Register a gateway, or let one enrol again; prints its one-time code."""
    from cloud.people import gateways
    from cloud.people.secrets import new_code

    code = new_code()
    _check_ids(gateway=gateway, site=site)

    async def work(connection: Any, now: int) -> int:  # noqa: ANN401
        return await gateways.add(connection, gateway, site, code, now)

    ends = format_instant(write(settings_of(data, config), work))
    told = f"Enrol {gateway} with this code, once, before {ends}:\n  plantroom-edge enrol site.yaml {code}"
    tell({"gateway": gateway, "site": site, "code": code, "expires_at": ends}, told, is_json=as_json)


@gateway_app.command("list")
def gateway_list(data: Data = None, config: ConfigFile = None, as_json: Json = False) -> None:
    """Gateways and when they were last heard."""
    from cloud.tickets import listing

    async def work(connection: Any, _now: int) -> list[dict[str, Any]]:  # noqa: ANN401
        return await listing.gateways(connection)

    for row in write(settings_of(data, config), work):
        state = "revoked" if row["revoked_at"] else "enrolled" if row["is_enrolled"] else "waits for its code"
        words = f"{row['id']}  site {row['site']}  {state}  last heard {row['last_seen_at'] or 'never'}"
        tell(row, words, is_json=as_json)


@gateway_app.command("rotate")
def gateway_rotate(
    gateway: Annotated[str, typer.Argument(help="Id of the gateway")],
    data: Data = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Give a gateway a code for a new credential; the old one works until the code is used."""
    from cloud.people import gateways
    from cloud.people.secrets import new_code

    code = new_code()

    async def work(connection: Any, now: int) -> int:  # noqa: ANN401
        return await gateways.rotate(connection, gateway, code, now)

    ends = format_instant(write(settings_of(data, config), work))
    told = f"On the gateway, once, before {ends}; it may go on running:\n  plantroom-edge enrol site.yaml {code}"
    tell({"gateway": gateway, "code": code, "expires_at": ends}, told, is_json=as_json)


@gateway_app.command("revoke")
def gateway_revoke(
    gateway: Annotated[str, typer.Argument(help="Id of the gateway")],
    data: Data = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Refuse a gateway from now on; what it delivered stays."""
    from cloud.people import gateways

    async def work(connection: Any, now: int) -> None:  # noqa: ANN401
        await gateways.revoke(connection, gateway, now)

    write(settings_of(data, config), work)
    tell({"gateway": gateway, "revoked": True}, f"{gateway} is refused from now on.", is_json=as_json)


@quarantine_app.command("list")
def quarantine_list(
    gateway: Annotated[str, typer.Option(help="Only of this gateway")] = "",
    data: Data = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Records that were set aside, newest first, each with its reason."""
    from cloud.ingest import replay

    async def work(connection: Any, _now: int) -> list[dict[str, Any]]:  # noqa: ANN401
        return await replay.listed(connection, gateway, limit=1000)

    for row in write(settings_of(data, config), work):
        where = f"{row['gateway']}:{row['epoch']}:{row['lane']}:{row['seq']}"
        tell(row, f"{row['id']}  {row['received_at']}  {where}  {row['reason']}", is_json=as_json)


@quarantine_app.command("replay")
def quarantine_replay(
    number: Annotated[list[int], typer.Argument(help="Numbers as `quarantine list` shows them")],
    data: Data = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Try records again, after what was wrong has been put right; exit code 1 while one of them still cannot be used."""
    from cloud.ingest import replay
    from cloud.tickets import targets
    from cloud.tickets.desk import Desk

    settings = settings_of(data, config)
    desk, is_left = Desk(settings.policy), False
    for one in number:

        async def work(connection: Any, now: int, one: int = one) -> str:  # noqa: ANN401
            await targets.settle(connection, desk, now)
            return (await replay.replay(desk, connection, one, "console", now))[0]

        reason = write(settings, work)
        is_left |= bool(reason)
        tell({"id": one, "applied": not reason, "reason": reason}, f"{one}  {reason or 'applied'}", is_json=as_json)
    sys.exit(Exit.FINDING if is_left else Exit.DONE)


@user_app.command("add")
def user_add(
    name: Annotated[str, typer.Argument(help="Name to sign in with")],
    role: Annotated[Role, typer.Option(help="What the person may do")] = Role.VIEWER,
    password_file: Annotated[Path | None, typer.Option(help="File whose first line is the password")] = None,
    sign_in_code: Annotated[bool, typer.Option("--sign-in-code", help="No password: print a one-time sign-in")] = False,
    data: Data = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Add a user. The password is asked for, or read from a file; there is no default one."""
    from cloud.people import service
    from cloud.people.secrets import new_token

    password = None if sign_in_code else _password(password_file)

    async def work(connection: Any, now: int) -> str:  # noqa: ANN401
        user_id = await service.add_user(connection, name, role, password, now)
        return await service.new_sign_in_code(connection, user_id, now, new_token) if sign_in_code else ""

    code = write(settings_of(data, config), work)
    words = f"Added {name} as {role}." + (f" Sign in once, within the hour, at /sign-in/{code}" if code else "")
    tell({"user": name, "role": role, **({"code": code} if code else {})}, words, is_json=as_json)


def _check_ids(**ids: str) -> None:
    from device_profiles.schema import check_identifier

    findings = []
    for name, value in ids.items():
        try:
            check_identifier(value)
        except ValueError as error:
            findings.append(Finding("", 0, name, str(error)))
    if findings:
        raise Misconfigured(findings)


def _password(file: Path | None) -> str:
    if file is None:
        if not sys.stdin.isatty():
            remedy = "Give --password-file FILE or --sign-in-code"
            raise Misconfigured([Finding("", 0, "password", "cannot be asked for: there is no terminal", remedy)])
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    try:
        return (file.read_text(encoding="utf-8").splitlines() or [""])[0]
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured([Finding(str(file), 0, "", f"cannot be read: {error}", "Check the path")]) from error


if __name__ == "__main__":
    main()
