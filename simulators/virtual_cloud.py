"""The cloud of a virtual world as a process that can be stopped, killed and started: its application on a virtual loop.

A killed cloud leaves what it had committed: its folder is copied at that instant, the old application ends on the
abandoned one, and the next start reads the copy.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml
from fastapi import FastAPI
from sqlalchemy import event, select

from cloud.app import Parts, create_app
from cloud.config import Config, load_config
from cloud.errors import Misconfigured
from cloud.escalation import contacts
from cloud.escalation.courier import Letter
from cloud.people import gateways, service
from cloud.storage import tables as t
from cloud.storage.files import Files
from cloud.storage.migrate import migrate
from cloud.storage.session import Database, open_database
from cloud.telemetry.embedded import EmbeddedStore
from contract.conventions import EpochMs
from simulators.clock import VirtualClock
from simulators.site import SiteError
from simulators.virtual_store import RecentStore

CODE = "VIRTUAL-CODE"
LONG_NAP_S = 86_400.0
"""Background tasks are woken by what happens; they need not look around in between."""


@dataclass(frozen=True, slots=True)
class Told:
    """One message that left the cloud: to whom (the last word of the address), when, and its text."""

    at_ms: EpochMs
    to: str
    key: str
    title: str
    body: str
    is_possible_repeat: bool


@dataclass(slots=True)
class MemoryCourier:
    """Carries messages nowhere and remembers them. It outlives the cloud's process, as the world does."""

    clock: VirtualClock
    sent: list[Told] = field(default_factory=list)

    def is_busy(self, url: str) -> bool:  # noqa: ARG002 - the courier's protocol
        return False

    async def deliver(self, url: str, letter: Letter) -> str:
        to = url.rpartition("/")[2]
        self.sent.append(
            Told(self.clock.now_ms(), to, letter.key, letter.title, letter.body, letter.is_possible_repeat)
        )
        return "taken"


