"""Site file → running gateway, again: a changed file is checked whole, and only what changed in it is touched.

A file with a mistake changes nothing: the gateway goes on as it was and says so in its log and on its page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from device_profiles.library import Finding, LibraryError, load_yaml
from edge.config import load_site
from edge.decode.sample import Moment
from edge.errors import Misconfigured
from edge.plans import device_plans, plan_site
from edge.rules.engine import Engine
from edge.rules.runtime import Runtime
from edge.site import Site

if TYPE_CHECKING:
    from edge.gateway import Parts

WATCH_S = 1.0
"""How often the files are looked at; a change is taken when it has been still for as long."""
HAND_OVER_S = 2.0
FIXED = (
    "id", "cloud", "credential_file", "ca_file", "cert_file", "key_file", "proxy", "proxy_credential_file",
    "interval_ms", "status",
)  # fmt: skip
"""What of ``gateway:`` a process keeps for its life."""
Files = Mapping[str, tuple[int, int]]
"""File to its time of change and size."""


class Reloader:
    """Reloads when asked (SIGHUP) and when the site file or its own library changes.

    Made before the file is first loaded, so that no change between is missed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._asked = asyncio.Event()
        self._library: Path | None = None
        self._read: tuple[int, int] | None = None
        self._taken = self.files()

    def ask(self) -> None:
        """Reload soon, whether or not a file changed."""
        self._asked.set()

    async def run(self, parts: Parts) -> None:
        """Watch until cancelled. A file that is still being written is waited for."""
        taken = seen = self._taken
        while True:
            is_asked = await self._wait()
            now = self.files()
            if is_asked or (now != taken and now == seen):
                taken = now
                await reload(parts, self.path)
            seen = now

    async def _wait(self) -> bool:
        """True when somebody asked, False after a while without."""
        try:
            async with asyncio.timeout(WATCH_S):
                await self._asked.wait()
        except TimeoutError:
            return False
        self._asked.clear()
        return True

    def files(self) -> Files:
        """The site file and those of its own library, as they stand on the disk."""
        state = _state(self.path)
        if state != self._read:
            self._read, self._library = state, _library_of(self.path)
        folder = sorted(self._library.rglob("*.y*ml")) if self._library else []
        return {str(one): told for one in [self.path, *folder] if (told := _state(one)) is not None}


def _library_of(path: Path) -> Path | None:
    try:
        data, _ = load_yaml(path)
    except LibraryError:
        return None
    named = data.get("library") if isinstance(data, dict) else None
    return path.parent / named if isinstance(named, str) else None


def _state(path: Path) -> tuple[int, int] | None:
    try:
        told = path.stat()
    except OSError:
        return None
    return told.st_mtime_ns, told.st_size


# --- the transaction ----------------------------------------------------------------------------------------------


async def reload(parts: Parts, path: Path) -> bool:
    """Take what the files say now, whole or not at all. True when the gateway now runs what they say."""
    try:
        site, plans = await asyncio.to_thread(_load, path)
        findings = unchangeable(parts.site, site)
        if findings:
            raise Misconfigured(findings)
        if site == parts.site:
            parts.mistakes = ()
            parts.log.info("reload_unchanged")
            return True
        _try_engine(parts, site)
        change = parts.buses.prepare(site)
    except (Misconfigured, LibraryError) as error:
        _refuse(parts, error.findings)
        return False
    await parts.buses.stop(change)
    await _hand_over(parts)
    is_announced = take_over(parts, site, plans)
    parts.buses.start(change)
    parts.log.info(
        "reloaded", kept=list(change.kept), stopped=list(change.stopped), started=list(change.started),
        announced=is_announced, equipment=len(site.equipment), devices=len(site.devices),
    )  # fmt: skip
    return True


def _load(path: Path) -> tuple[Site, dict[str, tuple[str, ...]]]:
    site = load_site(path)
    return site, device_plans(plan_site(site))


def unchangeable(old: Site, new: Site) -> list[Finding]:
    """What a running process cannot change about itself."""
    found = [f"gateway.{name}" for name in FIXED if getattr(old.gateway, name) != getattr(new.gateway, name)]
    found += ["site.id"] if old.id != new.id else []
    remedy = "Restart the gateway to change it, or write it as it was"
    return [Finding(str(new.path), 0, name, "changed, which a running gateway cannot take", remedy) for name in found]


