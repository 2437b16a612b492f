"""A form's questions → answers that pass, for a person of a scenario who does the work well (pure)."""

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
