"""What a person of a scenario writes into a form: a test's questions answered well, the targets with a change (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def good_answers(fields: Mapping[str, Mapping[str, Any]]) -> dict[str, bool | float | str]:
    """An answer for every question that must be answered, as the API shows the form."""
    return {name: _good(field) for name, field in fields.items() if field.get("required", True)}


def _good(field: Mapping[str, Any]) -> bool | float | str:
    match field["type"]:
        case "yes_no":
            return True
        case "number":
            low, high = field.get("minimum"), field.get("maximum")
            known = [float(one) for one in (low, high) if one is not None]
            return sum(known) / len(known) if known else 1.0
        case "choice":
            return str(field["choices"][0])
        case _:
            return "as it should be"


def changed_targets(body: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """The targets in force with a change: a line of ``lines`` replaces the one of the same clock and conditions, or is added."""
    lines = {_binds(line): line for line in [*body["lines"], *change.get("lines", ())]}
    return {**body, **change, "lines": list(lines.values())}


def _binds(line: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What a line of the targets is about."""
    return tuple((name, str(line.get(name, ""))) for name in _CONDITIONS)


_CONDITIONS = ("clock", "kind", "priority", "emergency", "category", "system", "site")
