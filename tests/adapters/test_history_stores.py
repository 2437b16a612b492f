"""One suite that every history store passes: the embedded one, a real InfluxDB and a real VictoriaMetrics."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace

from cloud.clock import Clock
from cloud.telemetry.address import parse_address
from cloud.telemetry.embedded import EmbeddedStore
from cloud.telemetry.influx import InfluxStore
from cloud.telemetry.store import Away, Bucket, Row, Sample, Store
from cloud.telemetry.victoria import VictoriaStore
from contract.conventions import instant_ms
from contract.messages import Value
from simulators.broker import free_port
from tests.support.desk import StoppedClock
from tests.support.history import plain, same
from tests.support.servers import influxdb, victoria_metrics

START = instant_ms("2023-11-30T22:00:00.013Z")
"""Two hours before a month ends in UTC, and after it has ended in Shanghai."""
HOUR, DAY = 3_600_000, 86_400_000
NOW = START + 40 * DAY
STORES = ("embedded", "influxdb", "victoriametrics")
CONTENTS: list[tuple[Value, str, str]] = [
    (True, "good", "none"), (False, "good", "none"), ("auto", "good", "none"), ('hand "2" \\ x', "good", "none"),
    (None, "bad", "no_response"), (9e9, "bad", "out_of_range"), (0.5, "uncertain", "stale"), (True, "bad", "stuck"),
]  # fmt: skip
_names = count(1)


class Bench:
    """A store under test, the site it may use, and a way to let it settle."""

    def __init__(self, store: Store, address: str) -> None:
        self.store, self.address = store, address
        self.site = f"site_{next(_names)}"

    async def settle(self) -> None:
        """VictoriaMetrics shows what it was given within a second; a test does not wait."""
        if isinstance(self.store, VictoriaStore):
            async with httpx.AsyncClient(trust_env=False) as client:
                await client.get(parse_address(self.address).ask + "/internal/force_flush")

    async def write(self, samples: list[Sample], equipment: str = "pump_1", point: str = "flow") -> None:
        assert not await self.store.write([Row(self.site, equipment, point, one) for one in samples])

    async def ask(self, start: int, end: int, buckets: int, point: str = "flow") -> list[Bucket]:
        return await self.store.range(self.site, "pump_1", point, start, end, buckets)

    async def all(self, page: int = 1000, point: str = "flow") -> list[Sample]:
        found: list[Sample] = []
        while part := await self.store.samples(
            self.site, "pump_1", point, found[-1].at_ms + 1 if found else 0, NOW, page
        ):
            found += part
        return found


def make(kind: str, address: str, folder: Path, clock: Clock) -> Store:
    if kind == "embedded":
        return EmbeddedStore(folder / "telemetry.db", block=24, keep=8)
    return VictoriaStore(address, clock) if kind == "victoriametrics" else InfluxStore(f"{address}/history")


async def until_it_answers(address: str) -> None:
    """A port answers before its server has finished starting."""
    url = address.replace("influxdb", "http").replace("victoriametrics", "http")
    async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(20):
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if (await client.get(f"{url}/ping")).is_success:
                    return
            await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    with (
        influxdb(tmp_path_factory.mktemp("influx")) as influx,
        victoria_metrics(tmp_path_factory.mktemp("victoria")) as victoria,
    ):
        for address in (influx, victoria):
            asyncio.run(until_it_answers(address))
        yield {"embedded": "", "influxdb": influx, "victoriametrics": victoria}


@pytest.fixture(params=STORES)
async def bench(request: pytest.FixtureRequest, servers: Mapping[str, str], tmp_path: Path) -> AsyncIterator[Bench]:
    store = make(request.param, servers[request.param], tmp_path, StoppedClock(NOW))
    await store.open()
    yield Bench(store, servers[request.param])
    await store.close()


def drawn(seed: int, number: int, span: int = 4 * HOUR) -> dict[int, Sample]:
    """Samples of every sort at instants of their own, a hole in the middle, and one that is late by days."""
    rng = random.Random(seed)
    found = {}
    for _ in range(number):
        at = START + rng.randrange(span)
        if not span // 3 < at - START < span // 2:
            value: tuple[Value, str, str] = (round(rng.gauss(230, 5), rng.choice((1, 2))), "good", "none")
            found[at] = Sample(at, *(value if rng.random() < 0.7 else rng.choice(CONTENTS)))
    late = START - 9 * DAY
    return {late: Sample(late, 1.5, "good", "none")} | dict(sorted(found.items()))


def without_rival_causes(found: list[Bucket], wanted: list[Bucket]) -> tuple[list[Bucket], list[Bucket]]:
    """InfluxDB tells the newest cause of a stretch, the others the one last in the alphabet: either is one of its causes."""
    assert [bool(one.cause) for one in found] == [bool(one.cause) for one in wanted]
    return [replace(one, cause="") for one in found], [replace(one, cause="") for one in wanted]


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_it_answers_as_a_plain_list_does_whatever_comes_late_twice_or_out_of_order(
    bench: Bench, seed: int
) -> None:
    known = drawn(seed, 300)
    order = list(known.values())
    random.Random(seed).shuffle(order)
    for start in range(0, len(order), 40):
        await bench.write(order[max(0, start - 10) : start + 40])  # the last ten come again
    await bench.settle()
    spans = [
        (START, START + 4 * HOUR), (START - 10 * DAY, START + DAY), (START + HOUR, START + HOUR + 7 * 60_000),
        (START + 100 * HOUR, START + 101 * HOUR), (0, NOW), (-(2**50), 2**50), (START + 4_807_000, START + 4_807_000),
    ]  # fmt: skip
    for start, end in spans:
        for buckets in (1, 7, 60, 500):
            found = await bench.ask(start, end, buckets)
            wanted = plain(known, start, end, buckets) if end > start else []
            assert same(*without_rival_causes(found, wanted)), (start - START, end - start, buckets)


async def test_every_sample_comes_back_as_it_was_written(bench: Bench) -> None:
    known = drawn(5, 300)
    await bench.write(list(known.values()))
    await bench.settle()
    for page in (7, 1000):
        found = await bench.all(page)
        assert found == list(known.values())
        assert [type(one.value) for one in found] == [type(one.value) for one in known.values()]


async def test_the_newest_sample_of_every_point_is_known_for_one_equipment_and_for_the_site(bench: Bench) -> None:
    written = {
        ("pump_1", "flow"): [
            Sample(NOW - 5 * HOUR, 3.5, "good", "none"),
            Sample(NOW - HOUR, None, "bad", "no_response"),
        ],
        ("pump_1", "running"): [Sample(NOW - 30 * DAY, True, "good", "none")],
        ("pump_1", "state"): [Sample(NOW - 1, "auto", "good", "none"), Sample(NOW - 2 * HOUR, "hand", "good", "none")],
        ("pump_2", "flow"): [Sample(NOW - 2 * DAY, 9e9, "bad", "out_of_range")],
    }
    for (equipment, point), samples in written.items():
        await bench.write(samples, equipment, point)
    await bench.settle()
    newest: dict[str, dict[str, Sample]] = {}
    for (equipment, point), samples in written.items():
        newest.setdefault(equipment, {})[point] = max(samples, key=lambda one: one.at_ms)
    assert await bench.store.latest_of_all(bench.site) == newest
    assert await bench.store.latest(bench.site, "pump_1") == newest["pump_1"]
    assert await bench.store.latest(bench.site, "nobody") == {}
    assert await bench.store.latest_of_all("nowhere") == {}


async def test_what_is_held_says_how_much_and_from_when_to_when(bench: Bench) -> None:
    known = drawn(6, 100)
    await bench.write(list(known.values()))
    await bench.settle()
    (held,) = [one for one in await bench.store.held() if one.site == bench.site]
    assert (held.key, held.samples) == ((bench.site, "pump_1", "flow"), len(known))
    assert (held.first_ms, held.last_ms) == (min(known), max(known))
    assert (bench.site, "pump_1", "flow") in await bench.store.points()


async def test_old_samples_of_some_points_are_forgotten(bench: Bench) -> None:
    """VictoriaMetrics forgets by whole months: here the month of the border stays, the one before it goes."""
    border = instant_ms("2023-12-01T00:00:00.000Z")
    known = drawn(7, 200)
    for point in ("flow", "pressure"):
        await bench.write(list(known.values()), point=point)
    await bench.settle()
    await bench.store.delete_before(border, [(bench.site, "pump_1", "flow")])
    await bench.settle()
    assert await bench.all() == [one for one in known.values() if one.at_ms >= border]
    assert len(await bench.all(point="pressure")) == len(known)
    await bench.write(list(known.values())[:1])
    await bench.settle()
    assert len(await bench.all()) == 1 + sum(at >= border for at in known)


async def test_writers_and_readers_work_at_the_same_time(bench: Bench) -> None:
    known = drawn(8, 400)
    samples = list(known.values())

    async def read() -> None:
        for _ in range(6):
            found = await bench.ask(START, START + 4 * HOUR, 50)
            assert sum(one.count for one in found) <= len(known)
            await bench.store.latest(bench.site, "pump_1")

    parts = [samples[place : place + 50] for place in range(0, len(samples), 40)]
    await asyncio.gather(*(bench.write(part) for part in parts), read(), read())
    await bench.settle()
    assert await bench.all() == samples


async def test_it_says_that_it_works(bench: Bench) -> None:
    await bench.write([Sample(NOW - HOUR, 1.0, "good", "none")])
    await bench.settle()
    health = await bench.store.health()
    assert (health.is_ok, health.points > 0) == (True, True)


@pytest.mark.parametrize("kind", ["influxdb", "victoriametrics"])
async def test_a_server_that_was_away_takes_again_what_it_did_not_take(kind: str, tmp_path: Path) -> None:
    server = victoria_metrics if kind == "victoriametrics" else influxdb
    port, known = free_port(), list(drawn(9, 60).values())
    address = f"{kind}://127.0.0.1:{port}"
    async with AsyncExitStack() as stack:
        store = make(kind, address, tmp_path, StoppedClock(NOW))
        stack.push_async_callback(store.close)
        bench = Bench(store, address)
        await store.open()
        with pytest.raises(Away):
            await bench.write(known[:30])
        assert not (await store.health()).is_ok
        for part in (known[:30], known[20:]):
            with server(tmp_path / "server", port=port):
                await until_it_answers(address)
                await store.open()
                await bench.write(part)
                await bench.settle()
                assert (await store.health()).is_ok
        with server(tmp_path / "server", port=port):
            await until_it_answers(address)
            assert await bench.all() == known
