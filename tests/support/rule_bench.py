"""One rule of a shipped class on the real engine, and the rows of ``tests/rules/rows`` that put it on either side.

A row names what is read, in class units; ``serves.x`` is a point of the equipment served, ``hour`` and ``weekday`` set
the site's own clock. Keys: ``sick`` and ``well`` just on either side, ``at`` on the limit (``at_is`` says what holds there),
``with`` in every phase, ``rest`` before and ``clear`` after, ``limits`` and ``ratings`` of this row. ``{add: 1}`` moves a
value each second. Shorter: ``bit`` (with ``sick``), ``point``/``at``/``step``/``beyond`` for a limit, ``each`` for the same limit of several points, ``toggle`` for what
counts changes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from contract.messages import AlarmCleared, AlarmRaised, Cause, Quality, Record, Value
from device_profiles.library import Library
from device_profiles.schema import EquipmentClass, Rule
from edge.decode.sample import Moment, Sample
from edge.figures import limits_of, rules_of
from edge.rules.alarm import due
from edge.rules.engine import Engine
from edge.rules.runtime import RuleRun, Runtime
from edge.site import Binding, Bus, Device, Equipment, Site
from simulators.physics import create
from tests.support.devices import modbus_model
from tests.support.living_equipment import LIBRARY, RATINGS
from tests.support.plant import MAPPING, make_gateway

ROWS = Path(__file__).parents[1] / "rules" / "rows"
MONDAY_MS = 1_794_758_400_000
"""2026-11-16 00:00 in Shanghai."""
START_S = 1_795_000_000
HOUR_MS = 3_600_000
FOREVER_MS = 10**15
Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One row, its short forms written out."""

    class_id: str
    rule_id: str
    number: int
    sick: Values
    well: Values
    at: Values | None
    at_is: bool
    rest: Values
    clear: Values
    ratings: Mapping[str, float | str]
    serves_ratings: Mapping[str, float | str]
    limits: Mapping[str, float]
    toggle: tuple[str, tuple[Value, ...], int] | None = None
    is_limit: bool = False
    """True when one step past a limit is all that separates ``sick`` from ``well``."""

    @property
    def rule(self) -> Rule:
        return LIBRARY.classes[self.class_id].rules[self.rule_id]

    def __str__(self) -> str:
        return f"{self.class_id}-{self.rule_id}-{self.number}"


def rows() -> Iterator[Row]:
    """Every row of every class."""
    for path in sorted(ROWS.glob("*.yaml")):
        table = yaml.safe_load(path.read_text(encoding="utf-8"))
        for rule_id, written in table["rules"].items():
            for number, one in enumerate(_each(written), start=1):
                yield _row(path.stem, rule_id, number, one, table)


def _each(written: Any) -> Iterator[dict[str, Any]]:
    """The rows of a rule; ``each`` stands for one row a point."""
    for one in written if isinstance(written, list) else [written]:
        yield from ({**one, "point": point} for point in one["each"]) if "each" in one else [one]


def _row(class_id: str, rule_id: str, number: int, one: dict[str, Any], table: dict[str, Any]) -> Row:
    always: Values = one.get("with", {})
    rest = {**table.get("rest", {}), **always, **one.get("rest", {})}
    sick, well, at, at_is = _sides(one)
    return Row(
        class_id, rule_id, number, {**rest, **always, **sick}, {**rest, **always, **well},
        None if at is None else {**rest, **always, **at}, at_is, rest, {**rest, **one.get("clear", {})},
        {**RATINGS[class_id], **table.get("ratings", {}), **one.get("ratings", {})}, table.get("serves_ratings", {}),
        one.get("limits", {}), _toggle(one), "step" in one,
    )  # fmt: skip


def _sides(one: dict[str, Any]) -> tuple[Values, Values, Values | None, bool]:
    if "bit" in one:
        wanted = one.get("sick", True)
        return {one["bit"]: wanted}, {one["bit"]: not wanted}, None, False
    if "step" in one:
        points = one["point"] if isinstance(one["point"], list) else [one["point"]]
        further = one["step"] if one["beyond"] == "above" else -one["step"]
        sides = [dict.fromkeys(points, round(one["at"] + by, 9)) for by in (further, -further, 0)]
        return sides[0], sides[1], sides[2], False
    if "toggle" in one:
        return {}, {}, None, bool(one.get("at_is", True))
    return one["sick"], one["well"], one.get("at"), False


