"""dashboard: row → text. Figures, units, durations, times, clocks and quality in the reader's language. Pure.

Units by SI, decimal point, thin space from five digits on, a real minus. Times are the site's. Nothing here reads a clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final, Literal

from cloud.dashboard.words import Words
from contract.conventions import EpochMs, from_ms

THIN_SPACE: Final = "\u2009"
MINUS: Final = "\u2212"
DASH: Final = "—"
SEVERITIES: Final = ("life_safety", "critical", "major", "minor", "advisory")
"""Worst first, as every list sorts."""
WARN_SHARE: Final = 0.75
"""A running clock turns amber when this share of its target is used."""
Value = float | int | bool | str | None
ClockState = Literal["running", "warn", "breached", "held", "met"]


def severity_rank(severity: str | None) -> int:
    """0 is worst; nothing ranks last."""
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)


def css(severity: str | None) -> str:
    """The stylesheet's and sprite's short name: ``life`` for ``life_safety``."""
    return "life" if severity == "life_safety" else severity or ""


# --- figures ----------------------------------------------------------------------------------------------------


def number(value: float, digits: int) -> str:
    """Fixed digits, a real minus, thin spaces from five integer digits on (SI). Not a number gives a dash."""
    if not math.isfinite(value):
        return DASH
    text = f"{abs(value):.{digits}f}"
    whole, dot, rest = text.partition(".")
    if len(whole) > 4:
        whole = f"{int(whole):,}".replace(",", THIN_SPACE)
    is_negative = value < 0 and float(text) != 0
    return f"{MINUS if is_negative else ''}{whole}{dot}{rest}"


def with_unit(figure: str, unit: str, words: Words) -> str:
    """``0.86 MPa``; the per cent sign joins its figure in Chinese."""
    if not unit:
        return figure
    return f"{figure}%" if unit == "%" and words.language == "zh" else f"{figure}\u00a0{unit_sign(unit)}"


def unit_sign(unit: str) -> str:
    """The library's spelling of a unit as people read it."""
    return _SIGNS.get(unit, unit)


_SIGNS: Final = {"degC": "°C", "K": "K", "ohm": "Ω", "kohm": "kΩ", "Mohm": "MΩ", "m3": "m³", "m3/h": "m³/h", "1": ""}


def capital(text: str) -> str:
    """The first letter large, the rest as written."""
    return text[:1].upper() + text[1:]


# --- durations --------------------------------------------------------------------------------------------------


def duration(seconds: float, words: Words, *, short: bool = False) -> str:
    """The two largest units; seconds only under ten minutes. ``short`` is the chip's form (7 时 07 分)."""
    whole = max(0, int(seconds))
    form = "duration.chip" if short else "duration"
    if whole < 60:
        return words(f"{form}.s", s=whole)
    if whole < 600:
        minutes, rest = divmod(whole, 60)
        return words(f"{form}.min_s", m=minutes, s=rest) if rest else words(f"{form}.min", m=minutes)
    if whole < 3600:
        return words(f"{form}.min", m=whole // 60)
    if whole < 86_400:
        return _two(words, form, "h", "h_min", whole // 3600, whole % 3600 // 60)
    return _two(words, form, "d", "d_h", whole // 86_400, whole % 86_400 // 3600)


def _two(words: Words, form: str, one: str, both: str, large: int, small: int) -> str:
    return words(f"{form}.{both}", a=large, b=f"{small:02d}") if small else words(f"{form}.{one}", a=large)


def exact(seconds: float) -> str:
    """``49:31:40``: hours, minutes, seconds, for the lines of a sum."""
    whole = max(0, round(seconds))
    return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"


def age(seconds: float, words: Words) -> str:
    """How old a value is: tenths under ten seconds, then the two largest units."""
    if seconds < 10:
        return words("duration.s", s=f"{max(0.0, seconds):.1f}")
    return duration(seconds, words)


def period(ms: int, words: Words) -> str:
    """How often something happens: ``1 s``, ``0.5 s``, ``5 min``."""
    return words("duration.s", s=f"{ms / 1000:g}") if ms % 1000 and ms < 10_000 else duration(ms / 1000, words)


# --- instants ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Here:
    """Where and when a page is read: the words, the site's zone and now."""

    words: Words
    zone: tzinfo
    now: EpochMs

    def local(self, at: EpochMs) -> datetime:
        return from_ms(at).astimezone(self.zone)

    def when(self, at: EpochMs, *, seconds: bool = False) -> str:
        """Today 16:05, this week Mon 10:49, else 21 Nov 10:49; another year is named."""
        there, today = self.local(at), self.local(self.now)
        clock = f"{there:%H:%M:%S}" if seconds else f"{there:%H:%M}"
        if there.date() == today.date():
            return clock
        if abs((there.date() - today.date()).days) < 7 and there.isocalendar()[:2] == today.isocalendar()[:2]:
            return f"{self.words(f'weekday.{there.isoweekday()}')} {clock}"
        return f"{self.day(at)} {clock}"

    def day(self, at: EpochMs) -> str:
        """21 Nov or 11-21, with the year when it is not this one."""
        there = self.local(at)
        form = "date.day" if there.year == self.local(self.now).year else "date.day_year"
        return self.words(form, d=there.day, dd=f"{there.day:02d}", m=there.month, mm=f"{there.month:02d}",
                          month=self.words(f"month.{there.month}"), y=there.year)  # fmt: skip

    def due_day(self, at: EpochMs) -> str:
        """Mon 23 Nov, for lists of what is due."""
        return f"{self.words(f'weekday.{self.local(at).isoweekday()}')} {self.day(at)}"

    def long_day(self, at: EpochMs) -> str:
        """Sat 21 Nov 2026, under the wall's time."""
        there = self.local(at)
        return self.words("date.long", d=there.day, m=there.month, month=self.words(f"month.{there.month}"),
                          y=there.year, weekday=self.words(f"weekday.{there.isoweekday()}"))  # fmt: skip

    def since(self, at: EpochMs, *, short: bool = False) -> str:
        return duration((self.now - at) / 1000, self.words, short=short)

    def midnight(self, days: int = 0) -> EpochMs:
        """Start of today here, or of a day some days away."""
        start = self.local(self.now).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=days)
        return int(start.timestamp() * 1000)


def iso(at: EpochMs) -> str:
    """For a ``datetime`` attribute."""
    return f"{from_ms(at):%Y-%m-%dT%H:%M:%S}Z"
