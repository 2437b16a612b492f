"""Gateways: state, backlog by lane, delay, clock, buses, request plan, last troubles with what to do, wishes and answers."""

import re
from dataclasses import replace
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlalchemy import insert

from cloud.dashboard import gateway_page, words
from cloud.dashboard.gateway_page import DirectiveRow
from cloud.dashboard.present import Here
from cloud.dashboard.rows import DeviceRow, GatewayRow
from cloud.storage import tables as t
from contract.conventions import format_instant
from contract.messages import Cause, DeviceHealth, DeviceRead, DeviceTrouble, GatewayStatus
from tests.dashboard.conftest import client
from tests.dashboard.world import MINUTE, SATURDAY, World

EN = Here(words.load("en"), ZoneInfo("Asia/Shanghai"), SATURDAY)
ZH = Here(words.load("zh"), ZoneInfo("Asia/Shanghai"), SATURDAY)
DEVICE = DeviceRow(
    "s", "meter_1", "gw", "m", "Meter", "verified", "line", "modbus", "3", 1000, (), "ok", 1.0, None, 12.0, 0, ""
)


def gateway(**changes: Any) -> GatewayRow:
    return replace(GatewayRow("gw", "s", SATURDAY - 1000, 10_000, "1.0", 12, None, None, {}), **changes)


def at(minutes: float) -> str:
    return format_instant(SATURDAY - round(minutes * MINUTE))


def test_what_waits_is_told_by_lane_with_its_age() -> None:
    status = {
        "at": at(0),
        "outbox_events": 2,
        "outbox_samples": 12_345,
        "oldest_event_at": at(2),
        "oldest_sample_at": at(90),
    }
    lanes = gateway_page.lanes_of(gateway(status=status), EN)
    assert [(lane.name, lane.records, lane.age) for lane in lanes] == [
        ("events", "2", "2 min"),
        ("samples", "12\u2009345", "1 h 30 min"),
    ]


def test_a_gateway_of_an_earlier_release_tells_one_age_for_both_and_none_where_nothing_waits() -> None:
    status = {"outbox_events": 0, "outbox_samples": 5, "oldest_unsent_at": at(3)}
    assert [lane.age for lane in gateway_page.lanes_of(gateway(status=status), EN)] == ["", "3 min"]
    assert gateway_page.lanes_of(gateway(), EN) == ()


@pytest.mark.parametrize(
    ("offset", "text", "is_wrong"),
    [(12, "+12\u00a0ms", False), (-5001, "\u22125001\u00a0ms", True), (None, "—", False)],
)
def test_a_clock_that_is_far_off_is_marked(offset: int | None, text: str, is_wrong: bool) -> None:
    line = gateway_page.gateway_line(gateway(clock_offset_ms=offset), (), SATURDAY - 1200, EN)
    assert (line.offset, line.is_offset_wrong, line.delay) == (text, is_wrong, "1.2 s")


def test_what_an_old_status_told_says_when_it_was() -> None:
    status = {"at": at(30), "link_trouble": "unreachable: refused", "link_trouble_at": at(31)}
    line = gateway_page.gateway_line(
        gateway(status=status, last_seen_at=SATURDAY - 30 * MINUTE), [replace(DEVICE, state="silent")], None, EN
    )
    assert (line.is_silent, line.told, line.answering, line.are_devices_well) == (
        True,
        "as told at 15:35:12",
        "0 of 1 answer",
        False,
    )
    assert line.trouble == "15:34:12 unreachable: refused"


def test_a_plan_line_is_told_in_the_readers_language() -> None:
    plan = ("input 0x0000-0x0047: 72 registers, 26 points, 7 ms every 0.5 s", "coil 0x0010-0x0010: 1 bit, 1 point, 7 ms every 60 s",
            "topic lifts/1/state: 25 points, expected every 1 s", "refused by the device: p3")  # fmt: skip
    first, bit, topic, other = gateway_page.plan_lines(plan, ZH)
    assert (first.table, first.where, first.count, first.points, first.every) == (
        "输入寄存器",
        "0x0000\u2009–\u20090x0047",
        "72",
        "26",
        "0.5 秒",
    )
    assert (bit.where, bit.every) == ("0x0010", "1 分钟")
    assert (topic.where, topic.points, topic.table) == ("lifts/1/state", "25", "")
    assert other.text == "refused by the device: p3"


def test_every_line_that_a_gateway_plans_is_understood() -> None:
    from edge.acquire.read_plan import Request

    for table in ("input", "holding", "coil", "discrete"):
        (line,) = gateway_page.plan_lines([Request(table, 0, 1, 1_000_000_000, (), 6.6).line()], EN)
        assert line.text == ""
        assert EN.words.has(f"gateway.table.{table}")


