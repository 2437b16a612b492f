"""The composition root of the cloud: the only place that joins adapters, background tasks and routes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError, DataError, InterfaceError, OperationalError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from cloud.clock import Clock, SystemClock
from cloud.config import Config
from cloud.dashboard.routes import mount as mount_dashboard
from cloud.dashboard.routes_shell import error_page, wants_page
from cloud.describing import PROBLEM, REFUSALS, describe
from cloud.errors import Refused
from cloud.escalation.courier import AppriseCourier, Courier
from cloud.escalation.notifier import Notifier, waking
from cloud.escalation.routes import router as calls_router
from cloud.hub import Hub
from cloud.ingest.quarantine_routes import router as quarantine_router
from cloud.ingest.register_routes import router as register_router
from cloud.ingest.routes import call as ingest_call
from cloud.ingest.routes import router as ingest_router
from cloud.maintenance import keeper
from cloud.maintenance.keeper import Keeper
from cloud.maintenance.routes import router as maintenance_router
from cloud.metrics import router as metrics_router
from cloud.people.routes import router as people_router
from cloud.people.secrets import Tokens, new_token
from cloud.reports.routes import router as reports_router
from cloud.storage.files import Files
from cloud.storage.migrate import migrate
from cloud.storage.session import DAMAGE_REMEDY, Database, open_database
from cloud.storage.soundness import Inspector
from cloud.telemetry.choosing import choose_store
from cloud.telemetry.mover import Mover, bounds_of
from cloud.telemetry.store import Store
from cloud.tickets import permits_keeper, search_index, targets
from cloud.tickets.attachments_routes import router as attachments_router
from cloud.tickets.attachments_sweep import Sweeper
from cloud.tickets.contractors_routes import router as contractors_router
from cloud.tickets.desk import Desk
from cloud.tickets.directive_routes import router as directives_router
from cloud.tickets.entering_routes import router as entering_router
from cloud.tickets.permits_keeper import PermitKeeper
from cloud.tickets.permits_routes import router as permits_router
from cloud.tickets.routes import router as tickets_router
from cloud.tickets.search_index import Indexer
from cloud.tickets.search_routes import router as search_router
from cloud.tickets.targets_clocks import router as clocks_router
from cloud.tickets.targets_routes import router as targets_router
from cloud.tickets.ticker import LONGEST_NAP_S, Ticker
from cloud.tickets.work_routes import router as work_router
from device_profiles.reading import Finding

log = structlog.get_logger("cloud")
_API = APIRouter(responses=REFUSALS)
"""Every call, put together once a process: an application that includes routers works each of their calls out anew."""
for _router in (
    ingest_router, quarantine_router, people_router, search_router, tickets_router, directives_router, register_router, maintenance_router,
    metrics_router, entering_router, attachments_router, work_router, permits_router, contractors_router,
    reports_router, targets_router, clocks_router,
):  # fmt: skip
    _API.include_router(_router)


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything the app is made of; what is left out is made from the configuration."""

    clock: Clock | None = None
    database: Database | None = None
    store: Store | None = None
    files: Files | None = None
    tokens: Tokens = new_token
    longest_nap_s: float = LONGEST_NAP_S
    courier: Courier | None = None


def create_app(config: Config, parts: Parts = Parts()) -> FastAPI:
    """The cloud as an ASGI application. Its lifespan migrates the database and runs the background tasks."""
    app = FastAPI(
        title="Plantroom", version="1", lifespan=_lifespan, docs_url=None, redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        description="Faults of building plant as tickets whose response and resolution clocks cannot be lost.",
        responses=REFUSALS,
    )  # fmt: skip
    clock, hub = parts.clock or SystemClock(), Hub()
    state = app.state
    state.config, state.clock, state.hub, state.tokens = config, clock, hub, parts.tokens
    state.desk = Desk(config.policy)
    state.database = parts.database or open_database(config.database_url)
    state.store = parts.store or choose_store(config, clock)
    state.files = parts.files or Files(config.files_at)
    told = _telling(hub, lambda: (state.notifier,))
    state.ticker = Ticker(state.database, state.desk, clock, told, parts.longest_nap_s)
    state.mover = Mover(state.database, state.store, clock, hub.publish, bounds_of(config))
    kept = _telling(hub, lambda: (state.ticker, state.notifier))
    state.keeper = Keeper(state.database, state.desk, clock, kept, max(parts.longest_nap_s, keeper.LONGEST_NAP_S))
    state.permit_keeper = PermitKeeper(
        state.database, state.desk, clock, kept, max(parts.longest_nap_s, permits_keeper.LONGEST_NAP_S)
    )
    state.indexer = Indexer(state.database, clock, max(parts.longest_nap_s, search_index.NAP_S))
    state.wake = _waker(state.ticker, state.mover, state.keeper, state.permit_keeper, state.indexer)
    state.background = [
        ("ticker", state.ticker.run), ("mover", state.mover.run), ("keeper", state.keeper.run),
        ("permits", state.permit_keeper.run), ("indexer", state.indexer.run), ("sweeper", Sweeper(state.database, state.files, clock).run),
    ]  # fmt: skip
    if file := state.database.file:
        state.background.append(("inspector", Inspector(state.database, file).run))
    state.courier = parts.courier or AppriseCourier()
    state.notifier = Notifier(
        state.database,
        state.desk,
        clock,
        hub.publish,
        state.courier,
        config.public_url,
        parts.longest_nap_s,
        parts.tokens,
    )
    state.background.append(("notifier", state.notifier.run))
    state.wake = waking(state.wake, state.notifier)
    app.router.routes.insert(0, ingest_call)  # asked for a hundred times as often as anything else: found first
    app.include_router(calls_router)
    _add_routes(app)
    _add_problems(app)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]  # FastAPI's own way to extend the document
    return app