class VirtualCloud:
    """The cloud's process. ``clock`` is its own wall clock; ``told`` is what stands in cloud.yaml."""

    def __init__(
        self, folder: Path, clock: VirtualClock, told: Mapping[str, Any] | None = None, *, keeps_history: bool = True
    ) -> None:
        self._home, self._clock, self._keeps_history = folder, clock, keeps_history
        self.told = dict(told or {})
        self._numbers = itertools.count(1)
        self._generation = 0
        self._end = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.folder = folder / "cloud"
        """Where its data is now; another one after each kill."""
        self.app: FastAPI | None = None
        """None while it is down."""
        self.courier = MemoryCourier(clock)

    @property
    def database_file(self) -> Path:
        """The SQLite file with everything it has committed."""
        return self.folder / "cloud.db"

    @property
    def database(self) -> Database:
        """The database of the running application."""
        assert self.app is not None, "the cloud is down"  # noqa: S101 - a mistake of the caller
        found: Database = self.app.state.database
        return found

    async def start(self) -> None:
        """Start it on the data it has, and wait until it serves."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.database_file.exists():
            self.database_file.write_bytes(await _empty_database())
        self._end = asyncio.Event()
        app, ready = self._application(), asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._serve(app, ready, self._end), name="cloud")
        waiting = asyncio.get_running_loop().create_task(ready.wait(), name="cloud start")
        await asyncio.wait([self._task, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._task.done():
            await self._task
        self.app = app

    async def stop(self) -> None:
        """End it in order."""
        if self._task is not None:
            self._leave()
            self._end.set()
            task, self._task = self._task, None
            await task

    async def kill(self) -> None:
        """A power cut: only what was committed at this instant remains."""
        if self._task is None:
            return
        self._leave()
        old, self.folder = self.folder, self._home / f"cloud_{self._generation}"
        shutil.copytree(old, self.folder)
        task, self._task = self._task, None
        task.cancel()
        await asyncio.wait([task])

    async def answer(self, request: httpx.Request) -> httpx.Response:
        """One HTTP request. Raises httpx.TransportError while it is down, or when it goes down meanwhile."""
        app, generation = self.app, self._generation
        if app is None:
            raise httpx.ConnectError("the cloud is down", request=request)
        reply = await httpx.ASGITransport(app).handle_async_request(request)
        if generation != self._generation:
            raise httpx.ReadError("the cloud went away", request=request)
        return reply

    def _leave(self) -> None:
        self.app, self._generation = None, self._generation + 1

    @staticmethod
    async def _serve(app: FastAPI, ready: asyncio.Event, end: asyncio.Event) -> None:
        async with app.router.lifespan_context(app):
            ready.set()
            await end.wait()

    def _application(self) -> FastAPI:
        config = self._config()
        recent, path = RecentStore(self._clock), config.telemetry_path
        parts = Parts(
            clock=self._clock,
            database=_database(config.database_url),
            store=EmbeddedStore(path, is_inline=True) if self._keeps_history else recent,
            files=Files(config.files_at, is_inline=True),
            tokens=lambda: f"token-{next(self._numbers)}",
            longest_nap_s=LONG_NAP_S,
            courier=self.courier,
        )
        app = create_app(config, parts)
        mover = app.state.mover
        app.state.background = [
            (name, (lambda: mover.run(LONG_NAP_S)) if name == "mover" else run) for name, run in app.state.background
        ]
        return app

    def _config(self) -> Config:
        if not self.told:
            return Config(data=self.folder, database_url=f"sqlite:///{self.database_file}")
        return configured(self.told, self._home, self.folder)

    # --- what an administrator does at the console --------------------------------------------------------------

    async def register(self, gateway: str, site: str) -> str:
        """Add a gateway; the code it enrols with."""
        async with self.database.write() as connection:
            await gateways.add(connection, gateway, site, CODE, self._clock.now_ms())
        return CODE

    async def add_person(self, name: str, role: str, *, has_channel: bool = False) -> None:
        """Add a user, who can be called when there is a channel."""
        now = self._clock.now_ms()
        async with self.database.write() as connection:
            await service.add_user(connection, name, role, None, now)
            if has_channel:
                await contacts.add_channel(connection, f"person:{name}", f"json://127.0.0.1:9/{name}", now, "console")

    async def sign_in_code(self, name: str) -> str:
        """A one-time code for a user."""
        async with self.database.write() as connection:
            users = select(t.app_user.c.id).where(t.app_user.c.name == name)
            user = int((await connection.execute(users)).scalar_one())
            return await service.new_sign_in_code(connection, user, self._clock.now_ms(), self.app_tokens())

    def app_tokens(self) -> Any:  # noqa: ANN401 - the application's own
        """The counted tokens of the running application."""
        assert self.app is not None  # noqa: S101 - as database
        return self.app.state.tokens

    async def latest(self, site: str, equipment: str) -> Mapping[str, Any]:
        """Point → its newest sample, as the cloud shows it."""
        assert self.app is not None  # noqa: S101 - as database
        found: Mapping[str, Any] = await self.app.state.store.latest(site, equipment)
        return found


_empty: list[bytes] = []


async def _empty_database() -> bytes:
    """A database with every table and nothing in them, made once a process: half of what a short world costs."""
    if not _empty:
        with tempfile.TemporaryDirectory(prefix="plantroom-empty-") as place:
            file = Path(place) / "cloud.db"
            database = _database(f"sqlite:///{file}")
            await migrate(database)
            await database.close()
            _empty.append(file.read_bytes())
    return _empty[0]


def _database(url: str) -> Database:
    """On the loop, and without waiting for the disk: a kill copies what was committed, the machine itself does not die."""
    database = open_database(url, is_inline=True)
    event.listen(database.engine.sync_engine, "connect", _do_not_flush)
    return database


def _do_not_flush(connection: Any, _record: object) -> None:  # noqa: ANN401 - the dialect's own type
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=OFF")
    cursor.close()


def configured(told: Mapping[str, Any], home: Path, data: Path) -> Config:
    """What would stand in cloud.yaml, judged as the cloud judges it. Raises SiteError with every mistake."""
    file = home / "cloud.yaml"
    file.write_text(yaml.safe_dump(dict(told), allow_unicode=True), encoding="utf-8")
    try:
        return load_config({}, file, data)
    except Misconfigured as error:
        raise SiteError("; ".join(f"{one.path}: {one.message}. {one.remedy}" for one in error.findings)) from error


class Line(httpx.AsyncBaseTransport):
    """The way to the cloud. ``is_cut`` is an outage; with ``loses_replies`` requests arrive and answers do not."""

    def __init__(self, cloud: VirtualCloud) -> None:
        self._cloud = cloud
        self.is_cut = False
        self.loses_replies = False
        self.carried = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.is_cut:
            raise httpx.ConnectError("the line is cut", request=request)
        self.carried += 1
        reply = await self._cloud.answer(request)
        if self.loses_replies:
            raise httpx.ReadError("the answer was lost", request=request)
        return reply


class Person:
    """Somebody at the cloud's API. Signs in when needed, and again when the session has ended."""

    def __init__(self, name: str, cloud: VirtualCloud) -> None:
        self.name, self._cloud = name, cloud
        self.client = httpx.AsyncClient(transport=Line(cloud), base_url="http://desk.example")

    async def ask(self, method: str, path: str, body: object = None, key: str = "") -> httpx.Response:
        """One call; ``key`` makes it count once. Raises httpx.TransportError while the cloud is down."""
        request: dict[str, Any] = {"json": body} if body is not None else {}
        headers = {"Idempotency-Key": key} if key else {}
        reply = await self.client.request(method, path, headers=headers, **request)
        if reply.status_code == httpx.codes.UNAUTHORIZED:
            await self.sign_in()
            reply = await self.client.request(method, path, headers=headers, **request)
        return reply

    async def sign_in(self) -> None:
        code = await self._cloud.sign_in_code(self.name)
        (await self.client.post("/api/v1/sign-in", json={"code": code})).raise_for_status()
