"""History moves from one store to another by export and import, and arrives as it left."""

import asyncio
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from cloud.cli_history import app
from cloud.clock import SystemClock
from cloud.config import Config
from cloud.telemetry.address import parse_address
from cloud.telemetry.choosing import choose_store
from cloud.telemetry.store import Row, Sample
from tests.adapters.test_history_stores import DAY, START, drawn, servers

__all__ = ["servers"]
STORES = ["embedded", "influxdb", "victoriametrics", "embedded_again"]


def history() -> list[Row]:
    rows = [
        Row("riverside", "pump_1", f"point_{n}", sample) for n in (1, 2, 3) for sample in drawn(n, 200, DAY).values()
    ]
    return [*rows, Row("riverside", "pump_2", "energy", Sample(START, 123_456_789.125, "good", "none"))]


async def filled(config: Config, rows: list[Row]) -> None:
    store = choose_store(config, SystemClock())
    await store.open()
    await store.write(rows)
    await store.close()


async def contents(config: Config) -> list[Row]:
    store = choose_store(config, SystemClock())
    await store.open()
    found = [Row(*key, sample) for key in await store.points() for sample in await store.samples(*key, 0, 2**62, 10**5)]
    await store.close()
    return found


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_history_that_went_through_every_store_is_the_same(
    suffix: str, servers: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = f"site{suffix.replace('.', '_')}"
    wanted = [Row(site, row.equipment, row.point, row.sample) for row in history()]
    urls = servers | {"influxdb": f"{servers['influxdb']}/moved", "embedded_again": ""}
    places = {kind: Config(tmp_path / kind, "sqlite://", urls[kind]) for kind in STORES}
    for place in places.values():
        place.data.mkdir()
    asyncio.run(filled(places["embedded"], wanted))
    settings = tmp_path / "cloud.yaml"
    settings.write_text("history: 36500d\n")
    for source, target in pairwise(STORES):
        for words in (["export", "--site", site], ["import"]):
            here = source if words[0] == "export" else target
            monkeypatch.setenv("PLANTROOM_TELEMETRY_URL", urls[here])
            file = str(tmp_path / f"{source}{suffix}")
            result = CliRunner().invoke(
                app, [words[0], file, *words[1:], "--data", str(tmp_path / here), "--config", str(settings)]
            )
            assert (result.exit_code, result.exception) == (0, None), result.output
            if here == "victoriametrics":  # it shows what it was given within a second; a test does not wait
                httpx.get(parse_address(urls[here]).ask + "/internal/force_flush", trust_env=False)
    assert asyncio.run(contents(places["embedded_again"])) == wanted