def _toggle(one: dict[str, Any]) -> tuple[str, tuple[Value, ...], int] | None:
    return (one["toggle"], tuple(one["values"]), one["at"]) if "toggle" in one else None


class RuleBench:
    """An engine that runs one rule of one piece of equipment, with a hand on its clock."""

    def __init__(self, row: Row) -> None:
        self.row, self.rule = row, row.rule
        self.steady = MONDAY_MS + 60 * HOUR_MS
        self.ahead_ms = 0
        self._frozen: int | None = None
        self.engine = Engine(_site(row), self._moment())
        self.records: list[Record] = []
        of = LIBRARY.classes[row.class_id]
        limits = {name: limit.value for name, limit in of.limits.items()}
        self._healthy = create(row.class_id, 7, row.ratings, {**limits, **row.limits}).values(START_S)
        self._values: dict[str, Value] = dict(self._healthy)

    # --- time and values ----------------------------------------------------------------------------------------

    def _moment(self) -> Moment:
        wall = self.steady if self._frozen is None else self._frozen
        return Moment(wall_ms=wall + self.ahead_ms, steady_ms=self.steady)

    def read(self, values: Values, *, after_ms: int = 0) -> list[Record]:
        """Some time later these values are read, besides what a healthy plant shows."""
        self.steady += after_ms
        if "hour" in values or "weekday" in values:
            day = int(values.get("weekday", 3)) - 1
            self._frozen = MONDAY_MS + day * 24 * HOUR_MS + round(values.get("hour", 12) * HOUR_MS)
        moved = {name: self._moved(name, value, after_ms) for name, value in values.items()}
        self._values = {**self._healthy, **moved}
        return self._evaluate([self._sample(name, value) for name, value in self._needed()])

    def _moved(self, name: str, value: Any, after_ms: int) -> Value:
        if not isinstance(value, dict):
            return value  # type: ignore[no-any-return]
        before = self._values.get(name, 1000.0)
        assert isinstance(before, int | float)
        return before + float(value["add"]) * after_ms / 1000

    def wait(self, ms: int) -> list[Record]:
        """Time passes and nothing is read."""
        self.steady += ms
        return self._evaluate([])

    def lose(self) -> list[Record]:
        """Everything that the rule needs is read badly."""
        names = (*self.run.points, *self._related())
        return self._evaluate([self._sample(name, None, Quality.BAD, Cause.NO_RESPONSE) for name in names])

    def _related(self) -> list[str]:
        return [name for name in self.run.code.names if name.startswith("serves.")]

    def _needed(self) -> list[tuple[str, Value]]:
        names = dict.fromkeys([*self.run.points, *self._related()])
        return [(name, self._values[name]) for name in names if name in self._values]

    def _sample(
        self, name: str, value: Value, quality: Quality = Quality.GOOD, cause: Cause = Cause.NONE
    ) -> Sample:  # fmt: skip
        equipment = "other" if name.startswith("serves.") else "one"
        at = self._moment()
        point = name.removeprefix("serves.")
        return Sample(equipment, equipment, point, value, quality, cause, at.wall_ms, at.steady_ms)

    def _evaluate(self, samples: list[Sample]) -> list[Record]:
        found = [
            one for one in self.engine.evaluate(samples, self._moment()) if getattr(one, "rule", "") == self.run.id
        ]
        self.records += found
        return found

    # --- what it came to ----------------------------------------------------------------------------------------

    @property
    def runtime(self) -> Runtime:
        runtime = self.engine.runtime("one")
        assert runtime is not None
        return runtime

    @property
    def run(self) -> RuleRun:
        return self.runtime.rules[self.row.rule_id]

    @property
    def span_ms(self) -> int:
        """The longest window that the rule looks back on; 0 for none."""
        program = self.runtime.program
        return max((spec.span_ms(self.runtime.limits, program.scope) for spec in program.windows), default=0)

    @property
    def due_in_ms(self) -> int:
        """How long until the running delay ends."""
        at = due(self.run.state, self.run.settings)
        assert at is not None
        return at - self.steady

    @property
    def step_ms(self) -> int:
        return max(self.span_ms // 60, 1000)

    def settle(self, values: Values, ms: int) -> list[Record]:
        """The same values for so long, read every so often."""
        found = self.read(values, after_ms=1000)
        for _ in range(ms // self.step_ms):
            found += self.read(values, after_ms=self.step_ms)
        return found

    def rest(self) -> None:
        """A healthy plant for as long as the rule looks back."""
        assert not raised(self.settle(self.row.rest, round(1.1 * self.span_ms)))

    def turn(self, times: int) -> list[Record]:
        """The point of a toggle row changes so many times, quickly."""
        assert self.row.toggle is not None
        point, values, _ = self.row.toggle
        found = self.read({**self.row.rest, point: values[0]}, after_ms=100)
        for change in range(1, times + 1):
            found += self.read({**self.row.rest, point: values[change % len(values)]}, after_ms=100)
        return found

    def beyond(self, values: Values) -> list[Record]:
        """Read until the condition has been seen; where nothing looks back it must be seen at once."""
        if self.row.toggle is not None:
            found = self.turn(self.row.toggle[2] + (0 if self.row.at_is else 1))
            assert self.run.state.phase != "normal", "the condition did not become true"
            return found
        found = self.read(values, after_ms=1000)
        for _ in range(80 if self.span_ms else 0):
            if self.run.state.phase != "normal":
                break
            found += self.read(values, after_ms=self.step_ms)
        assert self.run.state.phase != "normal", "the condition did not become true"
        return found


def raised(records: list[Record]) -> bool:
    return any(isinstance(one, AlarmRaised) for one in records)


def cleared(records: list[Record]) -> bool:
    return any(isinstance(one, AlarmCleared) for one in records)


def _site(row: Row) -> Site:
    of = LIBRARY.classes[row.class_id]
    small = of.model_copy(update={"rules": {row.rule_id: row.rule}, "tests": {}})
    things = [_equipment("one", small, row.ratings, row.limits, "other" if row.rule.serves else "")]
    if row.rule.serves:
        ratings = row.ratings if row.rule.serves == row.class_id else row.serves_ratings
        things.append(_equipment("other", _bare(row.rule.serves), ratings, {}, ""))
    return _site_of(things)


def proof_site(class_id: str, test_id: str, ratings: Mapping[str, float | str], limits: Mapping[str, float]) -> Site:
    """``one`` of a class with one observed test and no rule, and ``other`` of the class that the test says it serves."""
    of = LIBRARY.classes[class_id]
    test = of.tests[test_id]
    small = of.model_copy(update={"rules": {}, "tests": {test_id: test}})
    served = test.observed.serves if test.observed else None
    things = [replace(_equipment("one", small, ratings, limits, "other" if served else ""), tests={test_id: test})]
    if served:
        things.append(_equipment("other", _bare(served), ratings, {}, ""))
    return _site_of(things)


def _bare(class_id: str) -> EquipmentClass:
    return LIBRARY.classes[class_id].model_copy(update={"rules": {}, "tests": {}})


def _site_of(things: list[Equipment]) -> Site:
    bus = Bus("lan", "tcp", host="127.0.0.1", port=502)
    model = modbus_model({"load": {"address": 0}})
    devices = tuple(
        Device(one.id, model, bus, index, 1000, _bindings(one)) for index, one in enumerate(things, start=1)
    )  # fmt: skip
    return Site(
        "demo", "Demo", "Asia/Shanghai", make_gateway(), tuple(things), (bus,), devices, Library({}, {}, {}),
        Path("site.yaml"),
    )  # fmt: skip


def _equipment(
    name: str, of: EquipmentClass, ratings: Mapping[str, float | str], limits: Mapping[str, float], serves: str
) -> Equipment:
    figures = {one: rating.default for one, rating in of.ratings.items() if rating.default is not None}
    return Equipment(
        id=name, equipment_class=of, name=of.name, roles=tuple(of.roles), ratings={**figures, **ratings},
        limits=limits_of(of, dict(limits)), rules=rules_of(of, set(of.roles), []), tests={}, serves=serves, place="",
    )  # fmt: skip


def _bindings(one: Equipment) -> tuple[Binding, ...]:
    points = one.equipment_class.points
    return tuple(Binding(name, one.id, name, point, MAPPING, 1000, FOREVER_MS) for name, point in points.items())
