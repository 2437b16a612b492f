"""plan → findings: causes one fault after another in a running world and watches what the cloud makes of it.

The world is the product itself, on virtual time or on real sockets; here is only what a patient tester would do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from contract.conventions import EpochMs
from contract.messages import Value
from simulators.rows import SeenAlarm
from simulators.site import SimulatedSite
from simulators.site_plan import Expected, Trial, shown

PATIENCE = 2
"""What is not there in the time allowed is waited for so many times as long, so that late and never are told apart."""
DELIVERY_MS = 15_000
"""From the alarm to its ticket; the gateway delivers events at once, and every interval at the latest."""
REST_LOOKS = 3

Came = Literal["in_time", "late", "never", "already_active"]
_Done = Callable[[SeenAlarm, Expected], bool]


class World(Protocol):
    """A running site: plant, gateway and cloud."""

    @property
    def site(self) -> SimulatedSite: ...

    def now_ms(self) -> EpochMs: ...

    async def sleep(self, seconds: float) -> None: ...

    async def change(self, do: Literal["inject", "clear"], equipment: str, fault: str) -> EpochMs:
        """A fault comes or goes; the instant it did."""
        ...

    def alarms(self) -> Sequence[SeenAlarm]:
        """Every alarm the cloud has heard of."""
        ...

    def truth(self, equipment: str) -> Mapping[str, Value]:
        """True values of one equipment's points."""
        ...

    async def acknowledge(self, ticket: int) -> None:
        """A person takes note; an alarm that latches ends only after that."""
        ...


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule of one trial: what came of it. Times are milliseconds after the fault and after its repair."""

    equipment: str
    fault: str
    rule: str
    severity: str
    raised: Came
    raised_ms: int | None
    raise_allowed_ms: int
    ticket: str
    """``T-000001``; empty where none was opened."""
    ticket_ms: int | None
    cleared: Came
    cleared_ms: int | None
    clear_allowed_ms: int
    note: str = ""

    @property
    def is_right(self) -> bool:
        """Raised, with its ticket unless it is advisory or explained by another alarm, and ended, each in time."""
        needs = self.severity != "advisory" and not self.note.startswith("suppressed by")
        return self.raised == "in_time" and self.cleared == "in_time" and (bool(self.ticket) or not needs)


async def settle(world: World) -> list[SeenAlarm]:
    """Wait until every device has spoken a few times; what is raised by then is raised though nothing is wrong."""
    slowest = max((device.every_ms for device in world.site.devices), default=0)
    await world.sleep((REST_LOOKS * slowest + DELIVERY_MS) / 1000)
    return list(world.alarms())


async def run_trial(world: World, trial: Trial) -> list[Finding]:
    """Cause the fault, wait for its alarms and tickets, repair it, wait for the end. One finding a rule."""
    look_s = _look_s(world.site, trial.equipment)
    before = {one.rule for one in world.alarms() if one.equipment == trial.equipment and one.cleared_at is None}
    began = await world.change("inject", trial.equipment, trial.fault)
    raised = await _wait(world, trial, began, max(one.raise_ms for one in trial.expected), look_s, _has_come)
    values = dict(world.truth(trial.equipment))
    for one in raised.values():
        if one.ticket is not None and _latches(world.site, one):
            await world.acknowledge(one.ticket)
    repaired = await world.change("clear", trial.equipment, trial.fault)
    longest = max(one.clear_ms for one in trial.expected)
    ended = await _wait(world, trial, began, longest, look_s, _has_ended) if raised else raised
    equipment = world.site.equipment[trial.equipment]
    found = []
    for expected in trial.expected:
        rule = equipment.equipment_class.rules[expected.rule]
        why = f"{rule.when}: {', '.join(shown(rule, equipment, values))}"
        alarm = ended.get(expected.rule)
        found.append(_finding(trial, expected, alarm, (began, repaired), why, was_active=expected.rule in before))
    return found


def _latches(site: SimulatedSite, alarm: SeenAlarm) -> bool:
    rule = site.equipment[alarm.equipment].equipment_class.rules.get(alarm.rule)
    return rule is not None and rule.latching


def _look_s(site: SimulatedSite, equipment: str) -> float:
    """How often to look: as often as the equipment's fastest device is read."""
    serving = (one.every_ms for one in site.devices if any(owner == equipment for owner, _ in one.sources.values()))
    return max(1.0, min(serving, default=1000) / 1000)


def _has_come(alarm: SeenAlarm, expected: Expected) -> bool:
    return alarm.ticket is not None or not expected.opens_ticket or bool(alarm.suppressed_by)


def _has_ended(alarm: SeenAlarm, _expected: Expected) -> bool:
    return alarm.cleared_at is not None


async def _wait(
    world: World, trial: Trial, began: EpochMs, allowed_ms: int, look_s: float, is_done: _Done
) -> dict[str, SeenAlarm]:
    until = world.now_ms() + PATIENCE * allowed_ms + DELIVERY_MS
    while True:
        found = dict(_alarms_of(world.alarms(), trial, began))
        done = [one.rule in found and is_done(found[one.rule], one) for one in trial.expected]
        if all(done) or world.now_ms() >= until or (is_done is _has_ended and _all_ended(found)):
            return found
        await world.sleep(look_s)


def _all_ended(found: Mapping[str, SeenAlarm]) -> bool:
    return all(one.cleared_at is not None for one in found.values())


def _alarms_of(alarms: Sequence[SeenAlarm], trial: Trial, began: EpochMs) -> Iterator[tuple[str, SeenAlarm]]:
    """The first alarm of each rule since the fault; later ones are told by their number only."""
    wanted = {one.rule for one in trial.expected}
    for alarm in reversed(alarms):
        if alarm.equipment == trial.equipment and alarm.rule in wanted and alarm.raised_at >= began:
            yield alarm.rule, alarm


def _finding(
    trial: Trial,
    expected: Expected,
    alarm: SeenAlarm | None,
    at: tuple[EpochMs, EpochMs],
    why: str,
    *,
    was_active: bool,
) -> Finding:
    began, repaired = at
    row = (trial.equipment, trial.fault, expected.rule, expected.severity)
    if alarm is None:
        came: Came = "already_active" if was_active else "never"
        note = "still active from before" if was_active else why
        return Finding(
            *row, came, None, expected.raise_ms, "", None, "never", None, expected.clear_ms, note,
        )  # fmt: skip
    raised_ms, ended = alarm.raised_at - began, alarm.cleared_at
    return Finding(
        *row, _came(raised_ms, expected.raise_ms), raised_ms, expected.raise_ms,
        "" if alarm.ticket is None else f"T-{alarm.ticket:06d}", None if alarm.ticket is None else alarm.received_at - began,
        "never" if ended is None else _came(ended - repaired, expected.clear_ms),
        None if ended is None else ended - repaired, expected.clear_ms,
        f"suppressed by {alarm.suppressed_by}" if alarm.suppressed_by and alarm.ticket is None else "",
    )  # fmt: skip


def _came(took_ms: int, allowed_ms: int) -> Came:
    return "in_time" if took_ms <= allowed_ms else "late"


def others(alarms: Sequence[SeenAlarm], findings: Sequence[Finding], rest: Sequence[SeenAlarm]) -> list[SeenAlarm]:
    """Alarms that came beside those that the faults were to raise."""
    wanted = {(one.equipment, one.rule) for one in findings}
    known = {(one.equipment, one.rule, one.raised_at) for one in rest}
    return [
        one
        for one in alarms
        if (one.equipment, one.rule) not in wanted and (one.equipment, one.rule, one.raised_at) not in known
    ]
