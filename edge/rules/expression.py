"""decode → rules: the language of conditions. Text to checked code, once; afterwards only evaluation (pure).

A whitelisted subset of Python expressions: names of points, limits and ratings, numbers, words in quotes, arithmetic,
comparison, ``and or not``, ``abs min max sqrt``, and windows ``avg min max rate delta count held_for since last`` whose
last argument is a time. Nothing else parses, so the code made from it can do nothing else.

Truth is three-valued. A point without good quality is absent from the values; whatever needs it is unknown (None),
except where the rest decides: ``false and unknown`` is false.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from device_profiles.names import CLOCK
from device_profiles.schema import EquipmentClass
from edge.rules import windows
from edge.rules.units import PLAIN, Unit, parse_unit

Values = Mapping[str, Any]
Code = Callable[[Values, list[windows.Window], int, float], Any]
"""values, windows of this equipment, steady_ms, deadband → result; raises LookupError or ArithmeticError if unknown."""

NOT_KNOWN = (LookupError, ArithmeticError, ValueError, TypeError)
TIME_UNITS = {"s": 1000, "min": 60_000, "h": 3_600_000}
_GLOBALS = {"__builtins__": {}, "abs": abs, "min": min, "max": max, "sqrt": math.sqrt}


@dataclass(frozen=True, slots=True)
class Symbol:
    """One name an expression may use."""

    source: Literal["point", "limit", "rating", "clock"]
    kind: Literal["number", "truth", "word"]
    unit: Unit = PLAIN
    words: tuple[str, ...] = ()
    is_counter: bool = False
    unit_text: str = ""

    @property
    def ms_per_unit(self) -> int:
        """Milliseconds in one unit of a time limit; 0 for what is no time."""
        return TIME_UNITS.get(self.unit_text, 0) if self.source == "limit" else 0


Scope = Mapping[str, Symbol]
_CLOCK = {
    name: Symbol("clock", "number", parse_unit(unit), unit_text=unit)
    for name, unit in zip(CLOCK, ("h", ""), strict=True)
}


def scope_of(equipment_class: EquipmentClass, served: EquipmentClass | None = None) -> dict[str, Symbol]:
    """Every name the rules of a class may use; ``serves.x`` for what the equipment serves."""
    names: dict[str, Symbol] = dict(_CLOCK)
    for name, rating in equipment_class.ratings.items():
        words = tuple(rating.choices)
        kind: Literal["word", "number"] = "word" if words or isinstance(rating.default, str) else "number"
        names[name] = Symbol("rating", kind, parse_unit(rating.unit), words, unit_text=rating.unit)
    for name, limit in equipment_class.limits.items():
        names[name] = Symbol("limit", "number", parse_unit(limit.unit), unit_text=limit.unit)
    for name, point in equipment_class.points.items():
        kinds: dict[str, Literal["truth", "word"]] = {"bit": "truth", "state": "word", "text": "word"}
        words = tuple(point.states) if point.kind == "state" else ()
        names[name] = Symbol(
            "point", kinds.get(point.kind, "number"), parse_unit(point.unit), words, point.kind == "counter", point.unit
        )
    if served is not None:
        names |= {f"serves.{name}": one for name, one in scope_of(served).items() if one.source != "clock"}
    return names


@dataclass(frozen=True, slots=True)
class Node:
    """A checked part: its Python source, its type, and what three-valued truth needs to know of its shape."""

    source: str
    kind: Literal["number", "truth", "word"]
    unit: Unit | None = None
    """None for a bare number, which fits any unit."""
    words: tuple[str, ...] | None = None
    logic: Literal["atom", "and", "or", "not"] = "atom"
    parts: tuple[Node, ...] = ()
    names: tuple[str, ...] = ()
    is_limit: bool = False
    is_literal: bool = False
    shown: tuple[str, ...] = ()
    """Points whose value this is, so that a limit it is compared with can be drawn beside them."""


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """One window that the expressions of a class share: created once per equipment."""

    kind: str
    text: str
    argument: Expression
    span: int | str
    """Milliseconds, or the id of a limit."""
    is_counter: bool
    unit_text: str

    def span_ms(self, limits: Mapping[str, float], scope: Scope) -> int:
        if isinstance(self.span, int):
            return self.span
        return round(limits[self.span] * scope[self.span].ms_per_unit)

    def create(self, limits: Mapping[str, float], scope: Scope) -> windows.Window:
        return windows.create(self.kind, self.span_ms(limits, scope), is_counter=self.is_counter)


@dataclass(frozen=True, slots=True)
class TermSpec:
    """One value an expression looks at: a name, or a window by its index."""

    text: str
    unit: str
    name: str = ""
    window: int = -1


@dataclass(frozen=True, slots=True)
class Bound:
    """A point compared directly with a limit: beyond it on side ``op`` the condition is true."""

    point: str
    op: Literal["<", "<=", ">", ">="]
    limit: str


@dataclass(frozen=True, slots=True)
class Expression:
    """Checked code. ``truth`` and ``number`` give None for unknown."""

    text: str
    node: Node
    code: Code
    terms: tuple[TermSpec, ...]
    slow: Truth | None
    window_indexes: tuple[int, ...]
    bounds: tuple[Bound, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Every name it needs, also inside windows."""
        return self.node.names

    def value(self, values: Values, held: list[windows.Window], now: int) -> windows.Held:
        """Number, word or truth; None when unknown."""
        if self.slow is not None:
            return self.truth(values, held, now, 0.0)
        try:
            found: windows.Held = self.code(values, held, now, 0.0)
        except NOT_KNOWN:
            return None
        return found

    def truth(self, values: Values, held: list[windows.Window], now: int, deadband: float) -> bool | None:
        """True, false or unknown. ``deadband`` is 0 unless the alarm is active."""
        try:
            return bool(self.code(values, held, now, deadband))
        except NOT_KNOWN:
            return self.slow(values, held, now, deadband) if self.slow is not None else None


