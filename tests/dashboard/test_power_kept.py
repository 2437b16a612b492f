"""Days that are over are read once in five minutes, and a month is the same whether they were kept or not."""

from zoneinfo import ZoneInfo

import httpx
import pytest

from cloud.dashboard import power
from cloud.dashboard.power_kept import KEPT_MS, Kept
from tests.dashboard.conftest import client
from tests.dashboard.world import MINUTE, SATURDAY, World
from tests.support import power_months as made
from tests.support.power_months import local

MARCH = int(1e12)
BERLIN = ZoneInfo("Europe/Berlin")


class Read:
    """Counts how often it is read, and fails when it should."""

    def __init__(self) -> None:
        self.times, self.is_broken = 0, False

    async def __call__(self) -> int:
        self.times += 1
        if self.is_broken:
            raise OSError("gone")
        return self.times


async def test_a_value_is_made_once_in_five_minutes_and_what_failed_is_tried_again() -> None:
    kept, read = Kept(2), Read()
    read.is_broken = True
    with pytest.raises(OSError, match="gone"):
        await kept.get("a", MARCH, read)
    read.is_broken = False
    assert [await kept.get("a", MARCH + ago, read) for ago in (0, KEPT_MS - 1, KEPT_MS)] == [2, 2, 3]


async def test_the_oldest_goes_where_there_are_too_many_and_a_clock_set_back_makes_all_anew() -> None:
    kept, read = Kept(2), Read()
    for key in "abc":
        await kept.get(key, MARCH, read)
    assert [await kept.get(key, MARCH, read) for key in "bca"] == [2, 3, 4]
    assert await kept.get("c", MARCH - 1, read) == 5


@pytest.mark.parametrize(
    "now", [local(2026, 3, 29, 4), local(2026, 3, 1), local(2026, 3, 30, 12), local(2026, 10, 25, 13), SATURDAY]
)
def test_a_month_cut_at_midnight_holds_every_quarter_hour_once(now: int) -> None:
    for zone in (BERLIN, made.ZONE, ZoneInfo("Australia/Lord_Howe")):
        month = power.wanted_month("", zone, now)
        past, today = power.split_today(month, zone)
        whole = [slot.at for slot in power.slots_of({}, month, 0)]
        assert [slot.at for part in (past, today) for slot in power.slots_of({}, part, 0)] == whole
        assert power.days_of(power.slots_of({}, today, 0), zone, power.Bounds())[1:] == ()


async def test_the_page_is_the_same_from_what_was_kept_and_reads_only_today(desk: World) -> None:
    asked: list[int] = []
    ask = desk.store.range

    async def counted(*of: int) -> list[object]:
        asked.append(of[3])
        return list(await ask(*of))  # type: ignore[arg-type]

    desk.store.range = counted  # type: ignore[method-assign,assignment]
    fails, silent = local(2026, 11, 18), (local(2026, 11, 19, 2), local(2026, 11, 19, 4))
    now = SATURDAY // made.QUARTER * made.QUARTER
    await desk.store.write([*made.quarter_hours("incomer_2", local(2026, 11, 17), now, fails=fails, silent=silent)])
    async with client(desk, "duty_engineer") as reader:
        first = await _table(reader)
        cold, asked[:] = len(asked), []
        assert await _table(reader) == first
        assert len(asked) < cold
        assert min(asked) >= local(2026, 11, 21)
        await desk.store.write([made.sample("incomer_2", "active_power", local(2026, 11, 16, 9), 100.0)])
        assert await _table(reader) == first
        desk.clock.ms += 5 * MINUTE
        assert await _table(reader) != first


async def _table(reader: httpx.AsyncClient) -> str:
    return (await reader.get("/power.csv?at=riverside/incomer_2")).text
