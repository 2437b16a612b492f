"""dashboard: figures of a period → the tables and drawings of their page. Pure. Never a percentage without its sum."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from cloud.dashboard import present
from cloud.dashboard.present import Here
from cloud.reports.figures import (
    DROPPED,
    POPULATIONS,
    ClockFigures,
    ClockRow,
    Durations,
    Group,
    Outcome,
    Population,
    Share,
    outcome,
)
from cloud.reports.period import PRESETS, Period
from cloud.reports.reading import Figures
from cloud.tickets.ticket import State, ticket_name

_STATES: Final = ",".join(state for state in State if state not in DROPPED)
_MEASURES: Final = ("elapsed", "working", "since_began")


@dataclass(frozen=True, slots=True)
class Number:
    """A count and the list of what it counts; no list for none."""

    text: str
    href: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A share as text with its sum, and as a bar: per cent in time and late. Empty text: nothing to take a share of."""

    text: str
    met: float = 0.0
    late: float = 0.0


@dataclass(frozen=True, slots=True)
class ClockLine:
    name: str
    due: str
    numbers: tuple[Number, ...]
    """Met, breached, running."""
    share: Part
    before: str
    left_out: str


@dataclass(frozen=True, slots=True)
class DurationLine:
    name: str
    measure: str
    cells: tuple[str, ...]
    """How many, mean, p50, p90, p95, most."""
    before: str


@dataclass(frozen=True, slots=True)
class Section:
    """One population: its clocks in time, and how long they took."""

    id: str
    clocks: tuple[ClockLine, ...]
    durations: tuple[DurationLine, ...]


@dataclass(frozen=True, slots=True)
class Fact:
    """One figure of the tickets: what, how many (or what share), before, and what it means."""

    id: str
    value: str
    href: str
    before: str


@dataclass(frozen=True, slots=True)
class GroupLine:
    name: str
    cells: tuple[tuple[str, Part, str, str], ...]
    """For each clock: its name, the share in time, mean and p90 elapsed."""
    opened: str
    handled: str
    reopened: str
    repeats: str


@dataclass(frozen=True, slots=True)
class Choice:
    id: str
    href: str
    is_current: bool


# --- addresses ----------------------------------------------------------------------------------------------------


def period_words(period: Period, here: Here) -> str:
    """1 Oct 2026 – 31 Oct 2026."""
    first, last = (here.words("date.day_year", d=day.day, dd=f"{day.day:02d}", m=day.month, mm=f"{day.month:02d}",
                              month=here.words(f"month.{day.month}"), y=day.year)
                   for day in (period.first, period.last))  # fmt: skip
    return first if period.days == 1 else f"{first} – {last}"


def address(found: Figures, path: str = "/figures", **changes: object) -> str:
    """An address with the same period, site and grouping."""
    period = found.asked.period
    given: dict[str, object] = {
        "from": period.first, "to": period.last, "site": found.asked.site, "by": found.asked.by, **changes,
    }  # fmt: skip
    return f"{path}?{urlencode({name: value for name, value in given.items() if value not in ('', None)})}"


def tickets_address(found: Figures, **changes: object) -> str:
    """The list of the tickets opened in the period."""
    period = found.asked.period
    given: dict[str, object] = {"from": period.first, "to": period.last, "site": found.asked.site, **changes}
    return f"/tickets?{urlencode({name: value for name, value in given.items() if value not in ('', None)})}"


def presets(current: str, site: str, by: str) -> list[Choice]:
    """The named periods, each with its address."""
    given = {name: value for name, value in (("site", site), ("by", by)) if value}
    return [Choice(name, f"/figures?{urlencode({'period': name, **given})}", name == current) for name in PRESETS]


# --- texts --------------------------------------------------------------------------------------------------------


def share_text(share: Share, here: Here) -> str:
    """``95.0 % (38 of 40)``, cut and never rounded up: only all of all is 100 %."""
    if share.percent is None:
        return here.words("figures.none")
    figure = present.number(math.floor(share.percent * 10) / 10, 1)
    percent = present.with_unit(figure, "%", here.words)
    counts = {"n": present.number(share.numerator, 0), "all": present.number(share.denominator, 0)}
    return here.words("figures.share", percent=percent, **counts)


def part_of(share: Share, here: Here) -> Part:
    if share.percent is None:
        return Part(here.words("figures.none"))
    return Part(share_text(share, here), round(share.percent, 2), round(100 - share.percent, 2))


def seconds_text(seconds: float | None) -> str:
    return present.DASH if seconds is None else present.exact(seconds)


def left_out_text(counts: Mapping[str, int], here: Here) -> str:
    return here.words("figures.and").join(f"{here.words('state.' + why)} {number}" for why, number in counts.items())


def key_name(by: str, key: str | None, here: Here, sites: Mapping[str, str], clauses: Mapping[str, str]) -> str:
    """What a group is called."""
    if not key:
        return here.words("figures.nobody" if by == "person" else "figures.without")
    if by == "site":
        return sites.get(key, key)
    if by == "clause":
        return f"{key} {clauses[key]}" if key in clauses else key
    return key if by == "person" else here.words.or_id(by, key)


# --- sections -----------------------------------------------------------------------------------------------------


def sections(found: Figures, before: Figures | None, here: Here) -> list[Section]:
    """Every population that occurred, ordinary tickets first."""
    return [
        Section(of, tuple(_clock_lines(found, before, of, here)), tuple(_duration_lines(found, before, of, here)))
        for of in POPULATIONS
        if found.total.clocks[of]
    ]


