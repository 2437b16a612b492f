"""dashboard: targets and calendars in force → the settings pages. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from cloud.dashboard import present
from cloud.dashboard.present import Here
from cloud.dashboard.settings_form import DAYS, dates_text, windows_text
from cloud.dashboard.words import Words
from cloud.sla.conflicts import CONFLICTS
from cloud.sla.plan import CalendarPlan
from cloud.sla.policy import CLOCKS, Policy
from cloud.sla.written import line_json, policy_json
from cloud.tickets.targets import Effect

CONDITIONS: Final = ("kind", "category", "emergency", "priority", "system", "site")
Summaries = Mapping[str, Mapping[str, str]]
"""Clause id to its summary in both languages."""


@dataclass(frozen=True, slots=True)
class LineShown:
    """One line of the policy."""

    index: int
    where: str
    figure: str
    clause: str
    summary: str
    source: str
    is_unverified: bool
    says: str = ""
    chosen: str = ""
    against: tuple[tuple[str, str], ...] = ()
    """The clauses that say otherwise, with their summaries."""


def lines(policy: Policy, clauses: Summaries, words: Words) -> list[tuple[str, list[LineShown]]]:
    """The lines by clock, in the policy's order."""
    shown = [
        (grant.target.clock, _line(index, line_json(grant), clauses, words))
        for index, grant in enumerate(policy.grants)
    ]
    return [(words(f"clock.{clock}.name"), [line for of, line in shown if of == clock]) for clock in CLOCKS]


def _line(index: int, line: Mapping[str, Any], clauses: Summaries, words: Words) -> LineShown:
    conflict = CONFLICTS.get(line["conflict"])
    against = [one for one in conflict.clauses if one != line["clause"]] if conflict else []
    source = line["source"]
    return LineShown(
        index, where(line, words), figure(line, words), line["clause"], words.text(clauses.get(line["clause"])), source,
        is_unverified=any(mark in source for mark in ("unverified", "not checked")),
        says=words.text(conflict.says) if conflict else "", chosen=words.text(conflict.chosen) if conflict else "",
        against=tuple((one, words.text(clauses.get(one))) for one in against),
    )  # fmt: skip


def where(line: Mapping[str, Any], words: Words) -> str:
    """Which tickets a line binds."""
    found = [words.or_id(name, line[name]) if name != "site" else line[name] for name in CONDITIONS if line[name]]
    return words("targets.comma").join(found) or words("targets.all")


def figure(line: Mapping[str, Any], words: Words) -> str:
    """How long, in which unit, by which calendar."""
    unit, calendar = line["unit"], line["calendar"]
    if unit in {"working_days", "end_of_day"}:
        days = round(line["within_s"] / 86_400)
        key = "same_day" if unit == "end_of_day" and not days else unit
        return words(f"targets.figure.{key}", n=days, calendar=calendar)
    if unit == "none":
        return words("targets.figure.none")
    seconds = line["within_s"]  # the documents speak of 48 hours, not of two days
    time = words("targets.hours", n=f"{seconds / 3600:g}") if seconds >= 3600 else present.duration(seconds, words)
    return words(f"targets.figure.{unit}", time=time, calendar=calendar)


# --- before → after -----------------------------------------------------------------------------------------------


def differences(before: Policy, after: Policy, words: Words) -> list[tuple[str, str, str]]:
    """What, before, after: every line, calendar and setting that differs."""
    old, new = policy_json(before), policy_json(after)
    return [
        *_line_differences(old["lines"], new["lines"], words),
        *_calendar_differences(before, after, words),
        *_settings(old, new, words),
    ]


def _line_differences(old: Sequence[Any], new: Sequence[Any], words: Words) -> list[tuple[str, str, str]]:
    was, now = ({_key(line): line for line in lines} for lines in (old, new))
    none = words("targets.no_line")
    return [
        (
            _named(key, was, now, words),
            _text(was[key], words) if key in was else none,
            _text(now[key], words) if key in now else none,
        )
        for key in {**was, **now}
        if was.get(key) != now.get(key)
    ]


def _key(line: Mapping[str, Any]) -> tuple[str, ...]:
    return (line["clock"], *(line[name] for name in CONDITIONS))


def _named(key: tuple[str, ...], was: Mapping[Any, Any], now: Mapping[Any, Any], words: Words) -> str:
    return f"{words(f'clock.{key[0]}.name')}: {where(now.get(key) or was[key], words)}"


def _text(line: Mapping[str, Any], words: Words) -> str:
    return words("targets.comma").join(filter(None, (figure(line, words), line["clause"] or line["source"])))


