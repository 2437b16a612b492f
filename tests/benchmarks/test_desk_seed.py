"""The desk that is measured is a desk: its lists, searches and sweeps find what they should."""

from pathlib import Path

from benchmarks.bench_desk import PAGES, Bench
from benchmarks.desk_seed import Size
from cloud.storage.session import open_database


async def test_a_small_desk_is_seeded_found_and_swept(tmp_path: Path) -> None:
    bench = Bench("small", open_database(f"sqlite:///{tmp_path / 'cloud.db'}", is_inline=True), tmp_path)
    await bench.fill(Size(100, 900, 3))
    for path in PAGES.values():
        await bench.page(path)
    answer = await bench.http.get("/api/v1/search?q=contactor")
    assert answer.json()["count"] == 100  # one ticket in ten says it
    assert (await bench.http.get("/api/v1/tickets?open=1&limit=200")).json()["tickets"][99]["state"]
    before = await bench.next_due()
    bench.clock.ms = before + 1
    await bench.one_due()
    assert await bench.next_due() > before
    await bench.close()
