"""Equipment: the tree with its buildings, filters and search; mapping with raw words, plan, error counts."""

import re
from dataclasses import replace
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlalchemy import insert, update

from cloud.dashboard import equipment_list, mapping, words
from cloud.dashboard.equipment_list import Node, Wanted
from cloud.dashboard.present import Here
from cloud.dashboard.rows import AlarmRow, EquipmentRow, PointRow, RuleRow, SampleRow, SiteRow
from cloud.dashboard.tile import Seen
from cloud.storage import tables as t
from contract.conventions import format_instant
from contract.messages import DeviceHealth, DeviceRead, GatewayStatus
from device_profiles.schema import RegisterMapping
from tests.dashboard.conftest import client
from tests.dashboard.world import MINUTE, SATURDAY, World

EN = Here(words.load("en"), ZoneInfo("Asia/Shanghai"), SATURDAY)
SITE = SiteRow("s", "Riverside", "Asia/Shanghai")
POINT = PointRow("speed", {"en": "Speed", "zh": ""}, "gauge", device="meter_9")


def seen(id: str, *, system: str = "power", severity: str = "", quality: str = "good", **changes: Any) -> Seen:
    row = replace(
        EquipmentRow("s", id, "lv_switchgear", system, {"en": f"Panel {id}", "zh": f"{id} 号柜"}, gateway="gw"),
        **changes,
    )
    rule = RuleRow("r", {}, severity, "c")
    alarms = (
        [AlarmRow(1, "s", id, rule, row.name, severity, "active", SATURDAY, SATURDAY, SATURDAY)] if severity else []
    )
    sample = SampleRow(SATURDAY, 1.0, quality, "none" if quality == "good" else "no_response")
    return Seen(row, {"speed": POINT}, {"speed": sample}, alarms, ())


def found(everything: list[Seen], **given: str) -> list[str]:
    of = equipment_list.wanted(given)
    return [one.equipment.id for one in everything if equipment_list.fits(one, of, EN, {("s", "b")})]


