"""Samples in, contract events out: what people will be told, when, and what they will not."""

from dataclasses import replace

import pytest

from contract.messages import (
    AlarmChanged,
    AlarmCleared,
    AlarmRaised,
    Cause,
    Quality,
    Record,
    RuleUnknown,
    Severity,
)
from edge.decode.sample import Moment
from edge.rules.engine import Engine
from edge.rules.program import compile_class
from tests.support.plant import NAME, START, Bench, kinds, make_class, make_site, rule

OVERLOAD = make_class(rules={"overload": rule("load > load_max", on_delay="10s", off_delay="5s", deadband=5)})


def only(records: list[Record]) -> Record:
    assert len(records) == 1, records
    return records[0]


# --- raising and clearing --------------------------------------------------------------------------------------------


def test_a_fault_waits_for_its_on_delay_and_names_when_it_began() -> None:
    bench = Bench(OVERLOAD)
    assert bench.at(0, load=101.0) == []
    assert bench.at(9.999, load=101.0) == []
    raised = only(bench.at(10, load=102.0))
    assert isinstance(raised, AlarmRaised)
    assert (raised.equipment, raised.rule, raised.severity, raised.on_delay_ms) == (
        "pump_1",
        "overload",
        "major",
        10_000,
    )
    assert raised.began_at < raised.raised_at
    assert [(term.name, term.value, term.unit) for term in raised.because] == [
        ("load", 102.0, "kW"),
        ("load_max", 100.0, "kW"),
    ]


def test_an_on_delay_ends_without_a_further_sample() -> None:
    bench = Bench(OVERLOAD)
    bench.at(0, load=101.0)
    assert bench.engine.next_due() <= START.steady_ms + 10_000
    assert kinds(bench.at(10)) == ["AlarmRaised"]


def test_a_fault_clears_only_past_its_deadband_and_off_delay() -> None:
    bench = Bench(OVERLOAD)
    bench.at(0, load=101.0)
    bench.at(10, load=101.0)
    assert bench.at(11, load=96.0) == []  # below the limit, within the deadband
    assert bench.at(18, load=96.0) == []
    assert bench.at(19, load=95.0) == []
    cleared = only(bench.at(24, load=95.0))
    assert isinstance(cleared, AlarmCleared)
    assert cleared.raised_at.endswith("10.000Z") or cleared.raised_at < cleared.cleared_at


def test_two_values_of_a_point_in_one_delivery_are_both_judged() -> None:
    bench = Bench(make_class(rules={"button": rule("running")}))
    bench.now = Moment(START.wall_ms + 100, START.steady_ms + 100)
    pressed, released = bench.sample("running", True), bench.sample("running", False)
    assert kinds(bench.engine.evaluate([pressed, released], bench.now)) == ["AlarmRaised", "AlarmCleared"]


def test_a_jump_of_the_wall_clock_moves_no_delay() -> None:
    bench = Bench(OVERLOAD)
    bench.at(0, load=101.0)
    assert bench.at(5, wall_jump_s=3600, load=101.0) == []
    assert kinds(bench.at(10, wall_jump_s=3600, load=101.0)) == ["AlarmRaised"]


def test_a_gate_makes_the_condition_false_while_it_is_false() -> None:
    bench = Bench(make_class(rules={"overload": rule("load > load_max", gate="running")}))
    assert bench.at(0, load=101.0, running=False) == []
    assert kinds(bench.at(1, running=True)) == ["AlarmRaised"]
    assert kinds(bench.at(2, running=False)) == ["AlarmCleared"]


def test_a_mean_over_a_window_raises_only_when_the_mean_is_beyond() -> None:
    bench = Bench(make_class(rules={"overload": rule("avg(load, window) > load_max")}))
    for second in range(70):
        assert bench.at(second, load=90.0) == []
    for second in range(70, 90):
        bench.at(second, load=130.0)
    raised = [record for record in bench.records if isinstance(record, AlarmRaised)]
    assert len(raised) == 1
    mean = raised[0].because[0]
    assert mean.name == "avg(load, window)"
    assert isinstance(mean.value, float)
    assert mean.value > 100


