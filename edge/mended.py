"""Site file → config: what of a file with unreadable values can still be checked, so that every mistake is told at once."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import ValidationError

from device_profiles import library as shelf
from device_profiles.library import Finding
from device_profiles.reading import walk
from edge.errors import Misconfigured
from edge.site_file import SiteFile

_ROUNDS = 6
_Path = tuple[str | int, ...]


def further(data: object, check: Callable[[SiteFile], object]) -> list[Finding]:
    """What else is wrong in a file that cannot be read as it is. ``check`` raises Misconfigured."""
    rest, touched = mended(data)
    if rest is None:
        return []
    try:
        check(rest)
    except Misconfigured as error:
        return elsewhere(error.findings, touched)
    return []


def mended(data: object) -> tuple[SiteFile | None, list[_Path]]:
    """The file with each unreadable value left out or stood in for, and where; None when too little can be read."""
    data, touched = copy.deepcopy(data), list[_Path]()
    for _ in range(_ROUNDS):
        try:
            return SiteFile.model_validate(data), touched
        except ValidationError as error:
            for detail in error.errors(include_url=False, include_context=False):
                path = tuple(walk(data, detail["loc"]))
                if detail["type"] == "missing":
                    path = (*path, detail["loc"][-1])
                if not path or isinstance(path[-1], int):
                    return None, []
                _stand_in(data, path, len(touched), is_missing=detail["type"] == "missing")
                touched.append(path)
    return None, []


def elsewhere(findings: Sequence[Finding], touched: Sequence[_Path]) -> list[Finding]:
    """The findings that do not come from what was left out or stood in for."""
    places = [shelf.show_path(path[:2]) for path in touched]
    return [one for one in findings if not any(_is_within(one.path, place) for place in places)]


def _is_within(path: str, place: str) -> bool:
    return path == place or path.startswith((f"{place}.", f"{place}["))


def _stand_in(data: Any, path: _Path, number: int, *, is_missing: bool) -> None:  # noqa: ANN401  parsed YAML
    *way, last = path
    for part in way:
        data = data[part]
    if not is_missing:
        data.pop(last, None)
    else:
        known = {"zone": "UTC", "address": 1, "site": {}, "gateway": {}}
        data[last] = known.get(str(last), f"stand_in_{number}")
