"""From alarm events, as gateways tell them, to tickets."""

from pathlib import Path

from cloud.storage import tables as t
from contract.conventions import format_instant
from contract.messages import AlarmChanged, RuleUnknown, Severity
from tests.support.desk import (
    HOUR,
    MINUTE,
    SECOND,
    START,
    announcement,
    cleared,
    desk,
    raised,
    rows,
    trapped,
)


def changed(what: str, **changes: object) -> AlarmChanged:
    values = {"equipment": "incomer_1", "rule": "pf_low", "at": format_instant(START), "what": what, **changes}
    return AlarmChanged(**values)  # type: ignore[arg-type]


async def test_a_fault_opens_one_ticket_with_its_words_clause_and_clocks(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        d.clock.ms = START + 20 * SECOND
        alarm = raised(START + 15 * SECOND, began_at=format_instant(START))
        await gateway.tell(announcement(), alarm)
        (ticket,) = await rows(d.database, t.ticket)
        assert ticket["title"] == {"en": "LV incomer 1: power factor low", "zh": "低压进线1：功率因数低"}
        assert {name: ticket[name] for name in ("priority", "clause", "system", "state", "fault_key", "policy")} == {
            "priority": "major", "clause": "h-5.3.1-pf", "system": "power", "state": "new",
            "fault_key": "riverside/incomer_1/pf_low", "policy": "shipped-1",
        }  # fmt: skip
        assert (ticket["began_at"], ticket["raised_at"], ticket["received_at"]) == (
            START, START + 15 * SECOND, START + 20 * SECOND,
        )  # fmt: skip
        clocks = {row["clock"]: row for row in await rows(d.database, t.deadline)}
        assert {name: row["due_at"] - ticket["opened_at"] for name, row in clocks.items()} == {
            "response": 2 * HOUR, "resolution": 48 * HOUR,
        }  # fmt: skip
        assert {row["clause"] for row in clocks.values()} == {"m-2.3.3-2h", "m-2.3.3-48h"}
        (line,) = await rows(d.database, t.timeline)
        assert (line["kind"], line["data"]["news_late_ms"]) == ("opened", 5 * SECOND)
        (stored,) = await rows(d.database, t.alarm)
        assert (stored["state"], stored["ticket_id"]) == ("active", ticket["id"])


async def test_a_fault_that_comes_again_joins_its_open_ticket(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        first, second = raised(START), raised(START + MINUTE)
        await gateway.tell(announcement(), first, cleared(first, START + SECOND), second)
        (ticket,) = await rows(d.database, t.ticket)
        assert ticket["occurrences"] == 2
        assert [row["kind"] for row in await rows(d.database, t.timeline)] == ["opened", "cleared", "recurred"]
        assert [row["state"] for row in await rows(d.database, t.alarm)] == ["cleared", "active"]


async def test_a_cleared_alarm_does_not_close_its_ticket(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        alarm = raised(START)
        await gateway.tell(announcement(), alarm)
        d.clock.ms += MINUTE
        await gateway.tell(cleared(alarm, d.clock.ms))
        (ticket,) = await rows(d.database, t.ticket)
        assert (ticket["state"], ticket["is_past"]) == ("new", False)


async def test_life_safety_calls_again_on_an_open_ticket_and_the_lift_clock_runs_thirty_minutes(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await d.sign_in()
        first = trapped(START)
        await gateway.tell(announcement(), first)
        assert (await d.act("T-000001", "acknowledge")).status_code == 200
        d.clock.ms += 10 * MINUTE
        await gateway.tell(cleared(first, d.clock.ms), trapped(d.clock.ms))
        (ticket,) = await rows(d.database, t.ticket)
        assert (ticket["state"], ticket["activations"], ticket["priority"]) == ("new", 2, "life_safety")
        clocks = {(r["clock"], r["activation"]): r for r in await rows(d.database, t.deadline)}
        assert clocks["arrival", 1]["due_at"] == START + 30 * MINUTE
        assert clocks["arrival", 2]["due_at"] == START + 40 * MINUTE
        assert [clocks["response", n]["state"] for n in (1, 2)] == ["met", "running"]
        assert ("resolution", 2) not in clocks


async def test_a_repair_that_does_not_hold_resumes_the_closed_ticket_within_three_days(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await d.sign_in()
        alarm = raised(START)
        await gateway.tell(announcement(), alarm, cleared(alarm, START))
        await d.act("T-000001", "acknowledge")
        await d.act("T-000001", "resolve", cause="contactor", action="replaced")
        assert (await d.act("T-000001", "close")).status_code == 200
        d.clock.ms += 70 * HOUR
        await gateway.tell(raised(d.clock.ms))
        (ticket,) = await rows(d.database, t.ticket)
        assert (ticket["state"], ticket["reopened"], ticket["closed_at"]) == ("new", 1, None)
        (resolution,) = await rows(d.database, t.deadline, clock="resolution")
        assert (resolution["state"], resolution["due_at"]) == ("running", START + (48 + 70) * HOUR)


async def test_after_the_reopen_window_a_new_ticket_is_linked_to_the_last(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await d.sign_in()
        alarm = raised(START)
        await gateway.tell(announcement(), alarm, cleared(alarm, START))
        await d.act("T-000001", "acknowledge")
        await d.act("T-000001", "resolve", cause="contactor", action="replaced")
        await d.act("T-000001", "close")
        d.clock.ms += 73 * HOUR
        await gateway.tell(raised(d.clock.ms))
        assert [row["previous_ticket_id"] for row in await rows(d.database, t.ticket)] == [None, 1]


async def test_a_fault_that_began_and_ended_while_cut_off_is_marked_as_past(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        d.clock.ms = START + HOUR
        alarm = trapped(START)
        await gateway.tell(announcement(), alarm, cleared(alarm, START + MINUTE))
        (ticket,) = await rows(d.database, t.ticket)
        assert ticket["is_past"] is True
        assert [row["state"] for row in await rows(d.database, t.alarm)] == ["cleared"]


async def test_a_past_ticket_whose_fault_is_there_now_is_past_no_more(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        d.clock.ms = START + HOUR
        alarm, later = trapped(START), trapped(START + 2 * MINUTE)
        await gateway.tell(announcement(), alarm, cleared(alarm, START + MINUTE))
        await gateway.tell(later, cleared(later, START + 3 * MINUTE))
        assert [row["is_past"] for row in await rows(d.database, t.ticket)] == [True], "both were over"
        d.clock.ms += 12 * HOUR
        await gateway.tell(trapped(d.clock.ms))
        assert [row["is_past"] for row in await rows(d.database, t.ticket)] == [False], (
            "somebody is trapped: call at night"
        )


async def test_a_short_press_of_the_alarm_button_is_no_past_event(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        alarm = trapped(START - 900)
        await gateway.tell(announcement(), alarm, cleared(alarm, START - 100))
        (ticket,) = await rows(d.database, t.ticket)
        assert (ticket["is_past"], ticket["priority"]) == (False, "life_safety")
        again = trapped(START + 500)
        await gateway.tell(again, cleared(again, START + 600))
        (ticket,) = await rows(d.database, t.ticket)
        assert ticket["activations"] == 2


async def test_a_press_during_a_short_glitch_of_the_line_is_no_past_event_but_another_fault_is(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        press, fault = trapped(START - 9 * SECOND), raised(START - 9 * SECOND)
        ended = START - 8 * SECOND
        await gateway.tell(announcement(), press, cleared(press, ended), fault, cleared(fault, ended))
        assert [(row["rule"], row["is_past"]) for row in await rows(d.database, t.ticket)] == [
            ("entrapment", False), ("pf_low", True),
        ]  # fmt: skip


async def test_a_gateway_whose_clock_is_behind_tells_no_past_events(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        behind = 5 * MINUTE
        alarm = raised(START - behind)
        await gateway.tell(announcement(), alarm, sent_at=format_instant(START - behind))
        d.clock.ms += MINUTE
        sent_at = format_instant(d.clock.ms - behind)
        await gateway.tell(cleared(alarm, d.clock.ms - behind), sent_at=sent_at)
        (ticket,) = await rows(d.database, t.ticket)
        assert ticket["is_past"] is False


async def test_it_is_past_too_when_its_end_comes_in_the_next_envelope(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        d.clock.ms = START + HOUR
        alarm = raised(START)
        await gateway.tell(announcement(), alarm)
        await gateway.tell(cleared(alarm, START + MINUTE))
        (ticket,) = await rows(d.database, t.ticket)
        assert ticket["is_past"] is True


async def test_a_ticket_that_people_saw_while_the_fault_was_there_is_not_past_because_its_end_came_late(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        alarm = raised(START)
        await gateway.tell(announcement(), alarm)
        d.clock.ms = START + HOUR
        await gateway.tell(cleared(alarm, START + HOUR - MINUTE))
        (ticket,) = await rows(d.database, t.ticket)
        assert ticket["is_past"] is False


async def test_a_suppressed_alarm_opens_its_ticket_when_it_is_no_longer_suppressed(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await gateway.tell(announcement(), raised(START, suppressed_by="supply_lost"))
        assert await rows(d.database, t.ticket) == []
        await gateway.tell(changed("unsuppressed"))
        (ticket,) = await rows(d.database, t.ticket)
        (alarm,) = await rows(d.database, t.alarm)
        assert (alarm["ticket_id"], alarm["suppressed_by"]) == (ticket["id"], "")


async def test_a_worse_severity_raises_the_priority_from_the_original_start(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await gateway.tell(announcement(), raised(START))
        d.clock.ms += 10 * MINUTE
        await gateway.tell(changed("severity", severity=Severity.CRITICAL))
        (ticket,) = await rows(d.database, t.ticket)
        (response,) = await rows(d.database, t.deadline, clock="response")
        assert (ticket["priority"], response["due_at"]) == ("urgent", START + HOUR)
        line = (await rows(d.database, t.timeline))[-1]
        assert line["kind"] == "reclassified"
        assert line["data"]["due"]["response:1"] == {"before": START + 2 * HOUR, "after": START + HOUR}


async def test_a_condition_that_gets_worse_after_people_closed_its_ticket_is_a_ticket_again(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await gateway.tell(announcement(), raised(START))
        await d.sign_in()
        for verb, body in (
            ("acknowledge", {}),
            ("resolve", {"cause": "a", "action": "b"}),
            ("close", {"reason": "waived"}),
        ):
            assert (await d.act("T-000001", verb, **body)).status_code == 200
        await gateway.tell(changed("severity", severity=Severity.MAJOR))
        assert [row["state"] for row in await rows(d.database, t.ticket)] == ["closed"], "they knew as much"
        await gateway.tell(changed("severity", severity=Severity.CRITICAL))
        assert [(row["state"], row["priority"]) for row in await rows(d.database, t.ticket)] == [("new", "urgent")]


async def test_a_lesser_severity_changes_no_ticket(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await gateway.tell(announcement(), raised(START), changed("severity", severity=Severity.MINOR))
        (ticket,) = await rows(d.database, t.ticket)
        assert ticket["priority"] == "major"


async def test_an_advisory_is_an_alarm_without_a_ticket(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await gateway.tell(announcement(), raised(START, severity=Severity.ADVISORY))
        assert await rows(d.database, t.ticket) == []
        assert len(await rows(d.database, t.alarm)) == 1


async def test_an_alarm_whose_end_was_lost_ends_when_it_is_raised_again(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await gateway.tell(announcement(), raised(START), raised(START + HOUR))
        assert [(row["state"], row["cleared_at"]) for row in await rows(d.database, t.alarm)] == [
            ("cleared", START + HOUR),
            ("active", None),
        ]


async def test_an_old_end_does_not_clear_a_newer_activation(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        old = raised(START)
        await gateway.tell(announcement(), raised(START + HOUR), cleared(old, START + MINUTE))
        (alarm,) = await rows(d.database, t.alarm)
        assert alarm["state"] == "active"


async def test_a_gateway_that_lost_its_numbers_opens_no_second_ticket(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        alarm = raised(START)
        await gateway.tell(announcement(), alarm)
        gateway.restart()
        await gateway.tell(announcement(), alarm)
        assert len(await rows(d.database, t.alarm)) == 1
        (ticket,) = await rows(d.database, t.ticket)
        assert ticket["occurrences"] == 1


async def test_a_rule_that_cannot_be_judged_is_seen_until_it_can(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        unknown = RuleUnknown(
            equipment="incomer_1", rule="pf_low", at=format_instant(START), unknown=True, point="power_factor"
        )
        await gateway.tell(announcement(), unknown)
        (alarm,) = await rows(d.database, t.alarm)
        assert (alarm["rule"], alarm["instance"], alarm["severity"]) == ("rule_unknown", "pf_low", "advisory")
        known = RuleUnknown(equipment="incomer_1", rule="pf_low", at=format_instant(START + SECOND), unknown=False)
        await gateway.tell(known)
        assert [row["state"] for row in await rows(d.database, t.alarm)] == ["cleared"]


async def test_out_of_service_is_kept_with_its_reason_and_ends(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await gateway.tell(announcement(), changed("out_of_service", reason="half-year service"))
        (equipment,) = await rows(d.database, t.equipment, id="incomer_1")
        assert equipment["out_of_service"]["reason"] == "half-year service"
        await gateway.tell(changed("in_service"))
        (equipment,) = await rows(d.database, t.equipment, id="incomer_1")
        assert equipment["out_of_service"] is None


async def test_a_hold_ends_when_life_safety_calls_again(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await d.sign_in()
        first = trapped(START)
        await gateway.tell(announcement(), first)
        await d.act("T-000001", "acknowledge")
        await d.act("T-000001", "hold", reason="waiting for the lift firm")
        d.clock.ms += MINUTE
        await gateway.tell(cleared(first, d.clock.ms), trapped(d.clock.ms))
        (ticket,) = await rows(d.database, t.ticket)
        assert (ticket["state"], ticket["hold_until"]) == ("new", None)
        kinds = [row["kind"] for row in await rows(d.database, t.timeline)]
        assert kinds == ["opened", "acknowledged", "held", "cleared", "resumed", "activated"]
