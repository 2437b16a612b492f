"""What a rule may look at beyond its own equipment's points: the site's clock, what it serves; and what is drawn of it."""

from dataclasses import replace

import pytest

from contract.messages import AlarmRaised, Cause, Quality, Record, Resolving, TestObserved, Text
from device_profiles.schema import EquipmentClass
from edge.announce import announce
from edge.decode.sample import Moment, Sample
from edge.rules.engine import Engine, check_conditions
from edge.rules.expression import scope_of
from edge.rules.grammar import Compiler, ExpressionError
from edge.rules.marks import compile_mark
from edge.rules.program import compile_class
from tests.support.plant import NAME, START, Bench, kinds, make_class, make_site, rule

NIGHT = {
    "night_from": {"name": NAME, "value": 3, "unit": "h", "unverified": True},
    "night_until": {"name": NAME, "value": 5, "unit": "h", "unverified": True},
}
AT_NIGHT = make_class(
    limits=NIGHT, rules={"leak": rule("load > load_max", gate="hour >= night_from and hour < night_until")}
)
HOUR_MS = 3_600_000
MIDNIGHT_MS = 1_794_931_200_000  # 2026-11-18 00:00 in Shanghai, a Wednesday


def at_hour(of: EquipmentClass, hour: float, **values: float) -> list[Record]:
    engine = Engine(make_site(of), START)
    now = Moment(MIDNIGHT_MS + round(hour * HOUR_MS), START.steady_ms + 1000)
    samples = [
        Sample("device_1", "pump_1", name, value, Quality.GOOD, Cause.NONE, now.wall_ms, now.steady_ms)
        for name, value in values.items()
    ]
    return engine.evaluate(samples, now)


@pytest.mark.parametrize(
    ("hour", "raises"), [(2 + 59 / 60, []), (3, ["AlarmRaised"]), (4 + 59 / 60, ["AlarmRaised"]), (5, [])]
)
def test_a_rule_may_ask_for_the_hour_of_the_site(hour: float, raises: list[str]) -> None:
    assert kinds(at_hour(AT_NIGHT, hour, load=101.0)) == raises


def test_a_rule_may_ask_for_the_day_of_the_week() -> None:
    busy = make_class(
        rules={"busy": rule("load > load_max and weekday <= 3"), "rest": rule("load > load_max and weekday > 3")}
    )
    assert [one.rule for one in at_hour(busy, 23.9, load=101.0) if isinstance(one, AlarmRaised)] == ["busy"]
    assert [one.rule for one in at_hour(busy, 24, load=101.0) if isinstance(one, AlarmRaised)] == ["rest"]


def test_the_hour_comes_without_a_sample_and_is_told_with_the_alarm() -> None:
    bench = Bench(AT_NIGHT)
    jump = (MIDNIGHT_MS + 2.999 * HOUR_MS - START.wall_ms) / 1000
    assert bench.at(1, wall_jump_s=jump, load=101.0) == []
    found = bench.at(5, wall_jump_s=jump)
    assert kinds(found) == ["AlarmRaised"]
    assert isinstance(found[0], AlarmRaised)
    assert ("hour", 3.0, "h") in [(term.name, term.value, term.unit) for term in found[0].because]


# --- what it serves ---------------------------------------------------------------------------------------------------

STANDBY = make_class(
    rules={"not_started": rule("serves.running == false and not running", serves="pump", on_delay="5s")},
    tests={
        "changeover": {
            "name": NAME, "every": "P1M", "clause": "e-no-overload",
            "observed": {
                "serves": "pump", "start": "running and not serves.running", "end": "serves.running", "passes": "load > 0",
                "minimum": "hold",
            },
        }
    },
)  # fmt: skip


def pair(of: EquipmentClass) -> Engine:
    """``pump_2`` stands in for ``pump_1``."""
    site = make_site(of)
    duty, device = site.equipment[0], site.devices[0]
    standby = replace(duty, id="pump_2", serves="pump_1")
    bindings = (*device.bindings, *(replace(one, equipment="pump_2") for one in device.bindings))
    return Engine(replace(site, equipment=(duty, standby), devices=(replace(device, bindings=bindings),)), START)


