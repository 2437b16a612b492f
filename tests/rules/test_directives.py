"""What the cloud may wish of an alarm or a limit, and what is refused."""

from typing import Any

import pytest

from contract.conventions import format_instant
from contract.messages import AlarmChanged, AlarmRaised, Directive, Record
from edge.rules.directives import Answer, apply
from tests.support.plant import NAME, START, Bench, kinds, make_class, rule

OVERLOAD = make_class(rules={"overload": rule("load > load_max", on_delay="10s", off_delay="5s", deadband=5)})


def only(records: list[Record]) -> Record:
    assert len(records) == 1, records
    return records[0]


def wish(bench: Bench, kind: Any, **keys: Any) -> Answer:
    values = {"equipment": "pump_1", "rule": "overload", "by": "li", "reason": "calibration", **keys}
    directive = Directive(id="d1", kind=kind, **values)
    return apply(bench.engine, directive, bench.now)


def later(seconds: float) -> str:
    return format_instant(START.wall_ms + round(seconds * 1000))


def test_a_shelved_alarm_is_raised_silently_and_comes_off_the_shelf_in_time() -> None:
    bench = Bench(make_class(rules={"overload": rule("load > load_max")}))
    bench.at(0, load=50.0)
    assert kinds(list(wish(bench, "shelve", until=later(60)).records)) == ["AlarmChanged"]
    raised = only(bench.at(10, load=101.0))
    assert isinstance(raised, AlarmRaised)
    assert raised.suppressed_by == "shelved"
    found = bench.at(60, load=101.0)
    assert [(record.what, record.rule) for record in found if isinstance(record, AlarmChanged)] == [
        ("unshelved", "overload"), ("unsuppressed", "overload")
    ]  # fmt: skip


def test_a_shelf_survives_a_restart() -> None:
    of = make_class(rules={"overload": rule("load > load_max")})
    bench = Bench(of)
    wish(bench, "shelve", until=later(60))
    after = bench.restart(of, 5)
    raised = only(after.at(6, load=101.0))
    assert isinstance(raised, AlarmRaised)
    assert raised.suppressed_by == "shelved"


def test_life_safety_is_not_shelved() -> None:
    bench = Bench(make_class(rules={"overload": rule("load > load_max", severity="life_safety")}))
    answer = wish(bench, "shelve", until=later(60))
    assert not answer.is_applied
    assert "out of service" in answer.reason


def test_a_shelf_without_an_end_is_refused() -> None:
    bench = Bench(OVERLOAD)
    assert "end" in wish(bench, "shelve").reason
    assert not wish(bench, "shelve", until=later(-1)).is_applied


def test_out_of_service_silences_even_life_safety_until_it_ends() -> None:
    bench = Bench(make_class(rules={"overload": rule("load > load_max", severity="life_safety")}))
    bench.at(0, load=101.0)
    answer = wish(bench, "out_of_service", rule="", until=later(100))
    assert [record.what for record in answer.records if isinstance(record, AlarmChanged)] == [
        "out_of_service",
        "suppressed",
    ]
    found = bench.at(100)
    assert [record.what for record in found if isinstance(record, AlarmChanged)] == ["in_service", "unsuppressed"]


def test_a_limit_set_from_the_cloud_holds_at_once_and_after_a_restart() -> None:
    of = make_class(rules={"overload": rule("load > load_max", on_delay="hold")})
    bench = Bench(of)
    bench.at(0, load=90.0)
    assert wish(bench, "set_limit", limit="load_max", value=80.0).is_refresh
    wish(bench, "set_limit", limit="hold", value=2.0)
    bench.at(1)
    assert bench.at(2.5) == []
    after = bench.restart(of, 3)
    assert after.engine.cloud_limits["pump_1"]["load_max"]["value"] == 80.0
    assert kinds(after.at(4, load=90.0)) == ["AlarmRaised"]
    assert apply(
        after.engine, Directive(id="d2", kind="set_limit", by="li", equipment="pump_1", limit="load_max"), after.now
    ).is_applied
    assert kinds(after.at(5, load=90.0)) == ["AlarmCleared"]


def test_an_acknowledged_alarm_is_shown_as_such_and_a_latched_one_lets_go() -> None:
    bench = Bench(make_class(rules={"overload": rule("load > load_max", latching=True)}))
    bench.at(0, load=101.0)
    bench.at(1, load=1.0)
    assert [one.is_acknowledged for one in bench.engine.active_alarms()] == [False]
    assert kinds(list(wish(bench, "acknowledge").records)) == ["AlarmCleared"]
    assert bench.engine.active_alarms() == []


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"equipment": "pump_9"}, "pump_9 is not on this gateway"),
        ({"rule": "overlode"}, "overlode does not run on pump_1"),
    ],
)
def test_a_wish_for_what_is_not_here_is_refused_with_its_reason(keys: dict[str, str], said: str) -> None:
    answer = wish(Bench(OVERLOAD), "acknowledge", **keys)
    assert not answer.is_applied
    assert said in answer.reason


def test_the_cloud_sets_no_figure_outside_what_is_allowed() -> None:
    limits = {"hold": {"name": NAME, "value": 10, "unit": "s", "unverified": True, "allowed": [10, 30]}}
    bench = Bench(make_class(limits=limits, rules={"overload": rule("load > load_max", on_delay="hold")}))
    answer = wish(bench, "set_limit", limit="hold", value=9.0)
    assert (answer.is_applied, answer.reason) == (False, "hold: 9 s lies outside 10 to 30 s")
    assert wish(bench, "set_limit", limit="hold", value=30.0).is_applied


def test_an_alarm_that_cleared_unseen_is_known_as_such_until_it_is_acknowledged() -> None:
    bench = Bench(make_class(rules={"overload": rule("load > load_max")}))
    bench.at(0, load=101.0)
    bench.at(1, load=50.0)
    after = bench.restart(make_class(rules={"overload": rule("load > load_max")}), 2)
    after.at(3, load=50.0)
    (alarm,) = after.engine.returned_alarms()
    assert (alarm.rule, alarm.returned_ms) == ("overload", START.wall_ms + 1000)
    explained = after.engine.explain("pump_1", "overload", after.now)
    assert explained is not None
    assert (explained.phase, explained.standing) == ("normal", "cleared_unacknowledged")
    assert wish(after, "acknowledge").is_applied
    assert after.engine.returned_alarms() == []


def test_an_acknowledged_or_silent_alarm_leaves_nothing_to_acknowledge() -> None:
    bench = Bench(make_class(rules={"overload": rule("load > load_max")}))
    bench.at(0, load=101.0)
    wish(bench, "acknowledge")
    bench.at(1, load=50.0)
    assert bench.engine.returned_alarms() == []
    wish(bench, "shelve", until=later(60))
    bench.at(2, load=101.0)
    bench.at(3, load=50.0)
    assert bench.engine.returned_alarms() == []