def test_a_bus_sums_up_its_devices() -> None:
    plan = ("input 0x0000-0x0047: 72 registers, 26 points, 70 ms every 1 s",)
    devices = [replace(DEVICE, plan=plan), replace(DEVICE, id="meter_2", plan=plan, state="silent", answered_share=0.0, response_ms=None),
               replace(DEVICE, id="lift", bus="sensors", protocol="mqtt", answered_share=None, response_ms=None)]  # fmt: skip
    first, second = gateway_page.bus_lines(devices, EN)
    assert (first.name, first.devices, first.answered, first.response, first.requests, first.busy) == (
        "line",
        "1 of 2 answer",
        "50\u00a0%",
        "12\u00a0ms",
        "2",
        "14\u00a0%",
    )
    assert (second.answered, second.requests) == ("—", "—")


def test_troubles_stand_newest_first_each_with_what_to_do() -> None:
    old = {"at": at(9), "cause": "no_response", "text": "no answer", "times": 4}
    new = {"at": at(1), "cause": "exception", "text": "exception 2", "times": 1}
    devices = [
        replace(DEVICE, recent=(old,)),
        replace(DEVICE, id="meter_2", recent=(new,)),
        replace(DEVICE, id="meter_3", last_error="timeout"),
    ]
    found = gateway_page.troubles(devices, EN)
    assert [(one.device, one.times) for one in found] == [
        ("meter_2", ""),
        ("meter_1", "4 times in a row"),
        ("meter_3", ""),
    ]
    assert "register map" in found[0].remedy
    assert found[2].remedy == EN.words("gateway.do.other")


def test_there_is_something_to_do_for_every_cause() -> None:
    missing = [cause for cause in Cause if cause is not Cause.NONE and not EN.words.has(f"gateway.do.{cause}")]
    assert missing == []


def test_a_wish_says_whether_it_was_done_refused_or_still_waits() -> None:
    row = DirectiveRow(
        "set_limit", {"equipment": "incomer_1", "limit": "pf_min"}, "chief", SATURDAY - MINUTE, None, None, None, ""
    )
    done = replace(row, applied_at=SATURDAY, applied=True)
    refused = replace(row, applied_at=SATURDAY, applied=False, reason="no such limit")
    texts = [gateway_page.directive_line(one, EN) for one in (row, replace(row, sent_at=SATURDAY), done, refused)]
    assert [one.answer for one in texts] == [
        "waits for the gateway",
        "sent, not answered yet",
        "done 16:05:12",
        "refused 16:05:12: no such limit",
    ]
    assert texts[0].about == "incomer_1/pf_min"


# --- the pages --------------------------------------------------------------------------------------------------


def plain(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", html))).replace("\u00a0", " ")


async def tell(desk: World) -> None:
    trouble = DeviceTrouble(at=at(3), cause=Cause.NO_RESPONSE, text="no answer in 500 ms", times=7)
    read = DeviceRead(at=at(0), where="input 0x0000-0x0001", raw="4366 6666")
    health = DeviceHealth(
        device="meter_1",
        state="silent",
        answered_share=0.4,
        errors=9,
        last_error="no answer",
        recent=[trouble],
        reads=[read],
    )
    await desk.tell(GatewayStatus(
        at=at(0), version="0.1.0", outbox_events=0, outbox_samples=7, oldest_sample_at=at(1), clock_offset_ms=12, devices=[health],
        link_trouble="unreachable: refused", link_trouble_at=at(5),
    ))  # fmt: skip
    async with desk.database.write() as connection:
        await connection.execute(insert(t.directive).values(
            id="d1", gateway_id="gw_1", kind="shelve", body={"equipment": "lift_1", "rule": "door_fault"}, created_by="chief", created_at=SATURDAY,
        ))  # fmt: skip


async def test_a_gateways_page_says_how_it_is_what_it_asks_and_what_went_wrong(
    desk: World, reader: httpx.AsyncClient
) -> None:
    await tell(desk)
    text = plain((await reader.get("/gateways/gw_1")).text)
    for said in ("samples 7 16:04:12 1 min", "Cloud last not reached: 16:00:12 unreachable: refused", "no answer in 500 ms", "7 times in a row",
                 "Look at the device's supply", "input registers 0x0000 – 0x0047 72 26 7 ms 1 s", "shelve lift_1/door_fault chief waits for the gateway"):  # fmt: skip
        assert said in text.replace("\u2009", " "), said
    assert "16 of 17" not in plain((await reader.get("/gateways")).text)
    assert "0 of 17 answer" in text


async def test_the_same_in_chinese_without_an_english_plan(desk: World) -> None:
    await tell(desk)
    async with client(desk, "duty_engineer") as reader:
        reader.cookies.set("plantroom_language", "zh")
        text = plain((await reader.get("/gateways/gw_1")).text)
    assert "输入寄存器" in text
    assert "连续 7 次" in text
    assert "registers" not in text


async def test_last_answers_stay_when_the_next_status_tells_of_other_devices(desk: World) -> None:
    await tell(desk)
    health = DeviceHealth(device="meter_1", state="ok", answered_share=1.0)
    await desk.tell(GatewayStatus(at=at(0), version="0.1.0", outbox_events=0, outbox_samples=0, devices=[health]))
    async with desk.database.read() as connection:
        row = (await connection.execute(t.device.select().where(t.device.c.id == "meter_1"))).one()
    assert row.reads[0]["raw"] == "4366 6666"
    assert row.recent == []
