"""Evidence, events and tickets are kept for good, five years and longer: nothing in the cloud deletes them."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import cloud
from cloud.storage import tables as t
from contract.conventions import format_instant
from contract.messages import AnnouncedEquipment, AnnouncedTest, EvidenceSeries, SampleBatch, SampleSeries, TestObserved
from tests.support.desk import HOUR, MINUTE, START, Desk, announcement, desk, raised, rows, words

SOURCES = sorted(Path(cloud.__file__).parent.rglob("*.py"))
YEAR = 366 * 24 * HOUR
KEPT = (t.test_result, t.occurrence, t.alarm, t.storm, t.storm_member, t.ticket, t.timeline, t.deadline, t.audit)
MAY_GO = {
    "point", "limit_value", "rule", "periodic_test",  # what a new announcement says anew; never equipment, whose due dates would go with it
    "device", "quarantine", "session",
    "calls.chain", "calls.channel", "calls.duty",  # settings, each change in the audit trail
    "desk.ticket_link", "permits.permit_equipment", "_watcher",  # what joins; the timeline says when it was taken apart
    "record",  # of samples that were taken into the history, or thinned: see the last test
}  # fmt: skip
DELETE_FROM = re.compile(r'DELETE\s+FROM\s+"?(\w+)', re.IGNORECASE)


def deleted_tables(source: str) -> set[str]:
    """The tables that a file's statements delete from; a helper's parameter stands for what it is called with."""
    tree = ast.parse(source)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    named = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "delete" and call.args]
    found = {ast.unparse(call.args[0]) for call in named}
    of_a_table = [
        call.func.value for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "delete"
    ]  # fmt: skip
    found |= {ast.unparse(value) for value in of_a_table if ast.unparse(value).startswith("t.")}
    if "table" in found:
        helped = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "_replace"]
        found = (found - {"table"}) | {ast.unparse(call.args[1]) for call in helped}
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    in_text = {name for text in texts for name in DELETE_FROM.findall(text) if name in t.metadata.tables}
    return {name.removeprefix("t.") for name in found} | in_text


def test_no_statement_of_the_cloud_deletes_evidence_events_or_tickets() -> None:
    found = {name for path in SOURCES for name in deleted_tables(path.read_text(encoding="utf-8"))}
    assert found - {"deadline"} == MAY_GO  # a clock that was neither met nor late, when another policy sets it no more
    assert not (found - {"deadline"}) & {table.name for table in KEPT}


def test_a_statement_that_deletes_tickets_would_be_found() -> None:
    for statement in ("delete(t.ticket).where(x)", "t.ticket.delete()", "text('DELETE FROM ticket WHERE id = 1')"):
        assert deleted_tables(statement) == {"ticket"}


async def _tell(office: Desk) -> Any:
    """A pump with a failed test, an alarm with its ticket, and a batch of samples."""
    weekly = AnnouncedTest(id="weekly", name=words("weekly"), every="P7D", clause="c", proof="observed", window="P7D")
    pump = AnnouncedEquipment(
        id="fire_pump_1", equipment_class="fire_pump", name=words("pump"), system="fire", tests=[weekly]
    )
    gateway = await office.gateway()
    told = announcement()
    await gateway.tell(announcement(equipment=[*told.equipment, pump]))
    await office.app.state.keeper.keep()
    at = format_instant(START)
    series = EvidenceSeries(point="system_pressure", at=[START], value=[0.81])
    seen = TestObserved(
        equipment="fire_pump_1", test="weekly", started_at=at, ended_at=at, passed=False, samples=[series]
    )
    await gateway.tell(raised(START), seen)
    sample = SampleSeries(equipment="incomer_1", point="power_factor", device="meter_1", at=[START], value=[0.9])
    await gateway.tell(SampleBatch(series=[sample]), lane="samples")
    return gateway


async def test_six_years_later_evidence_events_and_tickets_are_still_there(tmp_path: Path) -> None:
    async with desk(tmp_path) as office:
        gateway = await _tell(office)
        before = {table.name: len(await rows(office.database, table)) for table in KEPT}
        events = [row for row in await rows(office.database, t.record) if row["lane"] == "events"]
        await office.app.state.mover.move_all()
        office.clock.ms += 6 * YEAR
        await gateway.tell(announcement(equipment=[], devices=[], content_hash="2"))
        await office.app.state.keeper.keep()
        await office.tick(MINUTE)
        await office.app.state.mover.tidy()
        after = {table.name: len(await rows(office.database, table)) for table in KEPT}
        kept = await rows(office.database, t.record)
        assert all(after[name] >= count for name, count in before.items())
        assert before["ticket"] == 2
        assert all(row in kept for row in events)
        assert not [row for row in kept if row["type"] == "SampleBatch"]
        await office.sign_in()
        address = "/api/v1/equipment/riverside/fire_pump_1/tests/weekly/results"
        (result,) = (await office.http.get(address)).json()["results"]
        assert result["samples"][0]["value"] == [0.81]
