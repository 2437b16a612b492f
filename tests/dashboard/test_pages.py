"""Every page renders in both languages over a desk with a story in it, and says what it must."""

import re

import httpx
import pytest

from cloud.storage import tables as t
from contract.conventions import format_instant
from contract.messages import AlarmChanged
from tests.dashboard.conftest import client
from tests.dashboard.world import HOUR, MINUTE, World

PATHS = [
    "/wall", "/wall?sound=critical", "/equipment", "/equipment?system=power", "/equipment/new", "/equipment/riverside/incomer_2",
    "/equipment/riverside/incomer_2?span=7d", "/equipment/riverside/incomer_2/trends", "/equipment/riverside/incomer_2/trends?p=voltage_l1&span=1h",
    "/equipment/riverside/incomer_2/alarms", "/equipment/riverside/incomer_2/tests", "/equipment/riverside/incomer_2/tickets",
    "/equipment/riverside/incomer_2/mapping", "/equipment/riverside/lift_4", "/equipment/riverside/booster_3", "/alarms",
    "/alarms?show=silenced", "/alarms?show=returned", "/alarms?show=history", "/tickets", "/tickets?show=late", "/tickets?show=closed", "/tickets?show=all&page=9",
    "/tickets?show=nonsense", "/tickets/T-000001", "/my", "/tests", "/gateways", "/gateways/gw_1", "/search?q=lift", "/search",
]  # fmt: skip
PARTS = [
    "/parts/wall", "/parts/bands", "/parts/equipment?system=fire", "/equipment/riverside/incomer_2/part/head",
    "/equipment/riverside/incomer_2/part/live", "/equipment/riverside/incomer_2/part/alarms", "/equipment/riverside/incomer_2/part/tickets",
    "/parts/alarms", "/parts/tickets", "/tickets/T-000001/part/top", "/tickets/T-000001/part/body", "/tickets/T-000001/part/side",
    "/tickets/T-000001/part/dock", "/parts/my", "/parts/tests", "/parts/gateways", "/parts/gateways/gw_1",
]  # fmt: skip


def words_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


async def test_every_page_renders_in_both_languages(desk: World) -> None:
    for language, tag in (("en", "en"), ("zh", "zh-CN")):
        async with client(desk, "duty_engineer", language) as reader:
            reader.cookies.set("plantroom_language", language)
            for path in PATHS:
                answer = await reader.get(path)
                assert answer.status_code == 200, (path, answer.text[:300])
                assert f'<html lang="{tag}"' in answer.text, path


async def test_every_part_renders_without_a_shell(reader: httpx.AsyncClient) -> None:
    for path in PARTS:
        answer = await reader.get(path, headers={"HX-Request": "true"})
        assert answer.status_code == 200, (path, answer.text[:300])
        assert "<html" not in answer.text, path


async def test_no_page_of_an_empty_desk_fails(empty: World) -> None:
    await empty.add_user("anna", "admin")
    async with client(empty, "anna") as reader:
        for path in PATHS:
            if "T-000001" not in path:
                assert (await reader.get(path)).status_code == 200, path
        assert "Tickets appear here when a fault is raised." in (await reader.get("/wall")).text
        assert "None was ever raised." in (await reader.get("/alarms")).text


async def test_the_wall_counts_by_severity_and_lists_the_worst_first(reader: httpx.AsyncClient) -> None:
    text = words_of((await reader.get("/wall")).text)
    assert "0 life safety" in text
    assert "1 critical" in text
    assert "2 major" in text
    assert "6 open tickets" in text
    assert text.index("Fire pump 2: Fire pump not in automatic") < text.index("LV incomer 2: Power factor low")
    assert "1 of 1 gateways" in text


async def test_the_wall_has_no_control_that_acts(reader: httpx.AsyncClient) -> None:
    assert "<form" not in (await reader.get("/wall")).text


async def test_the_ticket_page_shows_clocks_sum_timeline_and_clause(reader: httpx.AsyncClient) -> None:
    text = words_of((await reader.get("/tickets/T-000001")).text)
    for piece in ("How the resolution time adds up", "waiting for part: contactor K5", "Electrician A: acknowledged", "h-5.3.1-pf", "Resolve with evidence…",
                  "news came 5 min 22 s after", "Alarm still active"):  # fmt: skip
        assert piece in text, piece


