"""What is VictoriaMetrics' own: what it was started without, and what it would drop without a word."""

import asyncio
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from cloud.cli_history import app
from cloud.errors import Refused
from cloud.telemetry.store import Away, Row, Sample
from cloud.telemetry.victoria import VictoriaStore
from tests.adapters.test_history_stores import DAY, NOW, until_it_answers
from tests.support.desk import StoppedClock
from tests.support.servers import victoria_metrics


def flow(at: int, value: float = 1.0) -> Row:
    return Row("demo", "pump_1", "flow", Sample(at, value, "good", "none"))


async def test_a_server_started_as_it_comes_is_told_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with victoria_metrics(tmp_path / "server", "-search.latencyOffset=0s") as address:
        await until_it_answers(address)
        store = VictoriaStore(address, StoppedClock(NOW))
        health = await store.health()
        assert health.is_ok
        assert "-dedup.minScrapeInterval=1ms" in health.detail
        assert "it keeps one month" in health.detail
        await store.write([flow(NOW - DAY)])  # years before the month that it keeps
        async with asyncio.timeout(10):  # it counts anew each second
            while "rows ignored by the server" not in (await store.health()).detail:
                await asyncio.sleep(0.1)
        await store.compact()
        await store.close()
        monkeypatch.setenv("PLANTROOM_TELEMETRY_URL", address)
        told = await asyncio.to_thread(CliRunner().invoke, app, ["stats", "--data", str(tmp_path)])
        assert "it keeps one month" in told.stderr


def fake(*answers: httpx.Response) -> tuple[VictoriaStore, list[httpx.Request]]:
    left, asked = list(answers), list[httpx.Request]()

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return left.pop(0)

    url = "victoriametrics+https://secret@insert:8480/7?select=select:8481"
    return VictoriaStore(url, StoppedClock(NOW), httpx.MockTransport(answer)), asked


async def test_a_sample_it_would_drop_is_parked_and_its_neighbours_are_written() -> None:
    store, asked = fake(httpx.Response(204))
    parked = await store.write([flow(NOW), flow(NOW + 3 * DAY), flow(-5)])
    assert [one.row.sample.at_ms for one in parked] == [NOW + 3 * DAY, -5]
    assert (len(asked), str(asked[0].url)) == (1, "https://insert:8480/insert/7/influx/write?precision=ms")
    assert asked[0].headers["Authorization"] == "Bearer secret"


async def test_a_cluster_is_asked_through_its_select_and_told_to_forget_through_it() -> None:
    none = httpx.Response(200, json={"status": "success", "data": {"resultType": "matrix", "result": []}})
    months = httpx.Response(200, json={"status": "success", "data": ["2001-01", "2099-12"]})
    store, asked = fake(none, httpx.Response(200), months, httpx.Response(204))
    assert await store.range("demo", "pump_1", "flow", NOW - DAY, NOW, 10) == []
    assert await store.delete_before(NOW) == 0
    assert [str(one.url) for one in asked] == [
        "https://select:8481/select/7/prometheus/api/v1/query_range",
        "https://select:8481/select/7/prometheus/api/v1/export",
        "https://select:8481/select/7/prometheus/api/v1/label/month/values",
        "https://select:8481/delete/7/prometheus/api/v1/admin/tsdb/delete_series",
    ]
    assert "2001-01" in asked[3].content.decode()


@pytest.mark.parametrize("status", [401, 429, 500, 502, 503])
async def test_a_server_that_cannot_take_samples_now_is_away(status: int) -> None:
    store, _ = fake(httpx.Response(status), httpx.Response(status))
    with pytest.raises(Away):
        await store.write([flow(NOW)])
    with pytest.raises(Refused, match="history store"):
        await store.latest("demo", "pump_1")


async def test_an_answer_that_makes_no_sense_is_no_empty_history() -> None:
    store, _ = fake(httpx.Response(200, text="<html>"), httpx.Response(200, json={"status": "error", "error": "x"}))
    for _ in range(2):
        with pytest.raises(Refused):
            await store.latest("demo", "pump_1")
