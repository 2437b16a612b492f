"""A day of a small site on virtual time, as a program: ``python -m tests.support.day FOLDER`` leaves ``day.dump`` there.

Local midnight to midnight: faults, an outage of the line, a restart of the gateway, a silent meter, people who act and
people who sleep. Run twice, in different processes, it must leave the same bytes.
"""

import asyncio
import logging
import shutil
import sys
from pathlib import Path

import structlog

from simulators.clock import VirtualClock, run_virtual
from simulators.modbus_device import Misbehaviour
from simulators.virtual import VirtualSite, running

MIDNIGHT_MS = 1_795_190_400_000
"""2026-11-20T16:00:00Z, midnight in Shanghai."""
SITE = Path(__file__).parents[1] / "flow" / "small_site.yaml"


def hours(clock: str) -> float:
    """``03:10`` or ``03:10:30`` as seconds since midnight."""
    parts = [int(part) for part in clock.split(":")]
    return sum(part * unit for part, unit in zip(parts, (3600, 60, 1), strict=False))


async def number_of(site: VirtualSite, equipment: str, rule: str) -> str:
    found = [one["id"] for one in await site.tickets() if (one["equipment"], one["rule"]) == (equipment, rule)]
    assert len(found) == 1, f"{equipment}/{rule}: {found}"
    ticket: str = found[0]
    return ticket


async def night(site: VirtualSite) -> None:
    """Capacitors fail at one, a lift traps somebody at ten past three; the engineer comes for the first only."""
    await site.at(hours("01:00"))
    site.plant.inject("incomer_1", "low_power_factor")
    await site.at(hours("02:00"))
    power_factor = await number_of(site, "incomer_1", "low_power_factor")
    await site.act(power_factor, "acknowledge")
    await site.act(power_factor, "start")
    await site.at(hours("02:30"))
    site.plant.clear("incomer_1", "low_power_factor")
    await site.at(hours("03:00"))  # its ticket needs a quarter of an hour within the limit
    await site.act(power_factor, "resolve", cause="fuse of stage 3", action="replaced")
    await site.at(hours("03:10"))
    site.plant.inject("lift_1", "entrapment")
    await site.at(hours("03:40"))
    site.plant.clear("lift_1", "entrapment")


async def morning(site: VirtualSite) -> None:
    """The line is cut for three hours, and a pump runs dry meanwhile; the gateway restarts in the middle of a fault."""
    await site.at(hours("06:00"))
    site.line.is_cut = True
    await site.at(hours("06:30"))
    site.plant.inject("pump_1", "dry_run")
    await site.at(hours("07:30"))
    site.plant.clear("pump_1", "dry_run")
    await site.at(hours("09:00"))
    site.line.is_cut = False
    await site.at(hours("09:50"))
    site.plant.inject("panel_1", "panel_fault")
    await site.at(hours("10:00"))
    await site.stop_gateway()
    await site.at(hours("10:04:30"))
    site.start_gateway()
    await site.at(hours("11:00"))
    site.plant.clear("panel_1", "panel_fault")


async def afternoon(site: VirtualSite) -> None:
    """A drive trips and waits for a part; the meter says nothing for an hour."""
    await site.at(hours("12:00"))
    site.plant.inject("pump_1", "drive_fault")
    await site.at(hours("12:30"))
    drive = await number_of(site, "pump_1", "pump_fault")
    await site.act(drive, "acknowledge")
    await site.act(drive, "start")
    await site.act(drive, "hold", reason="waiting for part: fan")
    await site.at(hours("14:00"))
    await site.act(drive, "resume")
    site.plant.clear("pump_1", "drive_fault")
    await site.at(hours("14:20"))
    await site.act(drive, "resolve", cause="fan blocked", action="cleaned")
    await site.at(hours("15:00"))
    site.servers.misbehave("meter_1", Misbehaviour("silent"))
    await site.at(hours("16:00"))
    site.servers.misbehave("meter_1", Misbehaviour())


async def evening(site: VirtualSite) -> None:
    """A door jams three times within half an hour; a detector signals fire and somebody is there in two minutes."""
    for at in ("18:00", "18:10", "18:20"):
        await site.at(hours(at))
        site.plant.inject("lift_1", "door_fault")
        await site.at(hours(at) + 120)
        site.plant.clear("lift_1", "door_fault")
    await site.at(hours("20:00"))
    site.plant.inject("panel_1", "detector_fire")
    await site.at(hours("20:02"))
    fire = await number_of(site, "panel_1", "fire")
    await site.act(fire, "acknowledge")
    await site.act(fire, "arrive")
    await site.at(hours("20:20"))
    site.plant.clear("panel_1", "detector_fire")
    await site.at(hours("24:00"))


async def a_day(folder: Path) -> bytes:
    """Live through it; what it left in the cloud's tables."""
    shutil.copy(SITE, folder / "site.yaml")
    async with running(folder / "site.yaml", folder, VirtualClock(MIDNIGHT_MS)) as site:
        for part in (night, morning, afternoon, evening):
            await part(site)
        return await site.dump()


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    folder = Path(sys.argv[1])
    (folder / "day.dump").write_bytes(run_virtual(a_day(folder)))


if __name__ == "__main__":
    asyncio.set_event_loop(None)
    main()
