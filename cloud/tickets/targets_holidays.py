"""Tickets → sla: public holidays of the ``holidays`` package, copied into a calendar; and what an iCal file says instead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from cloud.errors import invalid
from cloud.sla.plan import CalendarPlan, Names

_CHECKED: Mapping[str, frozenset[int]] = {"CN": frozenset({2025, 2026})}
"""Years that were compared with the authority's notice, date by date, for this release."""
AHEAD_DAYS = 60
"""So long before a year begins its dates must be confirmed, or the desk says so."""
MOST_ICAL_BYTES = 1_000_000
_LONGEST_EVENT = 60
_FIRST, _LAST = date(2000, 1, 1), date(2100, 12, 31)
_WORK = ("班", "workday", "working day", "make-up", "makeup")
"""Words by which a file of Chinese holidays marks a day off that is worked."""


def with_years(plan: CalendarPlan, year: int) -> CalendarPlan:
    """The plan with the dates of last year, this one and the next, as far as they are missing. An unknown country copies none."""
    wanted = [one for one in (year - 1, year, year + 1) if one not in plan.years]
    return with_country(plan, wanted) if plan.country and wanted else plan


def with_country(plan: CalendarPlan, years: Iterable[int]) -> CalendarPlan:
    """Copy these years anew. Raises Refused (422) for a country or subdivision that the package does not know."""
    closed, worked = dict(plan.holidays), dict(plan.workdays)
    for year in years:
        new_closed, new_worked = dates_of(plan.country, plan.subdivision, year)
        closed, worked = _instead(closed, year, new_closed), _instead(worked, year, new_worked)
    confirmed = {*plan.confirmed, *(year for year in years if year in _CHECKED.get(plan.country, ()))}
    all_years = tuple(sorted({*plan.years, *years}))
    return replace(plan, holidays=closed, workdays=worked, years=all_years, confirmed=tuple(sorted(confirmed)))


def _instead(dates: Mapping[str, Names], year: int, new: Mapping[str, Names]) -> dict[str, Names]:
    kept = {day: names for day, names in dates.items() if not day.startswith(f"{year}-")}
    return dict(sorted({**kept, **new}.items()))


def dates_of(country: str, subdivision: str, year: int) -> tuple[dict[str, Names], dict[str, Names]]:
    """Closed dates and days off that are worked, of one year, with their names. Raises Refused (422)."""
    import holidays

    found: dict[str, Any] = {}
    try:
        for language in ("en_US", "zh_CN"):
            found[language[:2]] = holidays.country_holidays(
                country, subdiv=subdivision or None, years=year, language=language
            )
    except NotImplementedError as error:
        raise invalid("country", str(error), "write an ISO 3166 code such as CN, and a subdivision it has") from error
    closed = {day.isoformat(): {tongue: str(of.get(day)) for tongue, of in found.items()} for day in found["en"]}
    worked = sorted(day for day in getattr(found["en"], "weekend_workdays", ()) if day.year == year)
    names = {"en": "make-up working day", "zh": "调休上班"}
    return dict(sorted(closed.items())), {day.isoformat(): names for day in worked}


def confirm(plan: CalendarPlan, year: int) -> CalendarPlan:
    """A person has compared the dates of a year with the notice. Raises Refused (422) when there is nothing to confirm."""
    if not 2000 <= year <= 2100:
        raise invalid("year", f"{year} is out of range", "write a year such as 2027")
    copied = plan if year in plan.years or not plan.country else with_country(plan, [year])
    return replace(copied, confirmed=tuple(sorted({*copied.confirmed, year})))


def with_ical(plan: CalendarPlan, text: bytes) -> CalendarPlan:
    """The dates of an iCal file instead of those copied, for every year that the file speaks of; nothing is confirmed by that.

    An all-day event closes its dates; one that says 班 or "working day" opens them. Raises Refused (422).
    """
    closed, worked = _events(text)
    years = sorted({int(day[:4]) for day in {**closed, **worked}})
    if not years:
        raise invalid("file", "no all-day event in it", "export the holidays as whole-day events")
    holidays, workdays = dict(plan.holidays), dict(plan.workdays)
    for year in years:
        mine = f"{year}-"
        holidays = _instead(holidays, year, {day: names for day, names in closed.items() if day.startswith(mine)})
        workdays = _instead(workdays, year, {day: names for day, names in worked.items() if day.startswith(mine)})
    confirmed = tuple(year for year in plan.confirmed if year not in years)
    copied = tuple(sorted({*plan.years, *years}))
    return replace(plan, holidays=holidays, workdays=workdays, years=copied, confirmed=confirmed)


def _events(text: bytes) -> tuple[dict[str, Names], dict[str, Names]]:
    if len(text) > MOST_ICAL_BYTES:
        raise invalid("file", "larger than 1 MB", "export the holidays alone")
    import icalendar

    try:
        events = icalendar.Calendar.from_ical(text.decode("utf-8-sig")).walk("VEVENT")
    except (ValueError, KeyError, IndexError) as error:
        raise invalid("file", f"not an iCal file: {error}", "upload the .ics export of a calendar") from error
    closed: dict[str, Names] = {}
    worked: dict[str, Names] = {}
    for event in events:
        summary = " ".join(str(event.get("SUMMARY", "")).split())[:120] or "-"
        into = worked if any(word in summary.lower() for word in _WORK) else closed
        into.update({day.isoformat(): {"en": summary, "zh": summary} for day in _days(event, summary)})
    return closed, {day: names for day, names in worked.items() if day not in closed}


def _days(event: Any, summary: str) -> list[date]:  # noqa: ANN401  icalendar's own
    if "RRULE" in event or "RDATE" in event:
        raise invalid("file", f"{summary}: a repeating event", "export the dates of each year as single events")
    wrong = next((why for name, why in event.errors if name in {"DTSTART", "DTEND", "DURATION"}), "")
    if wrong or isinstance(event.get("DTSTART"), list | None):  # left out it would be a working day that nobody chose
        raise invalid(
            "file", f"{summary}: no start and end that can be read {wrong}".strip(), "export whole-day events"
        )
    start = event.decoded("DTSTART")
    if isinstance(start, datetime) or not isinstance(start, date):
        return []
    if not _FIRST <= start <= _LAST:
        raise invalid("file", f"{summary}: {start} is no date of a calendar to come", "export the dates of each year")
    last = _end(event, start)
    if (last - start).days > _LONGEST_EVENT:
        raise invalid("file", f"{summary}: longer than {_LONGEST_EVENT} days", "holidays are days, not seasons")
    return [start + timedelta(days=number) for number in range((last - start).days)]


def _end(event: Any, start: date) -> date:  # noqa: ANN401  icalendar's own
    """The day after an event's last one; an event without an end is one day."""
    end, length = event.decoded("DTEND", None), event.decoded("DURATION", None)
    if isinstance(length, timedelta) and end is None:
        end = start + min(length, timedelta(days=_LONGEST_EVENT + 1))
    is_day = isinstance(end, date) and not isinstance(end, datetime)
    return end if is_day and end > start else start + timedelta(days=1)
