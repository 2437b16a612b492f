"""What came of scenarios, for people and for programs: each miss with its line and the timeline around it (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from contract.conventions import format_instant
from simulators.expect import Miss, duration
from simulators.run import Outcome
from simulators.run_timeline import Event, around

_SHOWN_MISSES = 20
_SHOWN_BROKEN = 20


def lines_of(outcome: Outcome, language: str, *, whole: bool = False) -> Iterator[str]:
    """A scenario's report as lines; with ``whole`` everything that happened."""
    yield _verdict(outcome, language)
    yield from _misses(outcome)
    for broken in outcome.broken[:_SHOWN_BROKEN]:
        yield f"  always so, and not here: {broken}"
    if len(outcome.broken) > _SHOWN_BROKEN:
        yield f"  … and {len(outcome.broken) - _SHOWN_BROKEN} more of these"
    if whole:
        yield from (f"  {line}" for line in _told(outcome, outcome.events))


def _verdict(outcome: Outcome, language: str) -> str:
    word = "PASS" if outcome.is_right else "FAIL"
    title = outcome.title.get(language) or outcome.title["en"]
    lived = f"{duration(outcome.simulated_s * 1000)} lived, {_count(len(outcome.tickets), 'ticket')}"
    if outcome.misses:
        verdict = f"{len(outcome.misses)} of {outcome.met + len(outcome.misses)} expectations not met"
    else:
        verdict = f"{_count(outcome.met, 'expectation')} met"
    broken = f", {_count(len(outcome.broken), 'invariant')} broken" if outcome.broken else ""
    return f"{word}  {outcome.name}: {title}\n      {lived}; {verdict}{broken}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _misses(outcome: Outcome) -> Iterator[str]:
    told: list[int] = []
    for miss in outcome.misses[:_SHOWN_MISSES]:
        yield f"  {outcome.file}:{miss.line}: {miss}"
        if miss.at_ms is not None and miss.at_ms not in told:
            told.append(miss.at_ms)
            yield from (f"      {line}" for line in _told(outcome, around(outcome.events, miss.at_ms), miss))
    if len(outcome.misses) > _SHOWN_MISSES:
        yield f"  … and {len(outcome.misses) - _SHOWN_MISSES} more"


def _told(outcome: Outcome, events: Sequence[Event], miss: Miss | None = None) -> Iterator[str]:
    """Events with their times; the instant of a miss stands between them."""
    times = outcome.times
    is_marked = miss is None or miss.at_ms is None
    for event in events:
        if not is_marked and miss is not None and miss.at_ms is not None and event.at_ms > miss.at_ms:
            yield f"{times.written(miss.at_ms):>12}  ------- here"
            is_marked = True
        yield f"{times.written(event.at_ms):>12}  {event.who:<7} {event.text}"
    if not is_marked and miss is not None:
        yield f"{times.written(miss.at_ms):>12}  ------- here"


def as_object(outcome: Outcome) -> dict[str, Any]:
    """One scenario for a program. It holds nothing that differs between two runs of the same seed."""
    return {
        "scenario": outcome.name,
        "file": outcome.file,
        "title": dict(outcome.title),
        "seed": outcome.seed,
        "passed": outcome.is_right,
        "met": outcome.met,
        "missed": [_miss(outcome, one) for one in outcome.misses],
        "broken": list(outcome.broken),
        "tickets": [asdict(one) for one in outcome.tickets],
        "simulated_s": round(outcome.simulated_s, 3),
        "digest": outcome.digest,
    }


def _miss(outcome: Outcome, miss: Miss) -> Mapping[str, Any]:
    near = [] if miss.at_ms is None else around(outcome.events, miss.at_ms)
    return {
        "line": miss.line,
        "what": miss.what,
        "expected": miss.expected,
        "found": miss.found,
        "at": None if miss.at_ms is None else format_instant(miss.at_ms),
        "timeline": [{"at": format_instant(one.at_ms), "who": one.who, "what": one.text} for one in near],
    }


def summary(outcomes: Sequence[Outcome], elapsed_s: float) -> str:
    """One line about all of them."""
    good = sum(one.is_right for one in outcomes)
    lived = sum(one.simulated_s for one in outcomes)
    pace = f", {lived / elapsed_s:.0f} times real time" if elapsed_s > 0 else ""
    return f"{good} of {_count(len(outcomes), 'scenario')} passed: {duration(lived * 1000)} lived in {elapsed_s:.1f} s{pace}"