def _refuse(parts: Parts, findings: Sequence[Finding]) -> None:
    parts.mistakes = tuple(findings)
    parts.log.error(
        "reload_refused", mistakes=[str(one) for one in findings],
        remedy="the gateway goes on as it was; mend the file and it is read again",
    )  # fmt: skip


def _try_engine(parts: Parts, site: Site) -> None:
    """The new rules with the state of the old, before anything is stopped. Raises Misconfigured."""
    try:
        make_engine(parts.engine, parts.judged(site), parts.clock.moment(), _state_of(parts))
    except (ValueError, KeyError, TypeError) as error:
        message = f"the rules cannot continue from where they are: {error}"
        remedy = "Restart the gateway with this file"
        raise Misconfigured([Finding(str(site.path), 0, "", message, remedy)]) from error


def _state_of(parts: Parts) -> dict[str, bytes]:
    """Everything the engine knows; saved with the next turn, because asking for it marks it as saved."""
    rows = dict(parts.engine.take_dirty(parts.clock.moment(), everything=True))
    parts.cycle.unsaved.state |= rows
    return rows


async def _hand_over(parts: Parts) -> None:
    """What the stopped buses read last is judged by the rules it was read for."""
    intake, until_ms = parts.cycle.intake, parts.clock.moment().steady_ms + HAND_OVER_S * 1000
    while intake.waiting and parts.clock.moment().steady_ms < until_ms:
        intake.nudge()
        await parts.clock.sleep(0.01)


def take_over(parts: Parts, site: Site, plans: Mapping[str, tuple[str, ...]]) -> bool:
    """From one turn to the next: rules, names and hooks of the new site. True when the cloud is told anew.

    Nothing here waits, so that no sample is judged half by the old and half by the new.
    """
    before = parts.cycle.announcement()
    parts.engine = parts.cycle.engine = make_engine(
        parts.engine, parts.judged(site), parts.clock.moment(), _state_of(parts)
    )  # fmt: skip
    parts.site, parts.plans, parts.mistakes = site, plans, ()
    parts.routine.serve(site, parts.engine)
    parts.board.keep(device.id for device in site.devices)
    parts.caller.use(site.gateway.hooks)
    after = parts.cycle.announcement()
    if after == before:
        return False
    parts.cycle.unsaved.events += after
    parts.cycle.intake.nudge()
    return True


def make_engine(old: Engine, site: Site, now: Moment, saved: Mapping[str, bytes]) -> Engine:
    """Rules for the new site. Equipment that is as it was goes on in the middle of every window and delay.

    Other equipment keeps its alarms and windows, and the values of the points that are read as before.
    """
    engine = Engine(site, now, saved, pace=old.pace)
    for runtime in engine.runtimes():
        before = old.runtime(runtime.equipment.id)
        if before is None:
            continue
        if _is_same(before, runtime) and _is_same_served(old, before, engine):
            _carry(before, runtime)
        else:
            _recall(before, runtime)
    return engine


def _is_same(before: Runtime, after: Runtime) -> bool:
    same_points = {name: (state.device, state.binding) for name, state in before.points.items()} == {
        name: (state.device, state.binding) for name, state in after.points.items()
    }
    return before.equipment == after.equipment and same_points


def _is_same_served(old: Engine, before: Runtime, engine: Engine) -> bool:
    """What it feeds is looked at by its rules too."""
    served, now = old.runtime(before.equipment.serves), engine.runtime(before.equipment.serves)
    return served is now is None or (served is not None and now is not None and _is_same(served, now))


def _carry(before: Runtime, after: Runtime) -> None:
    for one in fields(Runtime):
        if one.name == "storms":  # those of the whole gateway, which go on by themselves
            continue
        value: Any = getattr(before, one.name)
        setattr(after, one.name, value)


def _recall(before: Runtime, after: Runtime) -> None:
    """Values that are read as before need not be waited for."""
    for name, state in after.points.items():
        known = before.points.get(name)
        if known is not None and (known.device, known.binding) == (state.device, state.binding):
            after.points[name] = known
            if name in before.values:
                after.note(name, before.values[name])