async def test_an_equipment_page_shows_quality_and_its_cause(reader: httpx.AsyncClient) -> None:
    text = words_of((await reader.get("/equipment/riverside/booster_3")).text)
    assert "bad, no response" in text
    assert "No active alarms" in text


async def test_a_ticket_and_equipment_that_do_not_exist_say_so(reader: httpx.AsyncClient) -> None:
    for path in ("/tickets/T-999999", "/tickets/nonsense", "/equipment/riverside/none", "/equipment/riverside/lift_1/none", "/gateways/none",
                 "/equipment/riverside/lift_1/part/none", "/tickets/T-000001/part/none"):  # fmt: skip
        answer = await reader.get(path)
        assert answer.status_code == 404, path
        assert "Nothing is at this address" in answer.text, path


async def test_a_page_may_be_asked_for_its_head_alone(reader: httpx.AsyncClient) -> None:
    assert (await reader.head("/wall")).status_code == 200
    assert (await reader.head("/tickets")).status_code == 200


async def test_search_finds_equipment_by_name_in_both_languages_and_a_ticket_by_number(
    reader: httpx.AsyncClient,
) -> None:
    assert "/equipment/riverside/lift_3" in (await reader.get("/search?q=3 号电梯")).text
    assert "/equipment/riverside/incomer_2" in (await reader.get("/search?q=INCOMER")).text
    answer = await reader.get("/search?q=T-000003")
    assert (answer.status_code, answer.headers["location"]) == (303, "/tickets/T-000003")
    assert "Nothing found for zebra%_" in (await reader.get("/search?q=zebra%25_")).text


@pytest.mark.parametrize("page", ["-5", "0", "99999999999999999999"])
async def test_a_page_of_alarms_that_is_not_there_is_the_nearest_one(reader: httpx.AsyncClient, page: str) -> None:
    assert (await reader.get(f"/alarms?show=history&page={page}")).status_code == 200


async def test_what_is_silenced_is_counted_in_one_place(desk: World, reader: httpx.AsyncClient) -> None:
    until = format_instant(desk.clock.now_ms() + HOUR)
    await desk.tell(
        AlarmChanged(
            equipment="lift_3", rule="door_fault", at=format_instant(desk.clock.now_ms()), what="shelved", until=until
        )
    )
    assert "1 major" in words_of((await reader.get("/wall")).text)
    assert "1 shelved or suppressed" in words_of((await reader.get("/wall")).text)
    assert "shelved until 17:05" in (await reader.get("/alarms?show=silenced")).text


async def test_a_flood_groups_by_equipment_but_never_life_safety(desk: World, reader: httpx.AsyncClient) -> None:
    for number in range(1, 5):
        for rule in ("door_slow", "overload_lasting", "levelling_off"):
            await desk.raise_alarm(f"lift_{number}", rule, MINUTE)
    await desk.raise_alarm("lift_1", "entrapment_button", MINUTE)
    text = (await reader.get("/alarms")).text
    assert "More than 10 alarms in 10 minutes" in text
    assert text.index("Alarm button in the car") < text.index("<h2>")


async def test_the_life_safety_band_stays_until_a_person_acknowledges(desk: World, reader: httpx.AsyncClient) -> None:
    assert "lifeband" not in (await reader.get("/tickets")).text
    number = await desk.raise_alarm("lift_1", "entrapment_button", 150_000)
    for path in ("/wall", "/tickets", "/my"):
        page = await reader.get(path)
        assert 'class="lifeband" role="alert"' in page.text, path
        assert f"T-{number:06d}" in page.text, path
    alarm = re.search(r'action="(/alarms/\d+/acknowledge)"', (await reader.get("/tickets")).text)
    assert alarm
    assert (await reader.post(alarm[1])).status_code == 303
    assert "lifeband" not in (await reader.get("/tickets")).text


async def test_a_broken_history_costs_the_chart_and_not_the_page(desk: World, reader: httpx.AsyncClient) -> None:
    async def fail(*_: object) -> None:
        raise OSError("disk gone")

    desk.store.range = fail  # type: ignore[method-assign,assignment]
    answer = await reader.get("/equipment/riverside/incomer_2")
    assert answer.status_code == 200
    assert "History cannot be read" in answer.text
    assert "history_unavailable" in answer.text
    assert (await reader.get("/tickets/T-000001")).status_code == 200


