"""The rows of the rule tables notice every small mistake in a rule: what is changed by hand here must turn them red."""

from contextlib import suppress

import pytest

from tests.rules import test_rule_tables as tables
from tests.support.living_equipment import LIBRARY
from tests.support.mutants import mutants
from tests.support.rule_bench import Row, rows

HARMLESS = (
 "lift.out_of_use_busy", "lighting.not_lit", "lighting.not_off", "pump.dry_run",
    "pump.motor_current_unbalanced", "pump.night_leak", "tank.falls_at_night",
)  # fmt: skip
"""Rules in which a mutant means the same as the rule: hours that are never equal, a current that is divided by anyway, a fall
or a flow that no row can place exactly on its limit."""
MOST_HARMLESS = 3
"""In any one of them."""


def is_noticed(written: list[Row]) -> bool:
    """Whether a test of the table fails, or the rule cannot even be watched."""
    for row in written:
        with suppress(AssertionError, KeyError):
            tables.test_just_on_the_healthy_side_nothing_is_raised_however_long(row)
            if row.at is not None:
                tables.test_on_the_limit_itself_nothing_is_raised(row)
            tables.test_just_beyond_it_is_raised_when_its_on_delay_ends_and_not_a_millisecond_before(row)
            tables.test_it_clears_when_its_off_delay_ends_and_not_a_millisecond_before(row)
            continue
        return True
    return False


def survivors(class_id: str, rule_id: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Mistakes in a rule that its rows pass over."""
    of = LIBRARY.classes[class_id]
    written = [row for row in rows() if (row.class_id, row.rule_id) == (class_id, rule_id)]
    found = []
    for mutant in mutants(of.rules[rule_id]):
        changed = of.model_copy(update={"rules": {**of.rules, rule_id: mutant.rule}})
        with monkeypatch.context() as patch:
            patch.setitem(LIBRARY.classes, class_id, changed)
            if not is_noticed(written):
                found.append(mutant.what)
    if "insulation ==" in (of.rules[rule_id].gate or ""):  # a row has one insulation; the other has its own test
        found = [what for what in found if what != "gate left out"]
    return found


def test_a_limit_that_is_met_instead_of_passed_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert survivors("lv_switchgear", "overcurrent", monkeypatch) == []
    assert survivors("fire_alarm_panel", "shielded_long", monkeypatch) == []


@pytest.mark.proof
@pytest.mark.timeout(600)
@pytest.mark.parametrize("class_id", sorted(LIBRARY.classes))
def test_every_small_mistake_in_a_rule_of_the_class_is_noticed(class_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for rule_id in LIBRARY.classes[class_id].rules:
        found = survivors(class_id, rule_id, monkeypatch)
        assert len(found) <= (MOST_HARMLESS if f"{class_id}.{rule_id}" in HARMLESS else 0), (rule_id, found)
