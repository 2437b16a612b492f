"""Ingest → telemetry: how long each kind of point is kept, and how finely (pure).

A rule names points by ``equipment/point`` with ``*``; the first that fits binds. What none fits is kept by the default, raw.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from cloud.telemetry.store import Key


@dataclass(frozen=True, slots=True)
class Keeping:
    """Keep samples for ``keep_ms``; those older than ``raw_ms`` as sums over ``step_ms`` (0: always as they were)."""

    points: str
    keep_ms: int
    raw_ms: int = 0
    step_ms: int = 0


@dataclass(frozen=True, slots=True)
class Duty:
    """What is to be done about some points. None: about all."""

    keeping: Keeping
    points: Sequence[Key] | None


def duties(default_ms: int, rules: Sequence[Keeping], points: Iterable[Key]) -> list[Duty]:
    """Every point once, under the rule that binds it; without rules nobody has to look which points there are."""
    default = Keeping("*", default_ms)
    if not rules:
        return [Duty(default, None)]
    groups: dict[Keeping, list[Key]] = {}
    for key in points:
        groups.setdefault(binding(default, rules, key), []).append(key)
    return [Duty(keeping, keys) for keeping, keys in groups.items()]


def binding(default: Keeping, rules: Sequence[Keeping], key: Key) -> Keeping:
    """The rule of one point."""
    path = f"{key[1]}/{key[2]}"
    return next((rule for rule in rules if fnmatchcase(path, rule.points)), default)