def test_the_deadband_of_a_mean_holds_until_the_mean_is_back_beyond_it() -> None:
    bench = Bench(make_class(rules={"overload": rule("avg(load, window) > load_max", deadband=5)}))
    for second in range(70):
        bench.at(second, load=101.0)
    assert kinds(bench.records) == ["AlarmRaised"]
    for second in range(70, 200):  # a mean of 96 is below the limit and within the deadband
        assert bench.at(second, load=96.0) == []
    cleared = [second for second in range(200, 300) if bench.at(second, load=94.0)]
    assert len(cleared) == 1
    assert cleared[0] == pytest.approx(230, abs=2)  # when the mean of 96 and 94 passes 95


def test_a_deadband_that_would_move_no_limit_is_refused() -> None:
    of = make_class(rules={"overload": rule("held_for(load > load_max, '5s')", deadband=5)})
    (mistake,) = compile_class(of).mistakes
    assert mistake.path == ("rules", "overload", "deadband")
    assert "moves no limit" in mistake.message


def test_a_rule_that_nothing_here_measures_is_named_with_what_is_missing() -> None:
    of = make_class(
        points={"flow": {"name": NAME, "kind": "gauge"}},
        rules={"seen": rule("load > load_max"), "blind": rule("load > load_max and flow > 3"), "either": rule("flow > 3 or running")},
    )  # fmt: skip
    site = make_site(of)
    bindings = tuple(one for one in site.devices[0].bindings if one.point_id != "flow")
    site = replace(site, devices=(replace(site.devices[0], bindings=bindings),))
    runtime = Engine(site, START).runtime("pump_1")
    assert runtime is not None
    assert runtime.unwatched == {"blind": "not measured: flow"}
    assert list(runtime.rules) == ["seen", "either"]
    assert runtime.rules["either"].code.when.truth({"running": False}, [], 0, 0.0) is False, (
        "nobody will ever know the flow"
    )


def test_only_windows_that_something_here_looks_at_are_fed_also_those_within_others() -> None:
    of = make_class(
        points={"flow": {"name": NAME, "kind": "gauge"}},
        rules={"seen": rule("max(avg(load, '1min'), '5min') > 3"), "blind": rule("flow > 3 and avg(load, '2min') > 3")},
    )  # fmt: skip
    site = make_site(of)
    bindings = tuple(one for one in site.devices[0].bindings if one.point_id != "flow")
    runtime = Engine(replace(site, devices=(replace(site.devices[0], bindings=bindings),)), START).runtime("pump_1")
    assert runtime is not None
    fed = [runtime.program.windows[index] for index in runtime.fed]
    assert [(one.kind, one.span) for one in fed] == [("avg", 60_000), ("max", 300_000)]
    assert [runtime.program.windows[index].kind for index in runtime.nested] == ["max"]


# --- suppression, severity ------------------------------------------------------------------------------------------


def test_a_cause_silences_its_consequence_however_they_come() -> None:
    of = make_class(rules={"low": rule("load < 10", suppressed_by=["stopped"]), "stopped": rule("not running")})
    bench = Bench(of)
    bench.at(0, load=50.0, running=True)
    raised = {record.rule: record for record in bench.at(1, load=5.0, running=False) if isinstance(record, AlarmRaised)}
    assert raised["stopped"].suppressed_by == ""
    assert raised["low"].suppressed_by == "stopped"
    freed = [record for record in bench.at(2, running=True) if isinstance(record, AlarmChanged)]
    assert [(record.rule, record.what) for record in freed] == [("low", "unsuppressed")]


def test_life_safety_is_silenced_by_nothing_less_than_life_safety() -> None:
    of = make_class(
        rules={
            "fire": rule("load > load_max", severity="life_safety", suppressed_by=["stopped", "worse"]),
            "stopped": rule("not running"),
            "worse": rule("mode == 'manual'", severity="life_safety"),
        }
    )
    bench = Bench(of)
    raised = bench.at(0, load=101.0, running=False, mode="auto")
    assert {record.rule: record.suppressed_by for record in raised if isinstance(record, AlarmRaised)} == {
        "stopped": "", "fire": ""
    }  # fmt: skip
    changed = [record for record in bench.at(1, mode="manual") if isinstance(record, AlarmChanged)]
    assert [(record.rule, record.what, record.reason) for record in changed] == [("fire", "suppressed", "worse")]


