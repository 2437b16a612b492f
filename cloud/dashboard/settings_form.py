"""dashboard: what a manager types about targets and calendars ↔ plain data of a policy. Pure. Raises Refused (422) with the place."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, Final

from cloud.errors import invalid
from cloud.sla.plan import CalendarPlan, Names

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
UNITS: Final = ("elapsed", "working", "working_days", "end_of_day", "none")
_WINDOW: Final = re.compile(r"(\d{1,2}:\d\d)\s*[-–—~至]\s*(\d{1,2}:\d\d)")
_HOURS: Final = 3600
_DAY: Final = 86_400
Windows = list[list[str]]


def windows_of(text: str, path: str) -> Windows:
    """``09:00-12:00 13:00-18:00``; empty closes the day."""
    found = [[_padded(a), _padded(b)] for a, b in _WINDOW.findall(text)]
    if _WINDOW.sub("", text).strip(" ,;，；、"):
        raise invalid(path, f"{text!r} is not a list of windows", "write 09:00-12:00 13:00-18:00, or nothing")
    return found


def _padded(clock: str) -> str:
    return clock.zfill(5)


def windows_text(windows: Sequence[Sequence[str]]) -> str:
    """The inverse of ``windows_of``."""
    return " ".join(f"{a}-{b}" for a, b in windows)


def dates_of(text: str, path: str) -> tuple[dict[str, Windows], dict[str, Names]]:
    """One line a date: ``2026-02-14 09:00-18:00 make-up day``; without windows the date is closed."""
    dates: dict[str, Windows] = {}
    names: dict[str, Names] = {}
    for line in filter(None, (line.strip() for line in text.splitlines())):
        day, _, rest = line.partition(" ")
        try:
            date.fromisoformat(day)
        except ValueError as error:
            raise invalid(path, f"{line!r} does not begin with a date", "write 2026-02-14 09:00-18:00") from error
        dates[day] = [[_padded(a), _padded(b)] for a, b in _WINDOW.findall(rest)]
        if name := " ".join(_WINDOW.sub("", rest).split()):
            names[day] = {"en": name, "zh": name}
    return dates, names


def dates_text(hours: Mapping[str, Any], key: str = "dates") -> str:
    """The inverse of ``dates_of``."""
    names = hours.get("names", {})
    lines = []
    for day, windows in sorted(hours.get(key, {}).items()):
        parts = (day, windows_text(windows), names.get(day, {}).get("zh", ""))
        lines.append(" ".join(filter(None, parts)))
    return "\n".join(lines)


def plan_of(form: Mapping[str, str], known: CalendarPlan) -> CalendarPlan:
    """The calendar that a form describes; a date by hand wins over what was copied."""
    dates, names = dates_of(form.get("dates", ""), "dates")
    breaks, _ = dates_of(form.get("breaks", ""), "breaks")
    hours: dict[str, Any] = {"dates": dates, "names": names, "breaks": breaks}
    if not form.get("always"):
        hours["week"] = {day: windows_of(form.get(day, ""), day) for day in DAYS}
    if zone := form.get("tz", "").strip():
        hours["tz"] = zone
    country, subdivision = (form.get(name, "").strip().upper() for name in ("country", "subdivision"))
    plan = replace(known, hours=hours, country=country, subdivision=subdivision)
    if (country, subdivision) != (known.country, known.subdivision):
        plan = replace(plan, holidays={}, workdays={}, years=(), confirmed=())
    return plan


def line_of(form: Mapping[str, str], known: Mapping[str, Any]) -> dict[str, Any]:
    """The line of the policy that a form describes."""
    unit = form.get("unit", "elapsed")
    names = ("clock", "priority", "emergency", "kind", "category", "system", "site", "calendar", "clause", "source")
    line = {**known, **{name: form.get(name, "").strip() for name in names}, "unit": unit}
    same = all(line.get(name) == known.get(name) for name in ("clock", "unit", "calendar", "clause"))
    line["within_s"] = _seconds(form.get("within", ""), unit)
    line["conflict"] = known.get("conflict", "") if same else ""
    return line


def _seconds(text: str, unit: str) -> float:
    if unit == "none":
        return 0.0
    try:
        figure = float(text.strip().replace(",", ".") or ("0" if unit == "end_of_day" else ""))
    except ValueError as error:
        raise invalid("within", f"{text!r} is not a figure", "write hours such as 2 or 0.5, or whole days") from error
    return figure * (_DAY if unit in {"working_days", "end_of_day"} else _HOURS)


def within_text(line: Mapping[str, Any]) -> str:
    """The figure of a line as its form shows it: hours, or days."""
    return f"{line['within_s'] / (_DAY if line['unit'] in {'working_days', 'end_of_day'} else _HOURS):.6g}"


def shares_of(text: str) -> list[float]:
    """``50 75 90`` per cent to shares."""
    try:
        return sorted({float(part) / 100 for part in re.split(r"[\s,;，、%]+", text) if part})
    except ValueError as error:
        raise invalid("shares", f"{text!r} is not a list of percentages", "write 50 75 90") from error