async def test_a_broken_store_leaves_the_wall_and_its_tickets(desk: World, reader: httpx.AsyncClient) -> None:
    async def fail(*_: object) -> None:
        raise OSError("disk gone")

    desk.store.latest = fail  # type: ignore[method-assign,assignment]
    text = (await reader.get("/wall")).text
    assert "T-000005" in text
    assert "No data" in text


async def test_history_comes_as_columns_with_gaps_and_as_csv(reader: httpx.AsyncClient) -> None:
    answer = (await reader.get("/equipment/riverside/incomer_2/history.json?p=power_factor&span=24h")).json()
    assert len(answer["at"]) == len(answer["mean"]) > 100
    assert None in answer["mean"]
    assert answer["gaps"]
    rows = (await reader.get("/equipment/riverside/incomer_2/history.csv?p=power_factor&span=24h")).text.splitlines()
    assert rows[0] == "point,at,mean,minimum,maximum,quality,cause,samples,unit"
    assert rows[1].startswith("power_factor,2026-11-2")
    assert "+08:00" in rows[1]
    assert any(row.split(",")[5] == "bad" and row.split(",")[2] == "" for row in rows)
    assert (await reader.get("/equipment/riverside/incomer_2/history.json?p=none")).status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        "from=x&to=y", "from=9&to=1", "span=99y", "from=0&to=99999999999999999999", "page=0&from=-1&to=5", "from=²&to=³",
        "from=999999999990000&to=999999999999999", "from=0001-01-01T00:00&to=0001-02-01T00:00",
        "from=9999-12-31T23:59:59-12:00&to=9999-12-31T23:59:59-14:00",
    ],
)  # fmt: skip
async def test_a_nonsense_range_is_answered_with_the_last_day(reader: httpx.AsyncClient, query: str) -> None:
    answer = await reader.get(f"/equipment/riverside/incomer_2/trends?{query}")
    assert answer.status_code == 200
    assert "<b>24 h</b>" in answer.text
    assert "the address names no range that can be drawn" in answer.text


async def test_a_range_of_local_times_is_the_sites(reader: httpx.AsyncClient) -> None:
    answer = await reader.get(
        "/equipment/riverside/incomer_2/trends?p=power_factor&from=2026-11-21T08:00&to=2026-11-21T10:00"
    )
    assert 'value="2026-11-21T08:00"' in answer.text
    assert "<b>24 h</b>" not in answer.text


async def test_a_closed_late_ticket_is_still_in_the_list_of_late_ones(desk: World, reader: httpx.AsyncClient) -> None:
    from cloud.tickets.ticket import Action

    now = desk.clock.now_ms()
    await desk.act(2, Action.ACKNOWLEDGE, now)
    await desk.act(2, Action.RESOLVE, now, cause="levelling", action="adjusted")
    await desk.act(2, Action.CLOSE, now)
    assert "T-000002" not in (await reader.get("/tickets")).text
    assert "T-000002" in (await reader.get("/tickets?late=1&open=any")).text
    assert "T-000002" in (await reader.get("/tickets?open=0")).text


async def test_a_page_about_one_site_shows_that_sites_time_and_names_its_zone(
    desk: World, reader: httpx.AsyncClient
) -> None:
    async with desk.database.write() as connection:
        await connection.execute(t.site.insert().values(id="annex", name="Annex", zone="Europe/Berlin"))
    for path in (
        "/equipment/riverside/incomer_2", "/equipment/riverside/incomer_2/tests", "/gateways/gw_1", "/power?at=riverside/incomer_2",
        "/trends?p=riverside/incomer_2/power_factor&span=1h",
    ):  # fmt: skip
        text = (await reader.get(path)).text
        assert 'data-zone="Asia/Shanghai"' in text
        assert "Times are those of Asia/Shanghai</p>" in text
    text = (await reader.get("/trends?p=riverside/incomer_2/power_factor&span=1h")).text
    assert 'name="to" value="2026-11-21T16:05"' in text
    assert 'data-zone="Europe/Berlin"' in (await reader.get("/equipment")).text
    assert 'value="2026-11-21T09:05"' in (await reader.get("/trends?span=1h&p=annex/x/y")).text