Truth = Callable[[Values, list[windows.Window], int, float], bool | None]


def compile_code(source: str) -> Code:
    compiled: Code = eval(f"lambda v, w, t, d: {source}", dict(_GLOBALS))  # noqa: S307 - written by the grammar alone
    return compiled


def compile_slow(node: Node) -> Truth:
    """Three-valued evaluation, used when the plain code met something unknown."""
    if node.logic == "atom":
        code = compile_code(node.source)

        def atom(v: Values, w: list[windows.Window], t: int, d: float) -> bool | None:
            try:
                return bool(code(v, w, t, d))
            except NOT_KNOWN:
                return None

        return atom
    parts = [compile_slow(part) for part in node.parts]
    if node.logic == "not":

        def negation(v: Values, w: list[windows.Window], t: int, d: float) -> bool | None:
            found = parts[0](v, w, t, d)
            return None if found is None else not found

        return negation
    decisive = node.logic == "or"

    def junction(v: Values, w: list[windows.Window], t: int, d: float) -> bool | None:
        found = [part(v, w, t, d) for part in parts]
        if decisive in found:
            return decisive
        return None if None in found else not decisive

    return junction


def can_be(node: Node, known: Callable[[str], bool], *, wanted: bool = True) -> bool:
    """Whether a condition could ever be ``wanted`` when only the names for which ``known`` holds are measured."""
    if node.logic == "not":
        return can_be(node.parts[0], known, wanted=not wanted)
    if node.logic in ("and", "or"):
        found = [can_be(part, known, wanted=wanted) for part in node.parts]
        return all(found) if (node.logic == "and") == wanted else any(found)
    return all(known(name) for name in node.names)


def measured(expression: Expression, known: Callable[[str], bool]) -> Expression:
    """The condition without what nothing measures: a part of an ``or`` that can never be true here is not waited for.

    Otherwise the rest could make it true, and nothing could ever make it false again.
    """
    node = _measured(expression.node, known, wanted=True)
    if node is expression.node:
        return expression
    terms = tuple(one for one in expression.terms if one.window >= 0 or one.name in node.names)
    return replace(expression, node=node, code=compile_code(node.source), slow=compile_slow(node), terms=terms)


def _measured(node: Node, known: Callable[[str], bool], *, wanted: bool) -> Node:
    if node.logic == "atom":
        return node
    is_not = node.logic == "not"
    parts = tuple(_measured(part, known, wanted=wanted != is_not) for part in node.parts)
    if not is_not and (node.logic == "or") is wanted:  # one part is enough
        parts = tuple(part for part in parts if can_be(part, known, wanted=wanted)) or parts
    if parts == node.parts:
        return node
    if len(parts) == 1 and not is_not:
        return parts[0]
    source = f"(not {parts[0].source})" if is_not else f"({f' {node.logic} '.join(part.source for part in parts)})"
    names = tuple(dict.fromkeys(name for part in parts for name in part.names))
    return replace(node, source=source, parts=parts, names=names)
