"""The floor of events is made of exactly the rows that the events left."""

from pathlib import Path

from benchmarks import bare_desk, ingest_load
from tests.support.desk import START, desk


async def test_the_rows_that_events_left_are_counted_and_can_be_inserted_bare(tmp_path: Path) -> None:
    load = ingest_load.events("gw_1", 1, START)
    async with desk(tmp_path) as d:
        gateway, other = await d.gateway("gw_1"), await d.gateway("gw_2")
        for one, body in ((gateway, load.bodies[0]), (other, ingest_load.events("gw_2", 1, START).bodies[0])):
            headers = {"Authorization": f"Bearer {one.credential}", "Content-Encoding": "gzip"}
            answer = await d.http.post("/api/v1/ingest", content=body, headers=headers)
            assert answer.status_code == 200
        left = await bare_desk.left_behind(d.database.engine.url.render_as_string(hide_password=False), "gw_1")
    assert {name: len(rows) for name, rows in left.rows.items()} == {
        "record": 40, "quarantine": 0, "alarm": 20, "ticket": 10, "timeline": 40, "deadline": 20, "notice": 0, "ticket_words": 0,
    }  # fmt: skip
    assert bare_desk.bare_rate("sqlite://", tmp_path / "bare.db", left, load.items, 2) > 0
