"""The composition root: what every caller gets, whatever goes wrong; and the background tasks."""

import asyncio
import io
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI
from sqlalchemy import text
from structlog.testing import capture_logs

from cloud import examples, server
from cloud.app import Parts, create_app
from cloud.config import Config
from cloud.errors import Misconfigured
from cloud.hub import Hub
from cloud.storage import tables as t
from cloud.storage.session import Database
from tests.support.databases import sqlite_only
from tests.support.desk import HOUR, START, StoppedClock, announcement, desk, raised, rows


async def test_health_needs_no_sign_in_and_asks_the_database(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        assert (await d.http.get("/healthz")).json() == {"status": "ok"}


@sqlite_only
async def test_a_full_disk_takes_nothing_and_is_told_until_it_is_freed(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await limit_pages(d.database, 1)
        told = gateway.envelope(announcement(), *(raised(START + number) for number in range(300)))
        answer = await gateway.post(told)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert (await d.http.get("/healthz")).status_code == 503
        assert await rows(d.database, t.record) == []
        await limit_pages(d.database, 1_000_000)
        assert (await gateway.post(told)).status_code == 200
        assert (await d.http.get("/healthz")).json() == {"status": "ok"}


def test_a_log_that_cannot_be_written_fails_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def write(self, _text: str) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("sys.stderr", Full())
    server._log_to_stderr()
    try:
        structlog.get_logger("cloud").warning("database_unavailable")
    finally:
        structlog.reset_defaults()


async def limit_pages(database: Database, pages: int) -> None:
    """As many pages as the file has now, or so many: a full disk, as SQLite reports it."""
    async with database.read() as connection:
        await connection.execute(text(f"PRAGMA max_page_count = {pages}"))


async def test_every_wrong_address_method_and_body_is_a_problem_document(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await d.sign_in()
        answers = [
            await d.http.get("/api/v1/nothing"), await d.http.delete("/api/v1/tickets"),
            await d.http.post("/api/v1/tickets/T-000001/actions/fly", json={}),
            await d.http.post("/api/v1/sign-in", content=b"{", headers={"Content-Type": "application/json"}),
            await d.http.post(f"/api/v1/alarms/{10**30}/acknowledge"),
            await d.http.post("/api/v1/tickets/T-000001/actions/note", json={"note": "x" * 5000}),
        ]  # fmt: skip
        assert [answer.status_code for answer in answers] == [404, 405, 422, 422, 422, 422]
        assert [answer.json()["code"] for answer in answers[:3]] == ["not_found", "method", "invalid"]
        described = (await d.http.get("/api/v1/openapi.json")).json()["components"]["schemas"]["Problem"]
        for answer in answers:
            assert answer.headers["content-type"] == "application/problem+json"
            assert set(answer.json()) == {"type", "title", "status", "code", "remedy", "errors"}
            assert set(answer.json()) == set(described["properties"]) == set(described["required"])
        assert [error["path"] for error in answers[2].json()["errors"]] == ["path.action"]


async def test_a_mistyped_address_is_a_page_to_a_person_and_a_problem_document_to_a_program(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        page = await d.http.get("/tickts", headers={"Accept": "text/html,application/xhtml+xml"})
        assert page.status_code == 404
        assert "Nothing is at this address" in page.text
        for path, accept in (("/tickts", "application/json"), ("/api/v1/tickts", "text/html")):
            answer = await d.http.get(path, headers={"Accept": accept})
            assert answer.headers["content-type"] == "application/problem+json", path


async def test_a_failure_inside_is_a_problem_document_without_its_details(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(tmp_path) as d:
        await d.sign_in()

        def fail() -> int:
            raise RuntimeError("a secret detail")

        monkeypatch.setattr(d.clock, "now_ms", fail)
        with capture_logs() as logged:
            answer = await d.http.get("/api/v1/me")
        assert [line["event"] for line in logged] == ["request_failed"]
        assert (answer.status_code, answer.json()["code"]) == (500, "internal")
        assert "secret" not in answer.text


async def test_a_database_that_is_away_is_said_to_be_so_and_when_to_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        envelope = gateway.envelope()

        def refuse(**_how: object) -> None:
            raise ConnectionRefusedError("connect call failed")

        monkeypatch.setattr(d.database, "write", refuse)
        with capture_logs():
            answer = await gateway.post(envelope)
        assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "unavailable", "2")


async def test_the_api_describes_itself_with_examples_and_problems(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        document = (await d.http.get("/api/v1/openapi.json")).json()
        paths = document["paths"]
        assert {"/api/v1/ingest", "/api/v1/tickets/{ticket}/actions/{action}", "/api/v1/equipment"} <= set(paths)
        assert "409" in paths["/api/v1/tickets/{ticket}/actions/{action}"]["post"]["responses"]
        assert document["components"]["schemas"]["TicketShown"]["properties"]["id"]["examples"] == ["T-000123"]
        assert set(references(document)) <= {
            f"#/components/schemas/{name}" for name in document["components"]["schemas"]
        }


async def test_every_call_of_the_api_shows_what_goes_in_and_what_comes_back(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        document = (await d.http.get("/api/v1/openapi.json")).json()
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            answers = [
                answer for code, answer in call["responses"].items() if code.startswith("2") and "content" in answer
            ]
            for part in [*answers, *([call["requestBody"]] if "requestBody" in call else [])]:
                is_binary = all(kind.startswith(("image/", "application/pdf")) for kind in part["content"])
                assert is_binary or has_example(part["content"], document), f"{method} {path}"


def has_example(node: Any, document: Any) -> bool:
    if isinstance(node, dict):
        if "example" in node or "examples" in node:
            return True
        if isinstance(of := node.get("$ref"), str):
            return has_example(document["components"]["schemas"][of.rpartition("/")[2]], document)
        return any(has_example(value, document) for value in node.values())
    return isinstance(node, list) and any(has_example(value, document) for value in node)


async def test_the_examples_of_lists_have_the_names_that_the_lists_have(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await gateway.tell(announcement(), raised(START))
        await d.sign_in()
        lists = {"alarms": examples.ALARM, "gateways": examples.GATEWAY, "equipment": examples.EQUIPMENT}
        for name, example in lists.items():
            rows_found = (await d.http.get(f"/api/v1/{name}")).json()[name]
            assert set(rows_found[0]) == set(example), name
        assert (await d.http.get("/api/v1/transitions")).json().count(examples.TRANSITION) == 1


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [found for value in node.values() for found in references(value)]
    return [found for value in node for found in references(value)] if isinstance(node, list) else []


async def test_the_background_tasks_run_from_start_to_end_and_survive_a_failure(tmp_path: Path) -> None:
    config = Config(data=tmp_path, database_url=f"sqlite:///{tmp_path / 'cloud.db'}")
    clock = StoppedClock()
    app = create_app(config, Parts(clock=clock))
    ran = asyncio.Semaphore(0)

    async def fragile() -> None:
        ran.release()
        raise OSError("once")

    app.state.background.append(("fragile", fragile))
    with capture_logs() as logged:
        await run_until(app, ran)
    assert {(line["event"], line["task"]) for line in logged} == {("background_task_failed", "fragile")}
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert not names & {"ticker", "mover", "fragile"}


async def run_until(app: FastAPI, ran: asyncio.Semaphore) -> None:
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://desk.test") as http:
            assert (await http.get("/healthz")).status_code == 200
        for _ in range(3):
            await ran.acquire()


async def test_who_listens_hears_what_an_envelope_changed(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        news = d.app.state.hub.subscribe()
        heard = asyncio.ensure_future(anext(news))
        await asyncio.sleep(0)
        await gateway.tell(announcement())
        assert await heard in {"equipment", "gateways"}
        assert len(await rows(d.database, t.equipment)) == 2
        await news.aclose()


async def test_a_slow_reader_hears_each_topic_once() -> None:
    hub = Hub()
    news = hub.subscribe()
    first = asyncio.ensure_future(anext(news))
    await asyncio.sleep(0)
    for _ in range(1000):
        hub.publish("tickets", "alarms")
    assert [await first, await anext(news)] == ["tickets", "alarms"]
    hub.publish("gateways")
    assert await anext(news) == "gateways"
    await news.aclose()


def test_a_history_store_that_nobody_speaks_is_refused_before_anything_starts(tmp_path: Path) -> None:
    config = Config(data=tmp_path, database_url=f"sqlite:///{tmp_path / 'cloud.db'}", telemetry_url="carbon://x")
    with pytest.raises(Misconfigured, match="telemetry_url"):
        create_app(config)


async def test_on_virtual_time_the_whole_way_from_envelope_to_breach_starts_no_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise AssertionError("a thread was started")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await d.sign_in()
        await gateway.tell(announcement(), raised(START))
        await d.app.state.mover.move()
        await d.tick(3 * HOUR)
        assert (await d.act("T-000001", "acknowledge")).status_code == 200
        assert (await d.http.get("/api/v1/tickets/T-000001/clocks")).json()[0]["state"] == "breached"
