"""physics: the weather of a temperate city, and the mild rooms inside it (pure). °C."""

from __future__ import annotations

import math
from functools import lru_cache

from simulators.physics.plant import DAY_S, Circumstances

_MEAN, _YEARLY, _DAILY, _FRONTS = 16.5, 11.5, 3.5, 2.5
_HOTTEST_DAY, _HOTTEST_H = 203, 14.5
_YEAR_DAYS = 365.2425


def season(now: Circumstances) -> float:
    """From -1 in the middle of winter to 1 in the middle of summer."""
    return season_at(now.now_s)


@lru_cache(maxsize=256)
def season_at(now_s: float) -> float:
    """As ``season``, of an instant."""
    return math.cos(2 * math.pi * (now_s / DAY_S - _HOTTEST_DAY) / _YEAR_DAYS)


def season_hours(now: Circumstances) -> float:
    """The sum of ``season`` over the hours that counters have been counting."""
    return _season_hours(now.counting_since_s, now.now_s)


@lru_cache(maxsize=256)
def _season_hours(since_s: float, now_s: float) -> float:
    turn = 2 * math.pi / _YEAR_DAYS
    until, since = now_s / DAY_S, since_s / DAY_S
    return 24 / turn * (math.sin(turn * (until - _HOTTEST_DAY)) - math.sin(turn * (since - _HOTTEST_DAY)))


def outdoors(now: Circumstances) -> float:
    """Season, time of day, and fronts that come and go every few days."""
    return _MEAN + _YEARLY * season(now) + now.daily(_HOTTEST_H, _DAILY) + now.noise("fronts", _FRONTS, 2.5 * DAY_S)


def indoors(now: Circumstances, usual: float, follows: float = 0.3, daily: float = 1.5) -> float:
    """A room that follows the weather outside by a share, with the warmth of its own day."""
    return usual + follows * (outdoors(now) - _MEAN) + now.daily(15.5, daily)
