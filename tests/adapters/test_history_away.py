"""A history server that takes a connection and never answers delays history, and no ticket."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from cloud.app import create_app
from cloud.config import Config
from cloud.storage import tables as t
from contract.messages import Quality, SampleBatch, SampleSeries
from tests.support.desk import START, Desk, StoppedClock, announcement, raised, rows

SLOWEST_S = 1.0
"""The store's own patience with its server is ten times as long."""


@pytest.fixture
async def silent_server() -> AsyncIterator[int]:
    held: list[asyncio.StreamWriter] = []

    async def hold(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)  # open, and never answered

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for writer in held:
        writer.close()


@pytest.mark.parametrize("scheme", ["influxdb://127.0.0.1:{}/org/bucket", "victoriametrics://127.0.0.1:{}"])
async def test_tickets_open_at_once_while_samples_wait_for_a_server_that_hangs(
    scheme: str, silent_server: int, tmp_path: Path
) -> None:
    config = Config(tmp_path, f"sqlite:///{tmp_path / 'cloud.db'}", scheme.format(silent_server))
    app = create_app(config)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://desk.test") as http,
    ):
        desk = Desk(app, StoppedClock(app.state.clock.now_ms()), http)
        gateway = await desk.gateway()
        await gateway.tell(announcement())
        for number in range(4):
            series = SampleSeries(
                equipment="incomer_1", point="power_factor", device="meter_1", at=[START + number], value=[0.5],
                quality=[Quality.GOOD],
            )  # fmt: skip
            await gateway.tell(SampleBatch(series=[series]), lane="samples")
            await asyncio.sleep(0.05)  # the mover is in its write by now
            began = time.monotonic()
            await gateway.tell(raised(desk.clock.ms, rule=f"rule_{number}"))
            assert time.monotonic() - began < SLOWEST_S
        assert len(await rows(desk.database, t.ticket)) == 4
        waiting = [row for row in await rows(desk.database, t.record, lane="samples") if row["applied_at"] is None]
        assert len(waiting) == 4
        began = time.monotonic()
        told = (await http.get("/metrics")).text
        assert time.monotonic() - began < 5
        assert "plantroom_cloud_history_store_up 0.0" in told
        assert "plantroom_cloud_history_backlog_records 4.0" in told