def _telling(hub: Hub, whom: Callable[[], Iterable[Ticker | Notifier]]) -> Callable[..., None]:
    """``hub.publish`` that also wakes who has work with tickets: what time alone changed calls people without waiting."""

    def publish(*topics: str) -> None:
        hub.publish(*topics)
        for one in whom() if "tickets" in topics else ():
            one.wake()

    return publish


def _waker(
    ticker: Ticker, mover: Mover, keeper: Keeper, permits: PermitKeeper, indexer: Indexer
) -> Callable[[Iterable[str]], None]:
    """What to call after a commit with the topics it changed: deadlines and samples are looked at without waiting."""

    def wake(topics: Iterable[str]) -> None:
        told = frozenset(topics)
        if "tickets" in told:
            ticker.wake()
            indexer.wake()
        if "samples" in told:
            mover.wake()
        if "equipment" in told:
            keeper.wake()
        if "permits" in told:
            permits.wake()

    return wake


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    state = app.state
    await migrate(state.database)
    await targets.begin(state.database, state.desk, state.clock.now_ms())
    await state.store.open()
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_supervise(name, run, state.clock), name=name) for name, run in state.background]
            yield
            for task in tasks:
                task.cancel()
    finally:
        await state.store.close()
        await state.database.close()


async def _supervise(name: str, run: Callable[[], Awaitable[Any]], clock: Clock) -> None:
    """The one supervisor of this side: a background task that fails is reported and started again."""
    while True:
        try:
            await run()
        except Exception:
            log.exception("background_task_failed", task=name)
            await clock.sleep(1)


def _add_routes(app: FastAPI) -> None:
    app.router.routes.extend(_API.routes)
    app.add_api_route("/healthz", _healthz, methods=["GET"], include_in_schema=False)
    mount_dashboard(app)


async def _healthz(request: Request) -> JSONResponse:
    """200 while the database answers, is whole and took what was last written; no sign-in, no detail."""
    database: Database = request.app.state.database
    async with database.read() as connection:
        await connection.execute(text("SELECT 1"))
    if database.damage:
        return JSONResponse({"status": "database_damaged"}, 503)
    if not database.is_writable:
        return JSONResponse({"status": "disk_failing"}, 503)
    return JSONResponse({"status": "ok"})


def _add_problems(app: FastAPI) -> None:
    """Every wrong request is answered with what is wrong, where, and what to do (RFC 9457)."""
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(HTTPException, _http)
    for unstorable in (DataError, UnicodeEncodeError):
        app.add_exception_handler(unstorable, _unstorable)
    app.add_exception_handler(DatabaseError, _damaged)
    for kind in (OperationalError, InterfaceError, ConnectionError):
        app.add_exception_handler(kind, _unavailable)
    app.add_exception_handler(Exception, _failed)


_HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "300"}, 503: {"Retry-After": "2"}}


class _Problem(JSONResponse):
    """A problem document. What it quotes of the request may be no text; a half character is quoted as it was escaped."""

    media_type = PROBLEM

    def render(self, content: Any) -> bytes:  # noqa: ANN401  as its base says
        return json.dumps(content, ensure_ascii=False).encode(errors="backslashreplace")


def problem(error: Refused) -> JSONResponse:
    """A refusal as a problem document."""
    return _Problem(error.problem(), error.status, _HEADERS.get(error.status))


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)  # noqa: S101  registered for this type
    return problem(error)


async def _unreadable(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  registered for this type
    found = [
        Finding("", 0, ".".join(str(part) for part in one["loc"]), one["msg"], "see /api/v1/openapi.json")
        for one in error.errors()
    ]
    return problem(
        Refused(422, "invalid", "the request is not as the API describes it", "change what errors name", found)
    )


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  registered for this type
    if error.status_code == 404 and wants_page(request):
        return await error_page(request, 404, "not_found")
    codes = {404: "not_found", 405: "method"}
    remedy = "see /api/v1/openapi.json for what there is"
    return problem(Refused(error.status_code, codes.get(error.status_code, "http"), str(error.detail), remedy))


async def _unstorable(_request: Request, error: Exception) -> Response:
    log.warning("value_unstorable", reason=str(error).partition("\n")[0])
    return problem(
        Refused(
            422,
            "invalid",
            "a value cannot be stored",
            "leave out control characters, halves of characters and huge numbers",
        )
    )


async def _unavailable(_request: Request, error: Exception) -> Response:
    log.warning("database_unavailable", reason=str(error).partition("\n")[0])
    return problem(Refused(503, "unavailable", "the database does not answer", "try again in a few seconds"))


async def _damaged(request: Request, error: Exception) -> Response:
    if not request.app.state.database.damage:
        return await _failed(request, error)
    return problem(Refused(503, "database_damaged", "the database file is damaged", DAMAGE_REMEDY))


async def _failed(request: Request, error: Exception) -> Response:
    log.error("request_failed", path=request.url.path, exc_info=error)
    return problem(
        Refused(500, "internal", "something failed here", "try again; if it stays, report the time and path")
    )
