from device_profiles import library
from device_profiles.coverage import coverage, coverage_lines, summary_line
from device_profiles.library import Library

LIBRARY = library.load()
ROWS = {row.clause.id: row for row in coverage(LIBRARY)}


def test_a_clause_names_the_rules_and_tests_that_watch_it() -> None:
    row = ROWS["e-xfmr-overload"]
    assert row.rules == (
        "lv_switchgear.served_transformer_overloaded", "transformer.overload", "transformer.load_high",
    )  # fmt: skip
    assert row.tests == ("transformer.daily_round",)
    assert row.why_not is None


def test_a_clause_that_a_rule_covers_besides_its_own_counts() -> None:
    assert "lv_switchgear.low_power_factor" in ROWS["h-5.3.1-comp"].rules


def test_every_clause_is_watched_or_says_why_not() -> None:
    unexplained = [row.clause.id for row in ROWS.values() if not row.is_watched and row.clause.satisfied_by is None]
    assert unexplained == []


def test_every_obligation_that_signals_can_show_is_watched() -> None:
    watchable = {"threshold", "periodic-test"}
    loose = [row.clause.id for row in ROWS.values() if row.clause.kind in watchable and not row.is_watched]
    assert loose == []


def test_the_report_has_a_line_a_clause_and_ends_with_the_sums() -> None:
    lines = list(coverage_lines(LIBRARY))
    assert len(lines) == len(LIBRARY.clauses) + 1
    watched = sum(row.is_watched for row in ROWS.values())
    assert lines[-1] == (
        f"{len(ROWS)} clauses: {watched} watched by rules or tests, {len(ROWS) - watched} not, each with its reason"
    )


def test_a_clause_without_reason_is_counted() -> None:
    clause = LIBRARY.clauses["e-xfmr-overload"]
    rows = coverage(Library({clause.id: clause}, {}, {}))
    assert summary_line(rows) == "1 clauses: 0 watched by rules or tests, 1 not, 1 of them without a reason"
