"""The afternoon that the design's pictures show: a plant with five faults, people at work, one clock long past due."""

from __future__ import annotations

import math

from cloud.tickets.ticket import Action
from contract.messages import Term
from tests.dashboard.world import HOUR, MINUTE, World

PF = (Term(name="power_factor", value=0.87), Term(name="pf_min", value=0.9))


async def afternoon(world: World) -> dict[str, int]:
    """Tell the whole story; ticket numbers by equipment."""
    now = world.clock.now_ms()
    await world.add_user("duty_engineer", "engineer", "Duty engineer")
    await world.add_user("electrician_a", "technician", "Electrician A")
    numbers = {"incomer_2": await world.raise_alarm("incomer_2", "low_power_factor", 7 * HOUR + 7 * MINUTE + 32_000,
                                                    delay_ms=15 * MINUTE, late_ms=322_000, because=PF)}  # fmt: skip
    numbers["lift_2"] = await world.raise_alarm("lift_2", "levelling_off", 5 * HOUR, delay_ms=3000)
    numbers["lift_3"] = await world.raise_alarm("lift_3", "door_fault", 31 * MINUTE, delay_ms=20_000)
    numbers["booster_4"] = await world.raise_alarm("booster_4", "starts_many", 12 * MINUTE)
    await world.raise_alarm("tx_2", "load_high", 18 * MINUTE, delay_ms=15 * MINUTE)
    numbers["fire_pump_2"] = await world.raise_alarm("fire_pump_2", "not_in_auto", 6 * MINUTE)
    numbers["fire_pump_1"] = await world.miss_test("fire_pump_1", "weekly_automatic_start", now - 162 * MINUTE)
    await work(world, numbers, now)
    await world.sweep()
    await world.clear_alarm("lift_2", "levelling_off")
    await world.out_of_service("lift_4", "Half-year service, lift firm", now + 115 * MINUTE)
    await world.status()
    await values(world, now)
    return numbers


async def work(world: World, numbers: dict[str, int], now: int) -> None:
    """What people did about it."""
    incomer = numbers["incomer_2"]
    await world.act(incomer, Action.ACKNOWLEDGE, now - 394 * MINUTE)
    await world.act(incomer, Action.ARRIVE, now - 360 * MINUTE)
    await world.act(incomer, Action.NOTE, now - 324 * MINUTE, note="Contactor K5: coil open circuit, above 20 MΩ")
    await world.act(
        incomer, Action.HOLD, now - 317 * MINUTE, reason="waiting for part: contactor K5", until=now + 44 * HOUR
    )
    await world.act(incomer, Action.RESUME, now - 105 * MINUTE, note="part delivered")
    await world.act(numbers["lift_3"], Action.ACKNOWLEDGE, now - 24 * MINUTE, who="duty_engineer")
    await world.act(numbers["booster_4"], Action.ACKNOWLEDGE, now - 9 * MINUTE, who="duty_engineer")


async def values(world: World, now: int) -> None:
    """A day of the power factor, and the newest value of every point."""
    fell = now - 7 * HOUR - 8 * MINUTE
    silent = range(now - 14 * HOUR, now - 14 * HOUR + 15 * MINUTE)
    day = {}
    for at in range(now - 24 * HOUR, now, 2 * MINUTE):
        wave = 0.012 * math.sin(at / (2.1 * HOUR)) + 0.008 * math.sin(at / (0.37 * HOUR))
        day[at] = None if at in silent else round((0.945 if at < fell else 0.868) + wave, 3)
    await world.past("incomer_2", "power_factor", day)
    await world.live(
        {
            ("incomer_2", "power_factor"): 0.867, ("fire_pump_2", "in_auto"): False, ("lift_3", "door_state"): "fault",
            ("tx_2", "apparent_power"): 832.0,
        },
        bad={"booster_3": "no_response"},
    )  # fmt: skip