def _calendar_differences(before: Policy, after: Policy, words: Words) -> list[tuple[str, str, str]]:
    found = []
    for name in {**before.plans, **after.plans}:
        old, new = (facts(policy.plans[name], words) if name in policy.plans else {} for policy in (before, after))
        found += [
            (f"{name}: {what}", old.get(what) or words("targets.nothing"), new.get(what) or words("targets.nothing"))
            for what in {**old, **new}
            if old.get(what) != new.get(what)
        ]
    return found


def facts(plan: CalendarPlan, words: Words) -> dict[str, str]:
    """A calendar in words, one entry a thing that can differ."""
    week = plan.hours.get("week")
    found = {
        words("targets.zone"): plan.hours.get("tz") or words("targets.site_zone"),
        **{
            words(f"weekday.{n}"): windows_text((week or {}).get(day, []))
            for n, day in enumerate(DAYS, 1)
            if week is not None
        },
        words("targets.country"): " ".join(filter(None, (plan.country, plan.subdivision))),
        words("targets.confirmed"): " ".join(map(str, plan.confirmed)),
        words("targets.by_hand"): dates_text(plan.hours),
        words("targets.breaks"): dates_text(plan.hours, "breaks"),
    }
    for key, label in (("holidays", "closed"), ("workdays", "worked")):
        for year in sorted({day[:4] for day in getattr(plan, key)}):
            days = [
                f"{day[5:]} {words.text(names)}" for day, names in getattr(plan, key).items() if day.startswith(year)
            ]
            found[f"{year} {words(f'targets.{label}')}"] = words("targets.comma").join(days)
    return found


def _settings(old: Mapping[str, Any], new: Mapping[str, Any], words: Words) -> list[tuple[str, str, str]]:
    found = []
    if old["shares"] != new["shares"]:
        shares = [" ".join(f"{share:.0%}" for share in one["shares"]) for one in (old, new)]
        found.append((words("targets.shares"), shares[0], shares[1]))
    if old["reopen_window_s"] != new["reopen_window_s"]:
        windows = [present.duration(one["reopen_window_s"], words) for one in (old, new)]
        found.append((words("targets.reopen"), windows[0], windows[1]))
    return found


@dataclass(frozen=True, slots=True)
class EffectShown:
    """What a change moves, in words."""

    sentences: tuple[str, ...]
    moves: tuple[tuple[str, str, str, str], ...]


def effect(found: Effect, here: Here) -> EffectShown:
    """Such as: 3 open tickets keep their due times, 2 get later ones."""
    words = here.words
    names = ("kept", "later", "earlier", "late_at_once")
    sentences = [words.count(f"targets.effect.{name}", getattr(found, name)) for name in names if getattr(found, name)]
    if not found.tickets:
        sentences = [words("targets.effect.no_ticket")]
    if found.looked_at < found.tickets:
        sentences.append(words("targets.effect.part", n=found.looked_at, all=found.tickets))
    moves = tuple(
        (m.ticket, words(f"clock.{m.clock}.name"), _when(m.before, here), _when(m.after, here)) for m in found.moves
    )
    return EffectShown(tuple(sentences), moves)


def _when(at: int | None, here: Here) -> str:
    return here.when(at) if at is not None else here.words("targets.no_due")


def years(plan: CalendarPlan, this: int) -> list[tuple[int, bool, list[tuple[str, str, str]]]]:
    """Year, whether a person confirmed it, and its closed and made-up dates, newest year first."""
    wanted = (
        sorted({*(year for year in plan.years if year >= this), this, this + 1}, reverse=True)
        if plan.country or plan.years
        else []
    )
    return [(year, year in plan.confirmed, _dates(plan, str(year))) for year in wanted]


def _dates(plan: CalendarPlan, year: str) -> list[tuple[str, str, str]]:
    closed = [(day, "closed", name) for day, name in _ranges(plan.holidays, year)]
    worked = [(day, "worked", name) for day, name in _ranges(plan.workdays, year)]
    return sorted([*closed, *worked])


def _ranges(dates: Mapping[str, Mapping[str, str]], year: str) -> list[tuple[str, Any]]:
    """Days in a row with one name are told together."""
    found: list[list[Any]] = []
    for day, names in sorted(dates.items()):
        if not day.startswith(year):
            continue
        if (
            found
            and found[-1][2] == names
            and date.fromisoformat(found[-1][1]) + timedelta(days=1) == date.fromisoformat(day)
        ):
            found[-1][1] = day
        else:
            found.append([day, day, names])
    return [(first if first == last else f"{first} – {last[5:]}", names) for first, last, names in found]
