"""Around the composition root: one process of the cloud on a real port, from start to a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import signal
import socket
import sqlite3
import sys
from collections.abc import Iterator
from typing import TextIO, cast

import structlog
import uvicorn
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from cloud.app import create_app
from cloud.clock import SystemClock
from cloud.config import Config
from cloud.errors import Misconfigured, Refused
from cloud.people import service
from cloud.people.secrets import new_token
from cloud.storage import tables as t
from cloud.storage.files import Files, FilesAway
from cloud.storage.migrate import NewerSchema, migrate
from cloud.storage.session import DAMAGE_REMEDY, Database, is_damage, is_passing, open_database
from cloud.telemetry.embedded import TURN_S
from contract.conventions import Exit, StandardError
from device_profiles.reading import Finding

GRACEFUL_S = 2
"""How long open streams may hold up the end."""
_AWAY_REMEDY = "Look whether its server runs and whether its disk has room, then start again"


def run(config: Config, *, has_sign_in_link: bool, is_json: bool) -> Exit:
    """Serve until SIGINT or SIGTERM. Raises Misconfigured before anything is served."""
    _log_to_stderr()
    sys.setswitchinterval(TURN_S)
    with contextlib.closing(_listen(config)) as listener:
        return asyncio.run(_serve(config, listener, has_sign_in_link=has_sign_in_link, is_json=is_json))


async def _serve(config: Config, listener: socket.socket, *, has_sign_in_link: bool, is_json: bool) -> Exit:
    database = open_checked(config)
    await migrate_checked(database)
    host, port = listener.getsockname()[:2]
    address = config.public_url.rstrip("/") or f"http://{f'[{host}]' if ':' in host else host}:{port}"
    told = {"url": address}
    if has_sign_in_link:
        with checked(database):
            told["sign_in"] = f"{address}/sign-in/{await _sign_in_code(database)}"
    await database.close()
    await files_checked(config)
    settings = uvicorn.Config(
        create_app(config), log_config=None, access_log=False, timeout_graceful_shutdown=GRACEFUL_S, lifespan="on"
    )
    server = _Server(settings, told, is_json=is_json)
    await server.serve(sockets=[listener])
    return Exit.INTERRUPTED if server.is_interrupted else Exit.DONE if server.is_started else Exit.FINDING


class _Server(uvicorn.Server):
    """Uvicorn that says where it is once it answers, and ends with our exit codes."""

    def __init__(self, config: uvicorn.Config, told: dict[str, str], *, is_json: bool) -> None:
        super().__init__(config)
        self._told = told
        self._is_json = is_json
        self.is_interrupted = False
        self.is_started = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_started = self.started
        if self.started:
            print(self._words(), flush=True)  # noqa: T201  data of the command

    def _words(self) -> str:
        if self._is_json:
            return json.dumps(self._told)
        lines = [f"Plantroom answers at {self._told['url']}"]
        if link := self._told.get("sign_in"):
            lines.append(f"Sign in once, within the hour: {link}")
        return "\n".join(lines)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop, number)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    def _stop(self, number: signal.Signals) -> None:
        self.is_interrupted = number is signal.SIGINT
        self.force_exit = self.should_exit and self.is_interrupted
        self.should_exit = True


def open_checked(config: Config) -> Database:
    """The database, its folder made. Raises Misconfigured when the folder cannot be."""
    try:
        config.data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        found = Finding(str(config.data), 0, "--data", f"cannot be a folder: {error.strerror}", "Choose another folder")
        raise Misconfigured([found]) from error
    return open_database(config.database_url)


async def migrate_checked(database: Database) -> str:
    """Migrate. Raises as ``checked`` does."""
    with checked(database):
        return await migrate(database)


async def files_checked(config: Config) -> None:
    """Try the store of photos. One that is away keeps no desk from opening: photos wait, tickets do not.

    Raises Misconfigured for what only the configuration can put right.
    """
    try:
        await Files(config.files_at).check()
    except FilesAway as away:
        remedy = "photos are answered with 503 until it is back; everything else works"
        structlog.get_logger("cloud").warning("files_unavailable", reason=str(away), remedy=remedy)


@contextlib.contextmanager
def checked(database: Database) -> Iterator[None]:
    """What the database itself refuses is one message, of what, why and what to do.

    Raises Misconfigured when the address, the file or its schema is wrong, and Refused (503) when trying again later may help:
    the first ends with exit code 2 and is not tried again by systemd, the other with 1 and is.
    """
    try:
        yield
    except NewerSchema as error:
        raise Misconfigured([Finding("", 0, "database_url", str(error))]) from error
    except (DBAPIError, OSError, sqlite3.Error) as error:
        cause = getattr(error, "orig", None) or error
        told = (
            f"{database.engine.url.render_as_string(hide_password=True)} cannot be used: {' '.join(str(cause).split())}"
        )
        if is_passing(cause):
            raise Refused(503, "unavailable", f"database_url: {told}", _AWAY_REMEDY) from error
        remedy = DAMAGE_REMEDY if is_damage(cause) else "Check the address and its rights"
        raise Misconfigured([Finding("", 0, "database_url", told, remedy)]) from error


def _listen(config: Config) -> socket.socket:
    """The port, taken before anything else is done. Raises Misconfigured when it cannot be."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    # named as TCP, asyncio lets nothing wait for the other side's acknowledgement: that held every answer up for 40 ms
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((config.host, config.port))
        listener.listen(socket.SOMAXCONN)  # taken for certain, also when two start at once
    except OSError as error:
        listener.close()
        message = f"port {config.port} on {config.host} cannot be used: {error.strerror or error}"
        remedy = "Stop what uses it, or choose another with --port (0 takes a free one)"
        raise Misconfigured([Finding("", 0, "port", message, remedy)]) from error
    return listener


async def _sign_in_code(database: Database) -> str:
    """A one-time sign-in for the first administrator, who is made when there is none."""
    now = SystemClock().now_ms()
    async with database.write() as connection:
        query = select(t.app_user.c.id).where(t.app_user.c.role == "admin", t.app_user.c.disabled_at.is_(None))
        user_id = (await connection.execute(query.order_by(t.app_user.c.id).limit(1))).scalar()
        if user_id is None:
            user_id = await service.add_user(connection, "admin", "admin", None, now)
        return await service.new_sign_in_code(connection, user_id, now, new_token)


def _log_to_stderr() -> None:
    """key=value on a terminal, JSON otherwise; standard output belongs to data."""
    is_terminal = sys.stderr.isatty()
    renderer = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if is_terminal
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if is_terminal else [structlog.processors.format_exc_info]),
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", StandardError())),
    )
    logging.basicConfig(level=logging.WARNING, stream=StandardError())