def seen(engine: Engine, second: float, **values: bool | float) -> list[Record]:
    """``duty_running=False`` is the point ``running`` of the duty pump, anything else of the standby."""
    now = Moment(START.wall_ms + round(second * 1000), START.steady_ms + round(second * 1000))
    samples = [
        Sample(
            "device_1", "pump_1" if name.startswith("duty_") else "pump_2", name.removeprefix("duty_"), value,
            Quality.GOOD, Cause.NONE, now.wall_ms, now.steady_ms,
        )
        for name, value in values.items()
    ]  # fmt: skip
    return engine.evaluate(samples, now)


def test_a_standby_that_does_not_start_is_noticed_at_the_standby() -> None:
    engine = pair(STANDBY)
    assert seen(engine, 1, duty_running=True, running=False) == []
    assert seen(engine, 2, duty_running=False) == []
    assert seen(engine, 6.9) == []
    found = seen(engine, 7)
    assert [(one.equipment, one.rule) for one in found if isinstance(one, AlarmRaised)] == [("pump_2", "not_started")]


def test_equipment_that_serves_nothing_has_no_such_rule_and_no_mistake() -> None:
    site = make_site(STANDBY)
    assert check_conditions(site) == []
    explained = Engine(site, START).explain("pump_1", "not_started", START)
    assert explained is not None
    assert explained.unwatched == "serves no pump"


def test_a_changeover_is_a_test_that_lasts_as_long_as_the_site_says() -> None:
    for lasts, reasons in [(9, ["lasted 9 s of at least 10 s"]), (10, [])]:
        engine = pair(STANDBY)
        seen(engine, 0, duty_running=True, running=False, load=3.0)
        seen(engine, 1, duty_running=False, running=True)
        found = [one for one in seen(engine, 1 + lasts, duty_running=True) if isinstance(one, TestObserved)]
        assert [(one.test, one.passed, one.reasons) for one in found] == [("changeover", not reasons, reasons)]


def test_a_relation_to_a_point_that_is_not_there_is_a_mistake() -> None:
    of = make_class(rules={"bad": rule("serves.pressure > 3", serves="pump")})
    assert [one.message for one in compile_class(of, of).mistakes] == [
        "serves.pressure is no point, limit or rating here"
    ]


# --- what is drawn ----------------------------------------------------------------------------------------------------


def test_a_mark_is_drawn_with_the_figures_of_this_equipment() -> None:
    of = make_class(
        rules={"overload": rule("load / rated_kw * 100 > share", marks=["load > rated_kw * share / 100"])},
        limits={"share": {"name": NAME, "value": 80, "unit": "%", "unverified": True}},
    )
    site = make_site(of)
    engine = Engine(site, START)
    point = next(one for one in announce(site, engine, {}, "1").equipment[0].points if one.id == "load")
    assert [(one.rule, one.op, one.value) for one in point.limits] == [("overload", ">", 160.0)]
    runtime = engine.runtime("pump_1")
    assert runtime is not None
    runtime.set_limit("share", 50)
    point = next(one for one in announce(site, engine, {}, "1").equipment[0].points if one.id == "load")
    assert [one.value for one in point.limits] == [100.0]


def test_a_mark_is_drawn_in_the_unit_of_its_point() -> None:
    of = make_class(limits={"watts": {"name": NAME, "value": 2000, "unit": "W", "unverified": True}})
    mark = compile_mark(Compiler(scope_of(of)), "load < watts * 2")
    assert (mark.op, mark.value({"watts": 2000})) == ("<", 4.0)
    assert mark.value({}) is None


@pytest.mark.parametrize("text", ["load_max > load", "load > starts", "load > running", "load", "load > rated_kw > 3"])
def test_a_mark_that_draws_nothing_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        compile_mark(Compiler(scope_of(make_class())), text)


def test_what_a_ticket_of_a_rule_needs_before_it_is_resolved_is_announced_with_the_rule() -> None:
    resolve = {"photos": ["repair"], "within_limits": ["load"], "lasting": "15min", "note": NAME}
    of = make_class(rules={
        "overload": rule("load > load_max", resolve=resolve), "other": rule("load > load_max"),
    })  # fmt: skip
    told = {
        one.id: one.resolve for one in announce(make_site(of), Engine(make_site(of), START), {}, "1").equipment[0].rules
    }
    note = Text(en=NAME["en"], zh=NAME["zh"])
    assert told["overload"] == Resolving(photos=["repair"], within_limits=["load"], lasting_ms=900_000, note=note)
    assert told["other"] is None
