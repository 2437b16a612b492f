"""a failing case → the smallest one that still fails the same way: fewer steps, less plant, a plainer desk, shorter times (pure but for ``fails``).

Steps are taken out by delta debugging (Zeller and Hildebrandt, 2002): halves first, then quarters, down to single ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from device_profiles.schema import parse_duration_ms
from simulators.explore_draw import Case

T = TypeVar("T")
Fails = Callable[[Case], bool]
AFTER_MS = 10 * 60_000
"""So long after the last step the scenario goes on, at least."""


class Spent(Exception):
    """As many runs as were allowed have been made."""


@dataclass(slots=True)
class Budget:
    """Counts runs. Raises Spent when they are used up."""

    fails: Fails
    left: int
    made: int = 0

    def __call__(self, case: Case) -> bool:
        if self.left <= 0:
            raise Spent
        self.left, self.made = self.left - 1, self.made + 1
        return self.fails(case)


def shrink(case: Case, fails: Fails, most_runs: int = 80) -> Case:
    """The smallest case found within so many runs; ``fails`` says whether one still fails the same way."""
    best, budget = case, Budget(fails, most_runs)
    try:
        while True:
            before = best
            for smaller in (_fewer_steps, _less_plant, _plainer, _shorter):
                best = smaller(best, budget)
            if best == before:
                return best
    except Spent:
        return best


def ddmin(items: Sequence[T], fails: Callable[[Sequence[T]], bool]) -> Sequence[T]:
    """A minimal part of ``items`` that still fails. ``items`` as a whole must."""
    parts = 2
    while len(items) >= 2:
        size = max(1, len(items) // parts)
        chunks = [items[start : start + size] for start in range(0, len(items), size)]
        for index in range(len(chunks)):
            rest = [one for number, chunk in enumerate(chunks) if number != index for one in chunk]
            if rest and fails(rest):
                items, parts = rest, max(2, parts - 1)
                break
        else:
            if size == 1:
                return items
            parts = min(len(items), parts * 2)
    return items


def _with_steps(case: Case, steps: Sequence[Mapping[str, Any]]) -> Case:
    return replace(case, scenario={**case.scenario, "timeline": list(steps)})


def _fewer_steps(case: Case, fails: Fails) -> Case:
    return _with_steps(case, ddmin(case.steps, lambda steps: fails(_with_steps(case, steps))))


def _less_plant(case: Case, fails: Fails) -> Case:
    """Without the equipment that no step names, and its devices."""
    for entry in list(case.site["equipment"]):
        smaller = without(case, entry["id"])
        if smaller is not None and fails(smaller):
            case = smaller
    return case


def without(case: Case, equipment: str) -> Case | None:
    """The case without one piece of equipment; None when a step names it or it is the last."""
    devices = {one["id"] for one in case.site["devices"] if one.get("equipment") == equipment}
    named = {
        word for step in case.steps for value in step.values() if isinstance(value, str) for word in value.split("/")
    }
    if len(case.site["equipment"]) == 1 or named & {equipment, *devices}:
        return None
    site = {
        **case.site,
        "equipment": [one for one in case.site["equipment"] if one["id"] != equipment],
        "devices": [one for one in case.site["devices"] if one["id"] not in devices],
    }
    return replace(case, site=site)


def _plainer(case: Case, fails: Fails) -> Case:
    """Without a desk of its own, without rules that wait longer than usual."""
    for key in ("cloud", "people"):
        plain = replace(case, scenario={name: told for name, told in case.scenario.items() if name != key})
        if key in case.scenario and fails(plain):
            case = plain
    usual = [{name: told for name, told in one.items() if name != "rules"} for one in case.site["equipment"]]
    plain = replace(case, site={**case.site, "equipment": usual})
    return plain if usual != list(case.site["equipment"]) and fails(plain) else case


def _shorter(case: Case, fails: Fails) -> Case:
    for smaller in _shorter_ones(case):
        if fails(smaller):
            return smaller
    return case


def _shorter_ones(case: Case) -> Iterator[Case]:
    """The scenario cut off after its last step, then each lasting step halved, then everything moved earlier."""
    last_ms = max((_end_ms(step) for step in case.steps), default=0)
    if last_ms + AFTER_MS < parse_duration_ms(case.scenario["lasts"]):
        yield replace(case, scenario={**case.scenario, "lasts": _written(last_ms + AFTER_MS)})
    for index, step in enumerate(case.steps):
        if "lasts" in step and parse_duration_ms(step["lasts"]) > 60_000:
            shorter = {**step, "lasts": _written(parse_duration_ms(step["lasts"]) // 2)}
            yield _with_steps(case, [*case.steps[:index], shorter, *case.steps[index + 1 :]])
    first_ms = min((parse_duration_ms(step["at"]) for step in case.steps), default=0)
    if first_ms > 2 * AFTER_MS:
        early = [{**step, "at": _written(parse_duration_ms(step["at"]) - first_ms + AFTER_MS)} for step in case.steps]
        yield _with_steps(case, early)


def _end_ms(step: Mapping[str, Any]) -> int:
    return parse_duration_ms(step["at"]) + (parse_duration_ms(step["lasts"]) if "lasts" in step else 0)


def _written(ms: int) -> str:
    return f"{ms // 60_000}min" if ms % 60_000 == 0 else f"{ms // 1000}s"
