"""scenario → plant: faults and repairs at their times, once as written and then at random for as long as it runs."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from simulators.clock import Clock
from simulators.plant import SimulatedPlant
from simulators.scenario import PlannedFault, Step, schedule

PAUSE_S = (8.0, 16.0)
"""Between two faults once the scenario is through."""


def endless(faults: Sequence[PlannedFault], seed: int) -> Iterator[Step]:
    """The scenario, then one of its faults after the other with a pause between; the same seed gives the same order."""
    yield from schedule(faults)
    chance, at_ms = random.Random(seed), max((one.at + one.lasts for one in faults), default=0)
    while faults:
        chosen = chance.choice(faults)
        at_ms += round(chance.uniform(*PAUSE_S) * 1000)
        yield Step(at_ms, "inject", chosen.equipment, chosen.fault)
        at_ms += chosen.lasts
        yield Step(at_ms, "clear", chosen.equipment, chosen.fault)


async def play(plant: SimulatedPlant, steps: Iterator[Step], clock: Clock) -> None:
    """Let it happen, until the steps end or the player is cancelled. Raises UnknownFault."""
    began_ms = clock.now_ms()
    for step in steps:
        await clock.sleep(max(0, began_ms + step.at_ms - clock.now_ms()) / 1000)
        if step.do == "inject":
            plant.inject(step.equipment, step.fault)
        else:
            plant.clear(step.equipment, step.fault)