def _clock_lines(found: Figures, before: Figures | None, of: Population, here: Here) -> list[ClockLine]:
    return [
        ClockLine(
            here.words.or_id("figures.clock", one.clock), present.number(one.due, 0), _numbers(found, one, of),
            part_of(one.in_time, here), _before_share(before, of, one.clock, here), left_out_text(one.left_out, here),
        )
        for one in found.total.clocks[of]
    ]  # fmt: skip


def _numbers(found: Figures, one: ClockFigures, of: Population) -> tuple[Number, ...]:
    counts: tuple[tuple[Outcome, int], ...] = (("met", one.met), ("breached", one.breached), ("running", one.running))
    return tuple(
        Number(
            present.number(count, 0),
            address(found, "/figures/clocks", clock=one.clock, of=of, outcome=name) if count else "",
        )
        for name, count in counts
    )


def _same(before: Figures | None, of: Population, clock: str) -> ClockFigures | None:
    return next((one for one in before.total.clocks[of] if one.clock == clock), None) if before else None


def _before_share(before: Figures | None, of: Population, clock: str, here: Here) -> str:
    one = _same(before, of, clock)
    return share_text(one.in_time if one else Share(0, 0), here)


def _duration_lines(found: Figures, before: Figures | None, of: Population, here: Here) -> list[DurationLine]:
    lines = []
    for one in found.total.clocks[of]:
        for measure in _MEASURES:
            durations: Durations = getattr(one, measure)
            if durations.count:
                earlier = _same(before, of, one.clock)
                mean = getattr(earlier, measure).mean_s if earlier else None
                name = here.words.or_id("figures.clock", one.clock)
                lines.append(
                    DurationLine(
                        name, here.words(f"figures.measure.{measure}"), cells_of(durations), seconds_text(mean)
                    )
                )
    return lines


def cells_of(one: Durations) -> tuple[str, ...]:
    """How many, mean, the percentiles and the longest, as hours, minutes and seconds."""
    parts = (one.mean_s, one.p50_s, one.p90_s, one.p95_s, one.max_s)
    return (present.number(one.count, 0), *(seconds_text(part) for part in parts))


def facts(found: Figures, before: Figures | None, here: Here) -> list[Fact]:
    """The figures of the tickets that were opened in the period."""
    now, past = found.total.tickets, before.total.tickets if before else None
    listed = {"state": _STATES, "past": "0"}
    counts = (
        Fact("opened", present.number(now.opened, 0), tickets_address(found, open="any") if now.opened else "",
             present.number(past.opened, 0) if past else ""),
        Fact("past", present.number(now.past, 0), tickets_address(found, open="any", past="1") if now.past else "",
             present.number(past.past, 0) if past else ""),
        Fact("dropped", left_out_text(now.left_out, here) or "0",
             tickets_address(found, state=",".join(sorted(DROPPED)), past="0") if now.left_out else "",
             (left_out_text(past.left_out, here) or "0") if past else ""),
    )  # fmt: skip
    shares = (("handled", ""), ("reopened", tickets_address(found, reopened="1", **listed)), ("repeats", ""))
    return [*counts, *(_share_fact(name, href, now, past, here) for name, href in shares)]


def _share_fact(name: str, href: str, now: Any, past: Any, here: Here) -> Fact:  # noqa: ANN401  ticket figures by name
    share: Share = getattr(now, name)
    earlier = share_text(getattr(past, name), here) if past else ""
    return Fact(name, share_text(share, here), href if share.numerator else "", earlier)


def group_lines(
    found: Figures, here: Here, sites: Mapping[str, str], clauses: Mapping[str, str]
) -> tuple[tuple[str, ...], list[GroupLine]]:
    """The clocks that occur, and one line a group (ordinary tickets; for priorities also life safety)."""
    of: Population = "ordinary"
    names = tuple(dict.fromkeys(one.clock for group in found.groups for one in _shown_clocks(group, found)))
    lines = [
        GroupLine(
            key_name(found.asked.by, group.key, here, sites, clauses),
            tuple(_cell(group, found, clock, of, here) for clock in names),
            present.number(group.tickets.opened, 0), share_text(group.tickets.handled, here),
            share_text(group.tickets.reopened, here), share_text(group.tickets.repeats, here),
        )
        for group in found.groups
    ]  # fmt: skip
    return names, lines


def _shown_clocks(group: Group, found: Figures) -> Sequence[ClockFigures]:
    if found.asked.by == "priority" and group.key == "life_safety":
        return group.clocks["life_safety"]
    return group.clocks["ordinary"]


def _cell(group: Group, found: Figures, clock: str, of: Population, here: Here) -> tuple[str, Part, str, str]:
    one = next((one for one in _shown_clocks(group, found) if one.clock == clock), None)
    if one is None:
        return "", Part(""), "", ""
    who = "life_safety" if group.key == "life_safety" and found.asked.by == "priority" else of
    late = address(found, "/figures/clocks", clock=clock, of=who, outcome="breached", key=group.key)
    return (
        late if one.breached else "", part_of(one.in_time, here),
        seconds_text(one.elapsed.mean_s), seconds_text(one.elapsed.p90_s),
    )  # fmt: skip


# --- the clocks behind a number -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BehindLine:
    ticket: str
    start: str
    due: str
    stopped: str
    used: str
    outcome: str


def behind_line(row: ClockRow, here: Here) -> BehindLine:
    """One clock that a number counts."""
    due = row.breached_at or row.due_at
    return BehindLine(
        ticket_name(row.ticket), here.when(row.start_at, seconds=True), here.when(due, seconds=True) if due else present.DASH,
        here.when(row.met_at, seconds=True) if row.met_at is not None else here.words("figures.still"),
        present.exact(row.used_s), outcome(row, here.now),
    )  # fmt: skip
