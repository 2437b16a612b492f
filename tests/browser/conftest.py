"""A desk on a loopback port and Debian's Chromium before it. Anything the browser complains of fails the test."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import uvicorn
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from cloud.clock import SystemClock
from cloud.people.access import COOKIE
from tests.dashboard import scenario, world
from tests.dashboard.world import World
from tests.support.system_packages import require

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
OUTPUT = Path("test-output") / "browser"
HERE = Path(__file__).parent


@dataclass
class Served:
    """The application with a story in it, at an address."""

    world: World
    tickets: dict[str, int]
    port: int = 0
    server: uvicorn.Server | None = None
    task: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """At a free port the first time, at the same one afterwards."""
        config = uvicorn.Config(
            self.world.app,
            host="127.0.0.1",
            port=self.port,
            log_level="warning",
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
        self.server = uvicorn.Server(config)
        self.task = asyncio.create_task(self.server.serve(), name="served")
        while not self.server.started:
            await asyncio.sleep(0.01)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Whoever listens is cut off."""
        if self.server is not None and self.task is not None:
            self.server.should_exit = self.server.force_exit = True
            for connection in list(self.server.server_state.connections):
                if transport := getattr(connection, "transport", None):
                    transport.abort()
            await self.task
            self.server = None

    def ticket(self, equipment: str) -> str:
        return f"T-{self.tickets[equipment]:06d}"


@pytest_asyncio.fixture(loop_scope="session")
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    made = await world.make(tmp_path, SystemClock(), is_inline=False)
    tickets = await scenario.afternoon(made)
    here = Served(made, tickets)
    await here.start()
    yield here
    await here.stop()
    await made.store.close()
    await made.database.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One loop for all of them, because a browser belongs to its loop and takes two seconds to start."""
    for item in items:
        if item.path.parent == HERE and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    program = require("chromium")
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield started
        await started.close()


Open = Callable[..., AbstractAsyncContextManager[Page]]


@pytest.fixture
def at(served: Served, browser: Browser) -> Open:
    """``async with at("/wall") as page``: a signed-in page that may not complain and may not ask anybody else."""

    @asynccontextmanager
    async def opened(
        path: str, *, width: int = 1440, height: int = 900, theme: Any = "light", language: str = "en", script: bool = True,
        who: str = "duty_engineer", may_complain: bool = False,
    ) -> AsyncIterator[Page]:  # fmt: skip
        context = await browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=theme, java_script_enabled=script,
            locale="zh-CN" if language == "zh" else "en-GB", reduced_motion="reduce",
        )  # fmt: skip
        await sign_in(context, served.address, who, language)
        page = await context.new_page()
        complaints = watch(page, served.address)
        await page.goto(served.address + path)
        yield page
        await context.close()
        assert [one for one in complaints if not may_complain or one.startswith("asked ")] == []

    return opened


async def sign_in(context: BrowserContext, address: str, who: str, language: str) -> None:
    await context.add_cookies([
        {"name": COOKIE, "value": f"session of {who}", "url": address},
        {"name": "plantroom_language", "value": language, "url": address},
    ])  # fmt: skip


def watch(page: Page, address: str) -> list[str]:
    """Errors, warnings, broken policies and requests to anybody else, as they happen."""
    found: list[str] = []
    page.on("console", lambda m: found.append(f"{m.type}: {m.text}") if m.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: found.append(f"script: {error}"))
    page.on(
        "request", lambda request: None if request.url.startswith(address) else found.append(f"asked {request.url}")
    )
    return found
