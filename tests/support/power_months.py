"""Months of an incomer's history: load by the hour of the day, a compensation that fails one day, counters that begin again."""

import math
from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import insert

from cloud.storage import tables as t
from cloud.storage.session import Database
from cloud.telemetry.embedded import EmbeddedStore
from cloud.telemetry.store import Row, Sample

ZONE = ZoneInfo("Asia/Shanghai")
QUARTER, HOUR = 900_000, 3_600_000


def local(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    return int(datetime(year, month, day, hour, minute, tzinfo=ZONE).timestamp() * 1000)


def sample(equipment: str, point: str, at: int, value: float | None) -> Row:
    good = value is not None
    return Row(
        "riverside", equipment, point, Sample(at, value, "good" if good else "bad", "none" if good else "no_response")
    )


def quarter_hours(equipment: str, start: int, end: int, *, fails: int, silent: tuple[int, int]) -> Iterable[Row]:
    """Three samples a quarter hour. The bank is out on the day that begins at ``fails``; nothing answers in ``silent``."""
    for at in range(start, end, QUARTER // 3):
        if silent[0] <= at < silent[1]:
            yield sample(equipment, "active_power", at, None)
            continue
        hour = (at - start) / HOUR % 24
        share = 0.12 + 0.5 * math.exp(-(((hour - 14) / 4) ** 2)) + 0.02 * math.sin(at / 3.1e6)
        is_out = fails <= at < fails + 24 * HOUR
        angle = math.acos(0.86 if is_out else 0.955 + 0.01 * math.sin(at / 2e7))
        kva = 1056 * share
        values = {
            "active_power": kva * math.cos(angle), "reactive_power": kva * math.sin(angle), "power_factor": math.cos(angle),
            "current_l1": 1600 * share, "current_l2": 1600 * share * 1.02, "current_l3": 1600 * share * 0.98,
            "capacitor_stages_on": 0.0 if is_out else float(min(8, round(2 + share * 9 + at // (QUARTER // 3) % 2 * 0.4))),
        }  # fmt: skip
        for point, value in values.items():
            yield sample(equipment, point, at, round(value, 3))


def counters(equipment: str, start: int, end: int, *, resets: int = 0, ratio: float = 0.3) -> Iterable[Row]:
    """A reading each quarter hour: 200 kW, and ``ratio`` of it in kvar; both begin again at ``resets``."""
    for at in range(start, end, QUARTER):
        since = resets if resets and at >= resets else start - 1000 * HOUR
        kwh = (at - since) / HOUR * 200
        yield sample(equipment, "energy_import", at, kwh)
        yield sample(equipment, "reactive_energy_import", at, kwh * ratio)


async def mend_counters(store: EmbeddedStore, equipment: str) -> None:
    """The scene's newest reading of each counter comes from another physics: take it back."""
    newest = await store.latest("riverside", equipment)
    for point in ("energy_import", "reactive_energy_import"):
        if point in newest:
            await store.write(
                [Row("riverside", equipment, point, Sample(newest[point].at_ms, None, "bad", "undecodable"))]
            )


async def tell_stages(database: Database, equipment: str) -> None:
    """Some device of its own maps the stages in use."""
    async with database.write() as connection:
        await connection.execute(insert(t.point).values(
            site_id="riverside", equipment_id=equipment, id="capacitor_stages_on", position=99, kind="gauge", digits=0, states={},
            limits=[], name={"en": "Capacitor stages in use", "zh": "投入电容器组数"}, device_id="meter_2", device_point="stages",
        ))  # fmt: skip
