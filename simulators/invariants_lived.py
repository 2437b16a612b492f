"""deeds → what a plant went through beside its own faults: who was touched when, who was silent, which process was down (pure)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from contract.conventions import EpochMs
from simulators import scenario_steps as s
from simulators.plant import Change
from simulators.run_plan import Deed
from simulators.site import SimulatedDevice, SimulatedSite

FOREVER_MS = 1 << 60
SETTLE_MS = 300_000
"""A start, a clock set anew, a line mended: so long afterwards nothing is asked of the gateway."""
OF_PEOPLE = ("shelved", "service")
"""What people wish, of which the equipment's condition knows nothing."""
_DUMB = ("silent", "half_open", "busy", "garbage", "truncated", "wrong_device")
"""From a device that does this at each request nothing can be learnt."""
_OF_THE_LINE = ("half_open", "restart")
"""What one device does to a connection that others on its bus share."""

Span = tuple[EpochMs, EpochMs]


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Something beside the plant's own faults: ``equipment`` None touches all."""

    from_ms: EpochMs
    until_ms: EpochMs
    equipment: str | None
    what: str

    def touches(self, equipment: str, from_ms: EpochMs, until_ms: EpochMs) -> bool:
        return self.equipment in (None, equipment) and self.from_ms < until_ms and from_ms < self.until_ms


@dataclass(frozen=True, slots=True)
class Lived:
    """What the plant went through."""

    site: SimulatedSite
    history: tuple[Change, ...]
    disturbances: tuple[Disturbance, ...]
    now_ms: EpochMs

    @property
    def is_jumped(self) -> bool:
        """Whether the machines' wall clocks may differ from true time."""
        return any(one.what == "clock" for one in self.disturbances)

    @property
    def is_far(self) -> bool:
        """Whether the gateway may not have reached the cloud in the end."""
        return any(one.what == "line" and one.until_ms > self.now_ms for one in self.disturbances)

    def is_disturbed(
        self, equipment: str, from_ms: EpochMs, until_ms: EpochMs, harmless: Collection[str] = ("line",)
    ) -> bool:
        """Whether anything but what is ``harmless`` touched the equipment then."""
        return any(one.touches(equipment, from_ms, until_ms) for one in self.disturbances if one.what not in harmless)

    def spans(self) -> list[tuple[Change, EpochMs]]:
        """Every fault with the instant of its repair, or for ever."""
        found: list[tuple[Change, EpochMs]] = []
        repaired: dict[tuple[str, str], EpochMs] = {}
        for change in reversed(self.history):
            key = change.equipment, change.fault
            if change.do == "clear":
                repaired[key] = change.at_ms
            else:
                found.append((change, repaired.get(key, FOREVER_MS)))
        return found[::-1]


def disturbances(deeds: Sequence[Deed], site: SimulatedSite) -> tuple[Disturbance, ...]:
    """What a scenario did beside injecting faults, with the time in which it could be felt."""
    found = []
    for deed in deeds:
        if not deed.is_end:
            until = next((one.at_ms for one in deeds if one.is_end and one.step is deed.step), _mended(deed, deeds))
            found += [Disturbance(deed.at_ms, until + SETTLE_MS, *where) for where in _touched(deed.step, site)]
    return tuple(found)


def _mended(deed: Deed, deeds: Sequence[Deed]) -> EpochMs:
    """When something without an end of its own was put right by another step."""
    step = deed.step
    if isinstance(step, s.Shelve) and step.lasts is not None:
        return deed.at_ms + step.lasts
    for one in deeds:
        is_mended = isinstance(step, s.Cut) and isinstance(one.step, s.Mend) and one.step.mend == step.cut
        is_started = isinstance(step, s.Kill | s.Stop) and isinstance(one.step, s.Launch)
        if one.at_ms >= deed.at_ms and (is_mended or is_started):
            return one.at_ms
    return FOREVER_MS


def _touched(step: s.Step, site: SimulatedSite) -> Iterator[tuple[str | None, str]]:
    if isinstance(step, s.Misbehave) and step.misbehave in _OF_THE_LINE:
        bus = next(one.bus for one in site.devices if one.id == step.device)
        yield from ((owner, "bus") for one in _on(site, bus) for owner in owners(site, one.id))
    elif isinstance(step, s.Misbehave | s.Sensor):
        yield from ((owner, "device") for owner in owners(site, step.device))
    elif isinstance(step, s.Cut) and step.cut not in ("line", "replies", "cloud"):
        yield from ((owner, "bus") for one in _on(site, step.cut) for owner in owners(site, one.id))
    elif isinstance(step, s.Cut):
        yield None, "line"
    elif isinstance(step, s.ClockJump):
        yield None, "clock"
    elif isinstance(step, s.Kill | s.Stop | s.Restart):
        yield None, "gateway" if _process(step) == "gateway" else "line"
    elif isinstance(step, s.OutOfService):
        yield step.out_of_service, "service"
    elif isinstance(step, s.Shelve):
        yield step.shelve.partition("/")[0], "shelved"
    elif isinstance(step, s.Settings | s.Call):
        yield None, "settings"


def owners(site: SimulatedSite, device: str) -> list[str]:
    """Every equipment that a device serves."""
    found = next((one for one in site.devices if one.id == device), None)
    return list(dict.fromkeys(owner for owner, _ in found.sources.values())) if found else []


def serving(site: SimulatedSite, equipment: str) -> list[SimulatedDevice]:
    """Every device that serves an equipment."""
    return [one for one in site.devices if any(owner == equipment for owner, _ in one.sources.values())]


def _on(site: SimulatedSite, line: str) -> list[SimulatedDevice]:
    bus = line.removeprefix("bus ")
    return [one for one in site.devices if one.bus == bus or (bus == "broker" and one.model.protocol == "mqtt")]


def _process(step: s.Step) -> str:
    return str(getattr(step, "kill", "") or getattr(step, "stop", "") or getattr(step, "restart", ""))


def downs(deeds: Sequence[Deed], process: str) -> list[Span]:
    """When a process did not run."""
    found: list[Span] = []
    since: EpochMs | None = None
    for deed in deeds:
        step = deed.step
        is_launch = isinstance(step, s.Launch) and step.start == process
        if not is_launch and not (isinstance(step, s.Kill | s.Stop | s.Restart) and _process(step) == process):
            continue
        is_start = is_launch or deed.is_end
        if is_start and since is not None:
            found.append((since, deed.at_ms))
            since = None
        elif not is_start and since is None:
            since = deed.at_ms
    return [*found, (since, FOREVER_MS)] if since is not None else found


def silences(deeds: Sequence[Deed], site: SimulatedSite, device: SimulatedDevice) -> list[Span]:
    """When nothing could be learnt from a polled device, whatever was asked. One end ends all, as the stage has it."""
    found: list[Span] = []
    since: EpochMs | None = None
    if device.model.protocol == "mqtt":
        return found  # what it said last stays good for a while
    for deed in deeds:
        step, is_cut = deed.step, False
        if isinstance(step, s.Misbehave) and step.device == device.id:
            is_dumb = not deed.is_end and step.misbehave in _DUMB and step.every == 1
        elif isinstance(step, s.Cut | s.Mend):
            is_cut = isinstance(step, s.Cut)
            if device not in _on(site, step.cut if isinstance(step, s.Cut) else step.mend):
                continue
            is_dumb = is_cut and not deed.is_end
        else:
            continue
        if is_dumb and since is None:
            since = deed.at_ms
        elif not is_dumb and since is not None:
            found.append((since, deed.at_ms))
            since = None
    return [*found, (since, FOREVER_MS)] if since is not None else found
