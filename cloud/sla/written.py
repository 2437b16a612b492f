"""Tickets → sla: a policy as plain data and back, so that a version can be kept for ever (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from cloud.sla.calendar import CalendarError
from cloud.sla.plan import CalendarPlan
from cloud.sla.policy import CATEGORIES, CLOCKS, EMERGENCIES, KINDS, PRIORITIES, Grant, Policy, Target

_CONDITIONS = ("priority", "emergency", "kind", "category", "system", "site")
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "clock": CLOCKS, "priority": ("", *PRIORITIES), "emergency": ("", *EMERGENCIES), "kind": ("", *KINDS),
    "category": ("", *CATEGORIES),
}  # fmt: skip
_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
_MOST_LINES, _MOST_CALENDARS = 500, 50
_LONGEST = timedelta(days=366)


class PolicyError(ValueError):
    """A policy that cannot be: the text says where and what to write instead."""


def policy_json(policy: Policy) -> dict[str, Any]:
    """Everything but the version: lines, calendars, shares, reopen window."""
    return {
        "lines": [line_json(grant) for grant in policy.grants],
        "calendars": {name: plan.as_json() for name, plan in policy.plans.items()},
        "shares": list(policy.shares),
        "reopen_window_s": policy.reopen_window.total_seconds(),
    }


def policy_of(version: str, body: Mapping[str, Any]) -> Policy:
    """The inverse of ``policy_json``. Raises PolicyError with the place of the first mistake."""
    plans = {}
    if len(body["calendars"]) > _MOST_CALENDARS or len(body["lines"]) > _MOST_LINES:
        raise PolicyError(f"body: at most {_MOST_CALENDARS} calendars and {_MOST_LINES} lines")
    for name, data in body["calendars"].items():
        if not _NAME.fullmatch(name):
            raise PolicyError(f"calendars.{name[:60]}: a name has small letters, digits and _, such as day_shift")
        try:
            plans[name] = CalendarPlan.of_json({**data, "name": name})
        except CalendarError as error:
            raise PolicyError(f"calendars.{name}.{error}") from error
    grants = tuple(line_of(line, plans, f"lines[{index}]") for index, line in enumerate(body["lines"]))
    shares = tuple(sorted(float(share) for share in body["shares"]))
    if any(not 0 < share < 1 for share in shares):
        raise PolicyError("shares: a share lies above 0 and below 1, such as 0.75")
    return Policy(version, grants, {}, timedelta(seconds=body["reopen_window_s"]), plans, shares)


def line_json(grant: Grant) -> dict[str, Any]:
    """One line as plain data."""
    target = grant.target
    return {
        "clock": target.clock,
        **{name: getattr(grant, name) or "" for name in _CONDITIONS},
        "unit": unit_of(grant),
        "within_s": target.target.total_seconds(),
        "calendar": target.calendar,
        "clause": target.clause,
        "source": target.source,
        "conflict": target.conflict,
    }


def unit_of(grant: Grant) -> str:
    """elapsed, working, working_days, end_of_day or none."""
    target = grant.target
    if grant.is_unset:
        return "none"
    if target.is_days:
        return "end_of_day" if target.is_end_of_day else "working_days"
    return "working" if target.calendar else "elapsed"


def line_of(data: Mapping[str, Any], plans: Mapping[str, CalendarPlan], path: str) -> Grant:
    """One line from plain data. Raises PolicyError."""
    for name, choices in _CHOICES.items():
        if data.get(name, "") not in choices:
            raise PolicyError(f"{path}.{name}: {data.get(name)!r} is not one of {', '.join(filter(None, choices))}")
    unit, calendar = data.get("unit", "elapsed"), str(data.get("calendar", ""))
    within = timedelta(seconds=float(data.get("within_s", 0)))
    _check(unit, calendar, within, plans, path)
    is_life_safety = data.get("priority") == "life_safety" or bool(data.get("emergency"))
    if is_life_safety and unit not in {"elapsed", "none"}:
        raise PolicyError(f"{path}.unit: life safety knows no calendar; write elapsed")
    target = Target(
        data["clock"], within, str(data.get("clause", "")), str(data.get("source", "")),
        "" if unit == "elapsed" else calendar,
        is_pausing=data["clock"] == "resolution" and not is_life_safety and unit != "none",
        is_days=unit in {"working_days", "end_of_day"}, is_end_of_day=unit == "end_of_day",
        conflict=str(data.get("conflict", "")),
    )  # fmt: skip
    where: dict[str, Any] = {name: str(data.get(name) or "") for name in _CONDITIONS}
    return Grant(target, **{**where, "priority": where["priority"] or None}, is_unset=unit == "none")


def _check(unit: str, calendar: str, within: timedelta, plans: Mapping[str, CalendarPlan], path: str) -> None:
    if unit not in {"elapsed", "working", "working_days", "end_of_day", "none"}:
        raise PolicyError(
            f"{path}.unit: {unit!r} is not a unit; write elapsed, working, working_days, end_of_day or none"
        )
    if unit not in {"elapsed", "none"} and calendar not in plans:
        raise PolicyError(f"{path}.calendar: there is no calendar {calendar!r}; known: {', '.join(plans) or 'none'}")
    if unit == "none":
        return
    if not timedelta(0) <= within <= _LONGEST or (not within and unit != "end_of_day"):
        raise PolicyError(f"{path}.within_s: a target lies above 0 and within a year")
    if unit in {"working_days", "end_of_day"} and within % timedelta(days=1):
        raise PolicyError(f"{path}.within_s: whole working days are multiples of 86400 s")
