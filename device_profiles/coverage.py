"""Ground floor: which clauses are watched by which rules and tests, and of the others why not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from device_profiles.library import Library
from device_profiles.schema import Clause, Text


@dataclass(frozen=True, slots=True)
class ClauseCoverage:
    """One clause and what watches over it. ``why_not`` is there exactly when no rule and no test does."""

    clause: Clause
    rules: tuple[str, ...]
    """``class.rule``."""
    tests: tuple[str, ...]
    """``class.test``."""
    why_not: Text | None

    @property
    def is_watched(self) -> bool:
        return bool(self.rules or self.tests)


_NO_REASON = Text(en="Nothing watches it and nobody has said why", zh="无监测且未说明原因")


def coverage(library: Library) -> list[ClauseCoverage]:
    """Every clause, in the order of the file."""
    rules, tests = _citations(library, "rules"), _citations(library, "tests")
    return [_row(clause, rules.get(clause.id, []), tests.get(clause.id, [])) for clause in library.clauses.values()]


def _row(clause: Clause, rules: list[str], tests: list[str]) -> ClauseCoverage:
    reason = None if rules or tests else clause.satisfied_by or _NO_REASON
    return ClauseCoverage(clause, tuple(rules), tuple(tests), reason)


def _citations(library: Library, section: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for of in library.classes.values():
        for name, one in getattr(of, section).items():
            for clause in dict.fromkeys((one.clause, *one.covers)):
                found.setdefault(clause, []).append(f"{of.id}.{name}")
    return found


def coverage_lines(library: Library) -> Iterator[str]:
    """The report for a terminal: a line a clause, and one line of sums at the end."""
    rows = coverage(library)
    for row in rows:
        watchers = ", ".join((*row.rules, *row.tests))
        reason = row.why_not.en if row.why_not else ""
        yield f"{row.clause.id:28} {watchers or f'not watched: {reason}'}"
    yield summary_line(rows)


def summary_line(rows: list[ClauseCoverage]) -> str:
    """``353 clauses: 112 watched by rules or tests, 241 not, each with its reason``."""
    watched = sum(row.is_watched for row in rows)
    unexplained = sum(row.why_not is _NO_REASON for row in rows)
    rest = "each with its reason" if not unexplained else f"{unexplained} of them without a reason"
    return f"{len(rows)} clauses: {watched} watched by rules or tests, {len(rows) - watched} not, {rest}"