PLANT = [
    seen("a", building="Tower A", place="B1"), seen("b", building="Tower B", severity="major"),
    seen("c", system="water", quality="bad", building="Tower A"), seen("d", gateway=None, out_of_service={"reason": "x"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "ids"),
    [
        ({}, ["a", "b", "c", "d"]), ({"system": "water"}, ["c"]), ({"building": "Tower A"}, ["a", "c"]), ({"building": "-"}, ["d"]),
        ({"state": "alarm"}, ["b"]), ({"state": "major"}, ["b"]), ({"state": "critical"}, []), ({"state": "doubt"}, ["c"]),
        ({"state": "out_of_service"}, ["d"]), ({"state": "no_telemetry"}, ["d"]), ({"state": "nonsense"}, ["a", "b", "c", "d"]),
        ({"clause": "h-1"}, ["b"]), ({"q": "PANEL Tower-A"}, []), ({"q": "b1"}, ["a"]), ({"q": "meter_9 tower"}, ["a", "b", "c"]),
        ({"q": "号柜", "site": "s"}, ["a", "b", "c", "d"]), ({"site": "elsewhere"}, []),
    ],
)  # fmt: skip
def test_equipment_is_narrowed_by_place_system_state_clause_and_words(given: dict[str, str], ids: list[str]) -> None:
    assert found(PLANT, **given) == ids


def test_normal_is_what_asks_for_nobody() -> None:
    assert found(PLANT, state="normal") == ["a"]


def names(nodes: tuple[Node, ...]) -> list[Any]:
    return [
        (node.name, node.note, node.severity, names(node.children)) if node.children else node.name for node in nodes
    ]


def test_the_tree_goes_by_site_building_system_and_piece_with_counts_and_the_worst_severity() -> None:
    (site,) = equipment_list.tree(PLANT, [SITE], Wanted(), EN)
    assert (site.note, site.severity) == ("4", "major")
    assert [(one.name, one.note, one.severity) for one in site.children] == [
        ("No building named", "1", ""),
        ("Tower A", "2", ""),
        ("Tower B", "1", "major"),
    ]
    assert names(site.children[1].children) == [("Power", "1", "", ["Panel a"]), ("Water", "1", "", ["Panel c"])]
    assert site.children[1].children[0].href == "/equipment?site=s&building=Tower+A&system=power"


def test_a_site_without_buildings_has_no_such_level_and_the_chosen_branch_is_marked() -> None:
    plain = [replace(one, equipment=replace(one.equipment, building="")) for one in PLANT]
    (site,) = equipment_list.tree(plain, [SITE], Wanted(site="s", system="water", q="pump"), EN)
    assert [one.name for one in site.children] == ["Power", "Water"]
    assert [one.is_here for one in site.children] == [False, True]
    assert equipment_list.choices(plain, [SITE], Wanted(), EN.words)["building"] == ()


def test_the_address_keeps_every_filter() -> None:
    of = equipment_list.wanted({"site": "s", "q": "a b", "state": "alarm", "other": "x"})
    assert of.query == "site=s&state=alarm&q=a+b"
    assert equipment_list.count_text(3, 16, EN.words) == "3 of 16 pieces"


# --- raw words --------------------------------------------------------------------------------------------------

READS = [
    {"where": "input 0x0034-0x0038", "raw": "492F 8980 0001 4366 6666"},
    {"where": "coil 0x0010-0x0018", "raw": "05 01"},
    {"where": "lifts/1", "raw": "{}"},
]


@pytest.mark.parametrize(
    ("wire", "raw"),
    [
        ("input 0x0034 float32", "492F 8980"), ("input 0x0036 int16", "0001"), ("input 0x0036 bit bit 3", "0001"), ("holding 0x0034 int16", ""),
        ("coil 0x0012", "1"), ("coil 0x0011", "0"), ("coil 0x0018 bit", "1"), ("topic lifts/1 path floor", ""), ("", ""), ("input 0x0039 int16", ""),
    ],
)  # fmt: skip
def test_a_point_shows_its_own_words_of_the_answer(wire: str, raw: str) -> None:
    assert mapping.raw_of(wire, READS) == raw


def test_scale_says_offset_ratio_and_where_its_power_of_ten_is() -> None:
    known = RegisterMapping(table="input", address=0, scale=0.001, offset=-40, ratio=["ct"])
    assert mapping.scale_text(known) == "0.001 − 40 × ct"
    assert mapping.scale_text(RegisterMapping(table="input", address=0, scale_from=7)) == "1 × 10^[0x0007]"


# --- the pages --------------------------------------------------------------------------------------------------


def plain(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", html))).replace("\u00a0", " ")


async def test_the_list_is_narrowed_counted_and_refreshed_with_the_same_filters(
    desk: World, reader: httpx.AsyncClient
) -> None:
    async with desk.database.write() as connection:
        await connection.execute(update(t.equipment).where(t.equipment.c.id == "lift_3").values(building="Tower <B>"))
    page = (await reader.get("/equipment?state=alarm&system=lifts")).text
    assert "1 of 15 pieces" in plain(page)
    assert 'data-live="/parts/equipment?system=lifts&amp;state=alarm"' in page
    assert "Tower &lt;B&gt;" in page
    assert "Lift 3" in plain((await reader.get("/parts/equipment?building=Tower+%3CB%3E")).text)
    assert "Lift 1" not in plain((await reader.get("/parts/equipment?building=Tower+%3CB%3E")).text)
    assert "No equipment fits" in plain((await reader.get("/equipment?q=submarine")).text)
    assert "LV incomer 1" in plain((await reader.get("/parts/equipment?clause=h-5.3.1-pf")).text)


async def test_the_next_test_stands_in_the_list(desk: World, reader: httpx.AsyncClient) -> None:
    async with desk.database.write() as connection:
        values = {
            "site_id": "riverside",
            "equipment_id": "lift_1",
            "test": "x",
            "due_on": "2026-11-20",
            "opens_at": 0,
            "missed_at": SATURDAY + MINUTE,
        }
        await connection.execute(insert(t.occurrence).values(**values, due_at=SATURDAY - 24 * 60 * MINUTE))
    page = (await reader.get("/equipment?q=lift_1")).text
    assert '#ck-late"/></svg> 20 Nov' in page


async def test_the_engineer_sees_raw_words_scale_plan_and_error_counts(desk: World) -> None:
    now = format_instant(SATURDAY)
    raw = "0000 " * 0x3E + "3F5E B852"
    health = DeviceHealth(
        device="meter_2",
        state="ok",
        answered_share=0.97,
        response_ms=9,
        errors=3,
        reads=[DeviceRead(at=now, where="input 0x0000-0x003F", raw=raw)],
    )
    await desk.tell(GatewayStatus(at=now, version="1", outbox_events=0, outbox_samples=0, devices=[health]))
    async with client(desk, "duty_engineer") as reader:
        text = plain((await reader.get("/equipment/riverside/incomer_2/mapping")).text)
        assert "power_factor input registers 0x003E float32 3F5E B852 1 0.867" in text
        assert "Answered 97 %" in text
        assert "Errors 3" in text
        assert "input registers 0x0000 – 0x0047 72 26" in text
        reader.cookies.set("plantroom_language", "zh")
        text = plain((await reader.get("/equipment/riverside/incomer_1/mapping")).text)
        assert "最近应答" in text
        assert "power_factor 输入寄存器 0x003E float32" in text


async def test_who_only_reads_is_not_shown_the_mapping(desk: World) -> None:
    await desk.add_user("guest", "viewer")
    address = "/equipment/riverside/incomer_2/mapping"
    for name, is_shown in (("guest", False), ("electrician_a", True)):
        async with client(desk, name) as someone:
            assert ((await someone.get(address)).status_code == 200) is is_shown
            assert (f'href="{address}"' in (await someone.get("/equipment/riverside/incomer_2")).text) is is_shown
            assert (f'href="{address}"' in (await someone.get("/gateways/gw_1")).text) is is_shown
    async with client(desk, "guest") as guest:
        refused = await guest.get(address)
        assert (refused.status_code, "3F5E" in refused.text) == (403, False)