def test_an_alarm_that_lasts_grows_more_severe() -> None:
    of = make_class(rules={"overload": rule("load > load_max", escalate=[{"after": "60s", "severity": "critical"}])})
    bench = Bench(of)
    bench.at(0, load=101.0)
    for second in range(10, 60, 10):
        assert bench.at(second, load=101.0) == []
    changed = only(bench.at(60, load=101.0))
    assert isinstance(changed, AlarmChanged)
    assert (changed.what, changed.severity) == ("severity", Severity.CRITICAL)


# --- not knowing ----------------------------------------------------------------------------------------------------


def test_bad_data_neither_raises_nor_clears() -> None:
    bench = Bench(OVERLOAD)
    bench.at(0, load=101.0)
    bench.at(10, load=101.0)
    assert bench.lose(11, "load") == []
    assert bench.lose(60, "load") == []


def test_uncertain_data_counts_as_not_known() -> None:
    bench = Bench(make_class(rules={"overload": rule("load > load_max")}))
    bench.at(0, load=50.0)
    bench.now = Moment(START.wall_ms + 1000, START.steady_ms + 1000)
    uncertain = bench.sample("load", 150.0, Quality.UNCERTAIN, Cause.LATE)
    assert bench.engine.evaluate([uncertain], bench.now) == []


def test_a_silent_device_becomes_one_alarm_naming_it_whatever_it_measures() -> None:
    of = make_class(
        rules={"overload": rule("load > load_max"), "stopped": rule("not running"), "hand": rule("mode == 'manual'")}
    )
    bench = Bench(of)
    bench.at(0, load=1.0, running=True, mode="auto", starts=0.0)
    for second in range(1, 70):
        bench.lose(second, "load", "running", "mode", "starts")
    unknown = [record for record in bench.records if isinstance(record, RuleUnknown)]
    raised = [record for record in bench.records if isinstance(record, AlarmRaised)]
    assert {record.rule for record in unknown} == {"overload", "stopped", "hand"}
    assert unknown[0].cause is Cause.NO_RESPONSE
    assert [(record.rule, record.instance, record.severity) for record in raised] == [("no_data", "device_1", "minor")]
    back = bench.at(70, load=1.0, running=True, mode="auto", starts=0.0) + bench.at(71)
    assert kinds(back) == ["RuleUnknown", "RuleUnknown", "RuleUnknown", "AlarmCleared"]


def test_losing_sight_of_a_life_safety_rule_is_major() -> None:
    bench = Bench(make_class(rules={"fire": rule("running", severity="life_safety", unknown_after="5s")}))
    bench.at(0, running=False)
    bench.lose(1, "running")
    assert [record.severity for record in bench.at(7) if isinstance(record, AlarmRaised)] == ["major"]


def test_a_device_never_heard_of_is_told_after_the_permitted_time() -> None:
    bench = Bench(OVERLOAD)
    for second in range(60):
        assert bench.at(second) == []
    found = bench.at(60)
    assert kinds(found) == ["RuleUnknown", "AlarmRaised"]
    assert isinstance(found[0], RuleUnknown)
    assert found[0].cause is Cause.NOT_YET


def slow_bench() -> Bench:
    """``load`` comes every five minutes and may be fifteen old; ``running`` comes each second."""
    of = make_class(rules={"overload": rule("load > load_max"), "both": rule("load > load_max and running")})
    bench = Bench(of)
    device = bench.site.devices[0]
    slow = [replace(one, stale_after_ms=900_000) if one.point_id == "load" else one for one in device.bindings]
    bench.site = replace(bench.site, devices=(replace(device, bindings=tuple(slow)),))
    bench.engine = Engine(bench.site, START)
    return bench


