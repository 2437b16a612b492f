"""``plantroom-cloud``: what its commands share: options, the configuration, one transaction, one way to answer."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from cloud.config import Config, load_config
from contract.conventions import json_line

_T = TypeVar("_T")
Data = Annotated[Path | None, typer.Option("--data", help="Folder of the databases; default ./.plantroom")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="cloud.yaml")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output; lists give JSON lines")]


def settings_of(data: Path | None, file: Path | None, **options: Any) -> Config:  # noqa: ANN401
    """What ``cloud.yaml``, the environment and these options say. Raises Misconfigured."""
    return load_config(os.environ, file, data, **options)


def with_database(settings: Config, work: Callable[[Any], Awaitable[_T]]) -> _T:
    """Run ``work(database)`` on a database that was checked and brought to this release's schema."""
    from cloud import server

    async def run() -> _T:
        database = server.open_checked(settings)
        try:
            await server.migrate_checked(database)
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(run())


def write(settings: Config, work: Callable[[Any, int], Awaitable[_T]]) -> _T:
    """Run ``work(connection, now)`` in one transaction."""
    from cloud import server
    from cloud.clock import SystemClock

    async def run(database: Any) -> _T:  # noqa: ANN401
        with server.checked(database):
            async with database.write() as connection:
                return await work(connection, SystemClock().now_ms())

    return with_database(settings, run)


def tell(data: dict[str, Any], words: str, *, is_json: bool) -> None:
    """One answer on standard output: words, or one JSON object."""
    typer.echo(json_line(data) if is_json else words)
