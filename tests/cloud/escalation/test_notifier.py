"""Who is told of a ticket, when, once; what happens to those who cannot be told; and what a kill at any step leaves."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from cloud.escalation import contacts, sending
from cloud.people import service
from cloud.storage import tables as t
from contract.messages import AlarmRaised
from tests.support.calls import Postbox, address, notices, notifier, people
from tests.support.desk import HOUR, MINUTE, SECOND, Desk, Gateway, announcement, cleared, desk, raised, rows, trapped


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path) as found:
        yield found


async def opened(there: Desk, record: AlarmRaised) -> Gateway:
    gateway = await there.gateway()
    await gateway.tell(announcement(), record)
    return gateway


async def change(there: Desk, **values: Any) -> None:
    async with there.database.write() as connection:
        await connection.execute(update(t.ticket).values(version=t.ticket.c.version + 1, **values))


async def test_a_shift_goes_through_its_chain_and_each_is_told_once(there: Desk) -> None:
    await people(there, wang="technician", li="technician", lin="engineer", chief="manager")
    await opened(there, raised(there.clock.ms))
    box = Postbox()
    calls = notifier(there, box)
    for minutes, told in ((0, ["wang", "li"]), (89, []), (1, ["lin"]), (29, []), (1, ["chief"]), (30, ["chief"])):
        there.clock.ms += minutes * MINUTE
        await calls.tick()
        await calls.tick()
        assert box.told() == told, minutes
    await there.sign_in("boss")
    await there.act("T-000001", "acknowledge")
    there.clock.ms += HOUR
    await calls.tick()
    assert box.told() == []


async def test_nothing_is_sent_of_what_was_not_committed(there: Desk) -> None:
    await people(there, wang="technician")
    box = Postbox()
    await notifier(there, box).tick()
    assert box.tried == []


async def test_two_replicas_send_one_message(there: Desk) -> None:
    await people(there, wang="technician")
    await opened(there, raised(there.clock.ms))
    boxes = [Postbox(), Postbox()]
    both = [notifier(there, box) for box in boxes]
    for _ in range(3):
        for calls in both:
            await calls.tick()
    assert [len(box.sent) for box in boxes] == [1, 0]


async def test_after_a_night_without_the_cloud_one_message_says_how_late_it_is(there: Desk) -> None:
    await people(there, wang="technician", lin="engineer", chief="manager")
    await opened(there, raised(there.clock.ms))
    there.clock.ms += 9 * HOUR
    box = Postbox()
    await notifier(there, box).tick()
    ((_, letter),) = box.sent
    assert "延迟 5 小时 30 分" in letter.body  # the third reminder of the breach, at 3 h 30 min
    assert box.told() == ["chief"]
    states = [state for (state,) in await notices(there, "state")]
    assert (states.count("superseded"), states.count("sent")) == (5, 1)


async def test_a_clock_that_jumps_back_calls_nobody_twice(there: Desk) -> None:
    await people(there, wang="technician", lin="engineer")
    await opened(there, raised(there.clock.ms))
    box = Postbox()
    calls = notifier(there, box)
    there.clock.ms += 91 * MINUTE
    await calls.tick()
    assert box.told() == ["lin"]
    there.clock.ms -= HOUR
    await change(there)
    await calls.tick()
    there.clock.ms += HOUR
    await calls.tick()
    assert box.told() == []


async def test_an_entrapment_calls_again_with_each_activation_also_at_night(there: Desk) -> None:
    await people(there, wang="technician")
    async with there.database.write() as connection:
        await contacts.set_contact(
            connection, "person:wang", {"language": "en", "zone": "", "quiet_from": "00:00", "quiet_to": "23:59"}, 1, "tests"
        )  # fmt: skip
    alarm = trapped(there.clock.ms)
    gateway = await opened(there, alarm)
    box = Postbox()
    calls = notifier(there, box)
    await calls.tick()
    await there.sign_in()
    await there.act("T-000001", "acknowledge")
    there.clock.ms += MINUTE
    await calls.tick()
    assert box.told() == ["wang"]
    await gateway.tell(cleared(alarm, there.clock.ms), trapped(there.clock.ms))
    await calls.tick()
    ((_, letter),) = box.sent
    assert letter.title.startswith("[LIFE SAFETY] T-000001")


async def test_quiet_hours_delay_a_message_and_an_answer_cancels_it(there: Desk) -> None:
    await people(there, wang="technician")
    quiet = {"language": "", "zone": "Asia/Shanghai", "quiet_from": "14:00", "quiet_to": "17:00"}
    async with there.database.write() as connection:
        await contacts.set_contact(connection, "person:wang", quiet, 1, "tests")
    await opened(there, raised(there.clock.ms))  # 15:00 there
    box = Postbox()
    calls = notifier(there, box)
    await calls.tick()
    assert box.tried == []
    await there.sign_in()
    await there.act("T-000001", "acknowledge")
    there.clock.ms += 2 * HOUR
    await calls.tick()
    assert box.tried == []
    assert await notices(there, "state", "why") == [("cancelled", "stopped")]


async def test_a_ticket_of_the_past_calls_nobody_at_night(there: Desk) -> None:
    await people(there, wang="technician")
    there.clock.ms += 8 * HOUR  # 23:00 there
    await opened(there, trapped(there.clock.ms))
    await change(there, is_past=True)
    box = Postbox()
    calls = notifier(there, box)
    await calls.tick()
    assert box.tried == []
    there.clock.ms += 8 * HOUR
    await calls.tick()
    assert box.told() == ["wang"]


async def test_what_waits_for_the_morning_waits_no_more_when_the_fault_of_the_past_is_there_now(there: Desk) -> None:
    await people(there, wang="technician")
    gateway = await there.gateway()
    there.clock.ms += 9 * HOUR  # midnight at the site
    alarm = raised(there.clock.ms - HOUR)
    await gateway.tell(announcement(), alarm, cleared(alarm, there.clock.ms - 30 * MINUTE))
    box = Postbox()
    calls = notifier(there, box)
    await calls.tick()
    assert box.told() == []
    there.clock.ms += MINUTE
    await gateway.tell(raised(there.clock.ms))
    await calls.tick()
    await calls.tick()
    assert box.told() == ["wang"]


async def test_a_failed_channel_falls_over_to_the_next_and_then_to_the_next_people_at_once(there: Desk) -> None:
    await people(there, wang="technician", lin="engineer")
    async with there.database.write() as connection:
        await contacts.add_channel(connection, "person:wang", address("wang_2"), 1, "tests")
    box = Postbox(refusing={address("wang")})
    await opened(there, raised(there.clock.ms))
    calls = notifier(there, box)
    await calls.tick()
    assert box.told() == ["wang_2"]
    box.refusing.add(address("wang_2"))
    there.clock.ms += MINUTE
    await opened_again(there)
    await calls.tick()
    assert box.told() == ["lin"]
    assert (await notices(there, "error", owner="person:wang"))[-1] == ("refused",)


async def opened_again(there: Desk) -> None:
    """A second ticket."""
    async with there.database.write() as connection:
        row = dict((await connection.execute(t.ticket.select())).mappings().first() or {})
        row |= {"fault_key": "another", "chain": None, "planned_version": 0, "next_call_at": None}
        number = (
            await connection.execute(t.ticket.insert().values(**{**row, "id": 2}).returning(t.ticket.c.id))
        ).scalar_one()
        line = {"ticket_id": number, "at": there.clock.ms, "kind": "opened", "data": {"priority": "major"}}
        await connection.execute(t.timeline.insert().values(**line))


async def test_who_could_not_be_told_is_tried_again_with_growing_pauses_until_given_up(there: Desk) -> None:
    await people(there, wang="technician")
    await opened(there, raised(there.clock.ms))
    box = Postbox(refusing={address("wang")})
    calls = notifier(there, box)
    await calls.tick()
    tries = [len(box.tried)]
    for pause in sending.BACK_OFF_MS:
        there.clock.ms += pause - SECOND
        await calls.tick()
        tries.append(len(box.tried))
        there.clock.ms += SECOND
        await calls.tick()
    assert tries == [1, 1, 2, 3, 4, 5, 6]
    assert len(box.tried) == 7
    states = await notices(there, "state", owner="person:wang", step=0)
    assert states == [("failed",)]
    assert calls.counts["given_up"] == 1


async def test_nobody_to_tell_is_a_row_that_everybody_sees_until_somebody_can_be_told(there: Desk) -> None:
    await opened(there, raised(there.clock.ms))
    box = Postbox()
    calls = notifier(there, box)
    await calls.tick()
    assert await notices(there, "owner", "state", "why") == [("", "nobody", "no_channel")]
    await there.sign_in()
    shown = (await there.http.get("/api/v1/tickets/T-000001/calls")).json()
    assert [one["state"] for one in shown["told"]] == ["nobody"]
    assert "plantroom_cloud_unreached_tickets 1.0" in (await there.http.get("/metrics")).text
    await people(there, wang="technician")
    await calls.tick()
    assert box.told() == ["wang"]
    assert [state for (state,) in await notices(there, "state")] == ["superseded", "sent"]


async def test_a_kill_before_the_send_is_made_good_when_the_lease_runs_out(there: Desk) -> None:
    await people(there, wang="technician")
    await opened(there, raised(there.clock.ms))
    box = Postbox()
    calls = notifier(there, box)
    await calls.plan_all()
    assert len(await calls._take()) == 1  # and then it dies
    other = notifier(there, box)
    await other.tick()
    assert box.tried == []
    there.clock.ms += sending.LEASE_MS
    await other.tick()
    ((_, letter),) = box.sent
    assert letter.is_possible_repeat
    assert "可能已经收到过" in letter.body


async def test_a_kill_after_the_send_repeats_it_with_the_same_key_and_says_so(there: Desk) -> None:
    await people(there, wang="technician")
    await opened(there, raised(there.clock.ms))
    box = Postbox()
    calls = notifier(there, box)
    await calls.plan_all()
    ((one, _),) = await calls._take()
    await box.deliver(one.url, one.letter)  # and then it dies
    there.clock.ms += sending.LEASE_MS
    await notifier(there, box).tick()
    first, second = (letter for _, letter in box.sent)
    assert first.key == second.key
    assert (first.is_possible_repeat, second.is_possible_repeat) == (False, True)


async def test_a_plan_that_is_out_of_date_sends_nothing(there: Desk) -> None:
    await people(there, wang="technician")
    await opened(there, raised(there.clock.ms))
    box = Postbox()
    calls = notifier(there, box)
    await calls.plan_all()
    await there.sign_in()
    await there.act("T-000001", "acknowledge")
    assert await calls._take() == []
    await calls.tick()
    assert box.tried == []


async def test_an_answer_that_is_not_known_counts_as_failed_and_marks_the_next_try(there: Desk) -> None:
    await people(there, wang="technician")
    await opened(there, raised(there.clock.ms))
    box = Postbox(silent={address("wang")})
    calls = notifier(there, box)
    await calls.tick()
    box.silent.clear()
    there.clock.ms += sending.BACK_OFF_MS[0]
    await calls.tick()
    assert box.sent[-1][1].is_possible_repeat


async def test_a_raised_priority_brings_its_own_chain(there: Desk) -> None:
    await people(there, wang="technician", chief="manager")
    await opened(there, raised(there.clock.ms))
    box = Postbox()
    calls = notifier(there, box)
    await calls.tick()
    await there.sign_in("boss", "manager")
    await there.act("T-000001", "set_priority", priority="life_safety", reason="people in danger")
    box.sent.clear()
    there.clock.ms += 2 * MINUTE
    await calls.tick()
    assert "wang" in box.told()
    (ticket,) = await rows(there.database, t.ticket)
    assert [part["priority"] for part in ticket["chain"]] == ["major", "life_safety"]


async def test_a_disabled_user_is_nobody(there: Desk) -> None:
    await people(there, wang="technician", lin="engineer")
    async with there.database.write() as connection:
        await connection.execute(update(t.app_user).where(t.app_user.c.name == "wang").values(disabled_at=1))
    await opened(there, raised(there.clock.ms))
    box = Postbox()
    await notifier(there, box).tick()
    assert box.told() == ["lin"]


async def test_a_named_duty_replaces_the_role_at_its_site(there: Desk) -> None:
    await people(there, wang="technician", lin="engineer")
    async with there.database.write() as connection:
        await service.add_user(connection, "zhao", "viewer", None, 1)
        await contacts.add_channel(connection, "address:duty_phone", address("duty_phone"), 1, "tests")
        await contacts.add_channel(connection, "person:zhao", address("zhao"), 1, "tests")
    await opened(there, raised(there.clock.ms))
    async with there.database.write() as connection:
        await contacts.set_duty(
            connection, "riverside", "technician", ["address:duty_phone", "person:zhao"], 1, "tests"
        )
    box = Postbox()
    await notifier(there, box).tick()
    assert box.told() == ["duty_phone", "zhao"]


async def test_what_a_dead_sender_may_have_sent_is_not_repeated_when_its_reason_has_gone(there: Desk) -> None:
    await people(there, wang="technician")
    await opened(there, raised(there.clock.ms))
    box = Postbox()
    calls = notifier(there, box)
    await calls.plan_all()
    assert len(await calls._take()) == 1  # and then it dies
    await there.sign_in()
    await there.act("T-000001", "acknowledge")
    there.clock.ms += sending.LEASE_MS
    await notifier(there, box).tick()
    assert box.tried == []
    assert await notices(there, "state", "is_possible_repeat") == [("cancelled", True)]


async def test_a_call_between_two_milliseconds_is_waited_for_and_not_asked_for_again_and_again(there: Desk) -> None:
    await people(there, lin="engineer")
    await opened(there, raised(there.clock.ms))
    calls = notifier(there, Postbox())
    await calls.plan_all()
    async with there.database.write() as connection:
        part = (await rows(there.database, t.ticket))[0]["chain"][0]
        part["steps"][1]["share"] = 0.333333333
        await connection.execute(update(t.ticket).values(chain=[part], planned_version=-1))
    await calls.plan_all()
    (ticket,) = await rows(there.database, t.ticket)
    there.clock.ms = ticket["next_call_at"] - 1
    assert await calls.plan_all()
    there.clock.ms += 1
    assert await calls.plan_all()
    assert (1, "person:lin") in await notices(there, "step", "owner")
