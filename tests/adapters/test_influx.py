"""History in a real InfluxDB answers exactly as the embedded store does, and its absence loses nothing."""

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from cloud.errors import Refused
from cloud.telemetry.embedded import EmbeddedStore
from cloud.telemetry.influx import InfluxStore
from cloud.telemetry.store import Row, Sample, Store
from contract.conventions import from_ms
from simulators.broker import free_port
from tests.support.servers import influxdb, running
from tests.support.system_packages import require

START = 1_795_000_000_000


class QuickClock:
    """Lets no real time pass, but lets the loop turn, and remembers how long it was asked to wait."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def now(self) -> datetime:
        return from_ms(START)

    def now_ms(self) -> int:
        return START

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await asyncio.sleep(0)


async def until_it_answers(address: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(20):
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if (await client.get(address)).is_success:
                    return
            await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with influxdb(tmp_path_factory.mktemp("influx")) as address:
        yield address


@pytest.fixture
async def influx(influxd: str, request: pytest.FixtureRequest) -> AsyncIterator[InfluxStore]:
    await until_it_answers(influxd.replace("influxdb", "http") + "/ping")
    store = InfluxStore(f"{influxd}/{request.node.name}", QuickClock())
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[EmbeddedStore]:
    store = EmbeddedStore(tmp_path / "telemetry.db", is_inline=True)
    await store.open()
    yield store
    await store.close()


def history() -> list[Row]:
    """Two points and a neighbour over ten minutes: numbers, bits, texts, doubts, failures and a hole."""
    rows = []
    for second in range(0, 600, 7):
        at = START + second * 1000 + 13
        if not 200 <= second < 330:
            rows.append(Row("demo", "incomer_1", "power_factor", Sample(at, 0.8 + second / 10_000, "good", "none")))
        rows.append(Row("demo", "incomer_1", "breaker_closed", Sample(at, second % 3 == 0, "good", "none")))
        rows.append(Row("demo", "incomer_2", "power_factor", Sample(at, 0.1, "good", "none")))
    failed = START + 100_500
    rows += [
        Row("demo", "incomer_1", "power_factor", Sample(failed, None, "bad", "no_response")),
        Row("demo", "incomer_1", "power_factor", Sample(failed + 1, 9e9, "bad", "out_of_range")),
        Row("demo", "incomer_1", "power_factor", Sample(failed + 2, 0.5, "uncertain", "device_time")),
        Row("demo", "incomer_1", "state", Sample(START + 5, "auto", "good", "none")),
        Row("demo", "incomer_1", "state", Sample(START + 6, 'hand "2" \\ x', "good", "none")),
        Row("demo", "incomer_1", "dead", Sample(START + 9, None, "bad", "no_response")),
    ]
    return rows


async def filled(*stores: Store) -> None:
    for store in stores:
        await store.write(history())


async def test_the_newest_samples_are_those_of_the_embedded_store(influx: InfluxStore, embedded: EmbeddedStore) -> None:
    await filled(influx, embedded)
    assert await influx.latest("demo", "incomer_1") == await embedded.latest("demo", "incomer_1")
    assert await influx.latest("demo", "nobody") == {}


@pytest.mark.parametrize("point", ["power_factor", "breaker_closed", "state", "dead", "unknown"])
@pytest.mark.parametrize("buckets", [1, 7, 60, 600])
async def test_history_is_that_of_the_embedded_store(
    influx: InfluxStore, embedded: EmbeddedStore, point: str, buckets: int
) -> None:
    await filled(influx, embedded)
    asked = ("demo", "incomer_1", point, START, START + 600_000, buckets)
    told, known = await influx.range(*asked), await embedded.range(*asked)
    assert [(b.start_ms, b.end_ms, b.count, b.quality, b.last) for b in told] == [
        (b.start_ms, b.end_ms, b.count, b.quality, b.last) for b in known
    ]
    for mine, other in zip(told, known, strict=True):
        assert (mine.minimum, mine.maximum) == (other.minimum, other.maximum)
        assert mine.mean == (None if other.mean is None else pytest.approx(other.mean))


async def test_writing_again_changes_nothing(influx: InfluxStore) -> None:
    await filled(influx, influx)
    (whole,) = await influx.range("demo", "incomer_1", "power_factor", START, START + 600_000, 1)
    assert whole.count == sum(
        row.equipment == "incomer_1" and row.point == "power_factor" and row.sample.quality != "bad"
        for row in history()
    )


async def test_health_counts_what_the_server_holds(influx: InfluxStore) -> None:
    await filled(influx)
    health = await influx.health()
    assert (health.is_ok, health.points) == (True, len({(row.equipment, row.point) for row in history()}))


async def test_a_second_server_takes_the_lines_of_the_newer_interface(tmp_path: Path) -> None:
    port = free_port()
    program = require("victoria-metrics")
    command = [program, f"-httpListenAddr=127.0.0.1:{port}", f"-storageDataPath={tmp_path}", "-retentionPeriod=100y"]
    with running(command, port):
        await until_it_answers(f"http://127.0.0.1:{port}/health")
        store = InfluxStore(f"influxdb://token@127.0.0.1:{port}/plantroom/history", QuickClock())
        await filled(store)
        await store.close()
        async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(20):
            while True:
                await client.get(f"http://127.0.0.1:{port}/internal/force_flush")
                query = {"match[]": 'sample_value{point="breaker_closed"}'}
                export = await client.get(f"http://127.0.0.1:{port}/api/v1/export", params=query)
                if export.text.strip():
                    break
                await asyncio.sleep(0.1)
        assert export.json()["values"] == [float(second % 3 == 0) for second in range(0, 600, 7)]


def fake(*answers: httpx.Response | Exception) -> tuple[InfluxStore, QuickClock, list[httpx.Request]]:
    """A server of the newer interface that gives these answers in turn."""
    left, asked, clock = list(answers), [], QuickClock()

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        given = left.pop(0)
        if isinstance(given, Exception):
            raise given
        return given

    url = "influxdb://secret@history.example/plantroom/history"
    return InfluxStore(url, clock, httpx.MockTransport(answer)), clock, asked


async def test_a_server_that_is_away_is_waited_for_longer_each_time() -> None:
    away: list[httpx.Response | Exception] = [
        httpx.ConnectError("refused"),
        httpx.Response(503),
        httpx.Response(429),
        httpx.ReadTimeout("slow"),
    ]
    store, clock, asked = fake(*away, httpx.Response(204))
    await store.write(history()[:3])
    assert clock.waits == [1.0, 2.0, 4.0, 8.0]
    assert len({request.content for request in asked}) == 1
    assert asked[0].headers["Authorization"] == "Token secret"
    assert dict(asked[0].url.params) == {"org": "plantroom", "bucket": "history", "precision": "ms"}
    assert gzip.decompress(asked[0].content).decode().count("\n") == 2


async def test_samples_a_server_refuses_do_not_hold_up_the_others() -> None:
    store, clock, asked = fake(httpx.Response(400, text="partial write: field type conflict"), httpx.Response(204))
    await store.write(history()[:3])
    await store.write(history()[3:6])
    assert clock.waits == []
    assert len(asked) == 2


async def test_a_question_to_a_server_that_is_away_is_refused_and_not_answered_with_nothing() -> None:
    store, _, _ = fake(httpx.ConnectError("refused"), httpx.Response(500))
    for _ in range(2):
        with pytest.raises(Refused) as refused:
            await store.latest("demo", "incomer_1")
        assert (refused.value.status, refused.value.code) == (503, "history_unavailable")