def test_after_a_start_a_point_that_comes_seldom_is_not_missed_before_it_could_have_come() -> None:
    bench = slow_bench()
    for second in range(0, 900, 5):
        assert bench.at(second, running=True) == []
    told = bench.at(900, running=True)
    assert {record.rule for record in told if isinstance(record, RuleUnknown)} == {"overload", "both"}
    assert kinds(bench.at(905, running=True, load=1.0) + bench.at(906)) == [
        "RuleUnknown",
        "RuleUnknown",
        "AlarmCleared",
    ]


def test_after_a_start_a_point_that_comes_often_is_missed_although_another_may_still_come() -> None:
    bench = slow_bench()
    for second in range(60):
        assert bench.at(second) == []
    found = [(record.rule, record.point) for record in bench.at(60) if isinstance(record, RuleUnknown)]
    assert found == [("both", "running")]


def test_a_value_that_grows_old_is_stale_and_no_longer_known() -> None:
    bench = Bench(make_class(rules={"overload": rule("load > load_max", unknown_after="5s")}))
    bench.at(0, load=50.0)
    assert bench.at(15) == []
    assert bench.at(16) == []
    found = bench.at(21.5)
    assert isinstance(found[0], RuleUnknown)
    assert found[0].cause is Cause.STALE


def test_a_window_that_fills_raises_no_alarm_about_missing_data() -> None:
    bench = Bench(make_class(rules={"overload": rule("avg(load, '15min') > load_max", unknown_after="5s")}))
    for second in range(120):
        assert bench.at(second, load=1.0) == []


# --- restart --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", [1, 5, 9.9])
def test_a_restart_in_the_middle_of_a_delay_neither_restarts_nor_holds_it_up(stop: float) -> None:
    bench = Bench(OVERLOAD)
    bench.at(0, load=101.0)
    bench.at(stop, load=101.0)
    after = bench.restart(OVERLOAD, stop + 0.05)
    found = after.at(stop + 0.06, load=101.0) + after.at(9.98, load=101.0)
    assert found == []
    assert kinds(after.at(10.2, load=101.0)) == ["AlarmRaised"]


def test_a_restart_while_active_raises_nothing_again_and_clears_once() -> None:
    bench = Bench(OVERLOAD)
    bench.at(0, load=101.0)
    bench.at(10, load=101.0)
    after = bench.restart(OVERLOAD, 12)
    assert after.at(13, load=101.0) == []
    after.at(14, load=50.0)
    assert kinds(after.at(19, load=50.0)) == ["AlarmCleared"]
    last = after.restart(OVERLOAD, 20)
    assert last.at(21, load=50.0) == []


def test_a_restart_costs_a_mean_no_more_than_the_time_it_took() -> None:
    of = make_class(rules={"overload": rule("avg(load, window) > load_max", on_delay="0s")})
    bench = Bench(of)
    for second in range(70):
        bench.at(second, load=99.0)
    after = bench.restart(of, 72, everything=True)
    found = [record for second in range(73, 80) for record in after.at(second, load=140.0)]
    assert kinds(found) == ["AlarmRaised"]


def test_a_silent_device_stays_one_alarm_over_a_restart() -> None:
    of = make_class(rules={"overload": rule("load > load_max", unknown_after="5s")})
    bench = Bench(of)
    bench.lose(0, "load")
    assert kinds(bench.at(6)) == ["RuleUnknown", "AlarmRaised"]
    after = bench.restart(of, 8)
    assert after.lose(9, "load") == []
    assert after.lose(30, "load") == []
    assert kinds(after.at(31, load=1.0) + after.at(32)) == ["RuleUnknown", "AlarmCleared"]


def test_an_explanation_shows_every_term_and_what_is_waited_for() -> None:
    bench = Bench(OVERLOAD)
    bench.at(0, load=101.0)
    bench.at(4)
    found = bench.engine.explain("pump_1", "overload", bench.now)
    assert found is not None
    assert (found.phase, found.condition) == ("pending", True)
    assert found.waits_until_ms == START.steady_ms + 10_000
    assert [(term.name, term.age_ms) for term in found.terms] == [("load", 4_000), ("load_max", None)]
