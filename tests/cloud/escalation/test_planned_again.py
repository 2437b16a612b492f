"""Which lines of a ticket its calls are planned anew for."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cloud.escalation import planning
from cloud.escalation.chain import Chain, Kept, Step
from cloud.escalation.contacts import Directory
from cloud.sla.policy import Policy
from cloud.sla.timeline import Entry
from cloud.storage import tables as t
from cloud.tickets import desk as tickets_desk
from contract.conventions import from_ms
from tests.support.calls import Postbox, notices, notifier, people
from tests.support.desk import MINUTE, SECOND, Desk, announcement, cleared, desk, raised, rows


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path) as found:
        yield found


async def _follows(there: Desk) -> tuple[bool, bool]:
    """Whether a ticket's calls and its words are of its present version."""
    (ticket,) = await rows(there.database, t.ticket)
    return ticket["planned_version"] == ticket["version"], ticket["indexed_version"] == ticket["version"]


async def test_a_machine_that_repeats_itself_moves_no_call_and_nobody_plans_again(there: Desk) -> None:
    await people(there, wang="technician")
    first = raised(there.clock.ms)
    gateway = await there.gateway()
    await gateway.tell(announcement(), first)
    assert await _follows(there) == (False, False)
    await notifier(there, Postbox()).tick()
    await there.app.state.indexer.index()
    before = await notices(there)
    await gateway.tell(cleared(first, there.clock.ms + SECOND))
    await gateway.tell(raised(there.clock.ms + MINUTE))
    assert await _follows(there) == (True, True)
    assert await notices(there) == before


async def test_a_chain_that_calls_when_a_fault_comes_again_is_planned_again(there: Desk) -> None:
    await people(there, wang="technician")
    step = {"whom": ["role:technician"], "trigger": "event", "event": "recurred"}
    await there.sign_in("boss", "manager")
    answer = await there.http.put("/api/v1/calls/chains", json={"priority": "major", "steps": [step]})
    assert answer.status_code == 204, answer.text
    first = raised(there.clock.ms)
    gateway = await there.gateway()
    await gateway.tell(announcement(), first)
    box = Postbox()
    await notifier(there, box).tick()
    await gateway.tell(cleared(first, there.clock.ms + SECOND))
    assert (await _follows(there))[0]
    assert box.told() == []
    await gateway.tell(raised(there.clock.ms + MINUTE))
    assert not (await _follows(there))[0]
    there.clock.ms += 2 * MINUTE
    await notifier(there, box).tick()
    assert box.told() == ["wang"]


def test_tickets_planned_together_share_their_calls_only_when_their_timelines_are_alike() -> None:
    steps: Chain = (Step(("role:technician",), trigger="event", event="reopened"),)
    known = Directory({"wang": "technician"}, {}, chains=(Kept(steps),))
    look = planning._Look(tickets_desk.Desk(Policy("none", ())), known, 10_000)
    ticket = {"site_id": "s", "kind": "fault", "priority": "major", "emergency": "", "system": "", "policy": "none"}
    parts = look.parts({**ticket, "chain": None})
    assert look.parts({**ticket, "chain": []}) is parts
    opened, again = Entry(from_ms(1_000), "opened", "major"), Entry(from_ms(2_000), "reopened")
    found = [len(look.calls(ticket, parts, entries)[1]) for entries in ([opened], [opened, again], [opened])]
    assert found == [0, 1, 0]
