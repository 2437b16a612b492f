"""decode → rules: the grammar. Text of a condition to checked code, once; an error shows a caret under the place (pure)."""

from __future__ import annotations

import ast
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from device_profiles.schema import parse_duration_ms
from edge.rules.expression import (
    Bound,
    Expression,
    Node,
    Scope,
    Symbol,
    TermSpec,
    WindowSpec,
    compile_code,
    compile_slow,
)
from edge.rules.units import PLAIN, SECOND, Unit

WINDOWED = ("avg", "rate", "delta", "count", "repeats", "held_for", "since", "last")
_ARITHMETIC = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**", ast.Mod: "%"}
_ORDER = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
_SAME = {ast.Eq: "==", ast.NotEq: "!="}


class ExpressionError(ValueError):
    """A condition that cannot be used, shown with a caret under the place."""

    def __init__(self, message: str, text: str, offset: int) -> None:
        super().__init__(f"{message}\n  {text}\n  {' ' * offset}^")
        self.message, self.text, self.offset = message, text, offset


@dataclass(slots=True)
class Compiler:
    """Compiles the expressions of one class (or one pair of related classes); they share their windows."""

    scope: Scope
    windows: list[WindowSpec] = field(default_factory=list)
    has_served: bool = True
    """False where it is not yet known what the equipment serves: ``serves.x`` is then taken on trust."""

    def truth(self, text: str) -> Expression:
        """A condition. Raises ExpressionError."""
        expression = self.any(text)
        if expression.node.kind != "truth":
            raise ExpressionError(f"this is a {expression.node.kind}, not a condition", text, 0)
        return expression

    def any(self, text: str) -> Expression:
        """An expression of any kind. Raises ExpressionError."""
        tidy = " ".join(text.split())
        try:
            tree = ast.parse(tidy, mode="eval")
        except (SyntaxError, ValueError, RecursionError) as error:
            at = getattr(error, "offset", 1) or 1
            raise ExpressionError("this does not read as an expression", tidy, max(at - 1, 0)) from error
        return _Checker(self, tidy).expression(tree.body)

    def window(self, spec: WindowSpec) -> int:
        """Index of the window, shared with an equal one."""
        key = (spec.kind, spec.argument.node.source, spec.span)
        for index, known in enumerate(self.windows):
            if (known.kind, known.argument.node.source, known.span) == key:
                return index
        self.windows.append(spec)
        return len(self.windows) - 1


class _Checker:
    """Walks one expression, checking kinds and units, and writes the code."""

    def __init__(self, compiler: Compiler, text: str) -> None:
        self.compiler, self.text = compiler, text
        self.terms: dict[str, TermSpec] = {}
        self.used_windows: list[int] = []
        self.bounds: list[Bound] = []

    def expression(self, tree: ast.expr) -> Expression:
        node = self.node(tree)
        return self._finish(node, self.text)

    def _finish(self, node: Node, text: str) -> Expression:
        slow = compile_slow(node) if node.kind == "truth" else None
        return Expression(
            text,
            node,
            compile_code(node.source),
            tuple(self.terms.values()),
            slow,
            tuple(self.used_windows),
            tuple(self.bounds),
        )

    def fail(self, tree: ast.expr, message: str) -> ExpressionError:
        return ExpressionError(message, self.text, len(self.text.encode()[: tree.col_offset].decode(errors="ignore")))

    def node(self, tree: ast.expr) -> Node:  # noqa: PLR0911 - one line a kind of node
        match tree:
            case ast.Constant():
                return self.constant(tree)
            case ast.Name() | ast.Attribute():
                return self.name(tree)
            case ast.UnaryOp(op=ast.Not()):
                part = self.truth(tree.operand)
                self.bounds.clear()  # turned round: no longer a limit one can draw
                return Node(f"(not {part.source})", "truth", logic="not", parts=(part,), names=part.names)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
                part = self.number(tree.operand)
                sign = "-" if isinstance(tree.op, ast.USub) else "+"
                return Node(f"({sign}{part.source})", "number", part.unit, names=part.names)
            case ast.BoolOp():
                return self.logic(tree)
            case ast.BinOp():
                return self.arithmetic(tree)
            case ast.Compare():
                return self.comparison(tree)
            case ast.Call():
                return self.call(tree)
        raise self.fail(tree, f"{type(tree).__name__.lower()} is not part of the rule language")

    def constant(self, tree: ast.Constant) -> Node:
        if isinstance(tree.value, bool):
            return Node(repr(tree.value), "truth", is_literal=True)
        if isinstance(tree.value, int | float):
            return Node(repr(tree.value), "number", is_literal=True)
        if isinstance(tree.value, str):
            return Node(repr(tree.value), "word", words=(tree.value,), is_literal=True)
        raise self.fail(tree, f"{tree.value!r} is not part of the rule language")

    def name(self, tree: ast.Name | ast.Attribute) -> Node:
        name = ast.unparse(tree)
        if name in ("true", "false"):
            return Node(name.title(), "truth", is_literal=True)
        symbol = self.compiler.scope.get(name)
        if symbol is None:
            if name.startswith("serves.") and not self.compiler.has_served:
                symbol = Symbol("point", "number")
            else:
                raise self.fail(tree, f"{name} is no point, limit or rating here")
        self.terms.setdefault(name, TermSpec(name, symbol.unit_text, name=name))
        return Node(
            f"v[{name!r}]", symbol.kind, symbol.unit if symbol.kind == "number" else None,
            symbol.words or None if symbol.kind == "word" else None, names=(name,), is_limit=symbol.source == "limit",
            shown=(name,) if symbol.source == "point" else (),
        )  # fmt: skip

    def truth(self, tree: ast.expr) -> Node:
        node = self.node(tree)
        if node.kind != "truth":
            raise self.fail(tree, f"this is a {node.kind}, not a condition")
        return node

    def number(self, tree: ast.expr) -> Node:
        node = self.node(tree)
        if node.kind != "number":
            raise self.fail(tree, f"this is a {node.kind}, not a number")
        return node

    def logic(self, tree: ast.BoolOp) -> Node:
        parts = tuple(self.truth(part) for part in tree.values)
        word: Literal["and", "or"] = "and" if isinstance(tree.op, ast.And) else "or"
        source = "(" + f" {word} ".join(part.source for part in parts) + ")"
        return Node(source, "truth", logic=word, parts=parts, names=_names(parts))

    def arithmetic(self, tree: ast.BinOp) -> Node:
        sign = _ARITHMETIC.get(type(tree.op))
        if sign is None:
            raise self.fail(tree, "only + - * / ** and % are part of the rule language")
        left, right = self.number(tree.left), self.number(tree.right)
        names = _names((left, right))
        if sign in ("+", "-", "%"):
            unit, second = self.alike(tree, left, right)
            return Node(f"({left.source} {sign} {second})", "number", unit, names=names)
        return Node(
            f"({left.source} {sign} {right.source})", "number", self.product(tree, sign, left, right), names=names
        )

    def product(self, tree: ast.BinOp, sign: str, left: Node, right: Node) -> Unit | None:
        if sign == "**":
            exponent = tree.right
            if (
                not isinstance(exponent, ast.Constant)
                or not isinstance(exponent.value, int | float)
                or abs(exponent.value) > 4
            ):
                raise self.fail(exponent, "an exponent is a number up to 4")
            return left.unit.to_power(exponent.value) if left.unit is not None else None
        if right.unit is None:
            return left.unit
        if left.unit is None:
            return right.unit if sign == "*" else PLAIN.times(right.unit, -1)
        return left.unit.times(right.unit, 1 if sign == "*" else -1)

    def alike(self, tree: ast.expr, left: Node, right: Node, second: str = "") -> tuple[Unit | None, str]:
        """The common unit, and the right side's source converted to the left's."""
        second = second or right.source
        if left.unit is None or right.unit is None:
            return left.unit or right.unit, second
        if not left.unit.is_like(right.unit):
            raise self.fail(
                tree,
                f"{left.unit.text or 'a plain number'} and {right.unit.text or 'a plain number'} do not go together",
            )
        ratio = right.unit.factor / left.unit.factor
        return left.unit, second if math.isclose(ratio, 1) else f"({second} * {ratio!r})"

    def comparison(self, tree: ast.Compare) -> Node:
        operands = [tree.left, *tree.comparators]
        nodes = [self.node(operand) for operand in operands]
        pieces = [
            self.compare(tree, left, op, right)
            for left, op, right in zip(nodes, tree.ops, nodes[1:], strict=False)
        ]  # fmt: skip
        return Node("(" + " and ".join(pieces) + ")", "truth", names=_names(nodes))

    def compare(self, tree: ast.Compare, left: Node, op: ast.cmpop, right: Node) -> str:
        sign = _ORDER.get(type(op)) or _SAME.get(type(op))
        if sign is None:
            raise self.fail(tree, "compare with < <= > >= == or !=")
        left, right = _as_time(left, right), _as_time(right, left)
        if left.kind != right.kind:
            raise self.fail(tree, f"a {left.kind} is compared with a {right.kind}")
        if left.kind != "number":
            self.words(tree, left, right)
            if type(op) in _ORDER:
                raise self.fail(tree, f"a {left.kind} has no order; compare with == or !=")
            return f"{left.source} {sign} {right.source}"
        first, second = left.source, right.source
        if type(op) in _ORDER:
            first, second = _deadband(left, right, is_less=sign.startswith("<"))
            self.bounds += _bounds(left, right, sign)
        _, second = self.alike(tree, left, right, second)
        return f"{first} {sign} {second}"

    def words(self, tree: ast.expr, left: Node, right: Node) -> None:
        for literal, other in ((left, right), (right, left)):
            if literal.is_literal and literal.kind == "word" and other.words is not None and literal.words is not None:
                for word in literal.words:
                    if word not in other.words:
                        raise self.fail(tree, f"{word!r} is none of {', '.join(other.words)}")

    # --- functions and windows ------------------------------------------------------------------------------------

    def call(self, tree: ast.Call) -> Node:
        name = tree.func.id if isinstance(tree.func, ast.Name) else ""
        if tree.keywords or any(isinstance(one, ast.Starred) for one in tree.args):
            raise self.fail(tree, "arguments are written one after the other")
        if name in WINDOWED or (name in ("min", "max") and len(tree.args) == 2 and self.is_time(tree.args[1])):
            return self.windowed(tree, name)
        if name in ("abs", "sqrt") and len(tree.args) == 1:
            part = self.number(tree.args[0])
            unit = part.unit if name == "abs" or part.unit is None else part.unit.to_power(0.5)
            return Node(f"{name}({part.source})", "number", unit, names=part.names)
        if name in ("min", "max") and len(tree.args) >= 2:
            return self.extreme(tree, name)
        raise self.fail(
            tree, f"{name or ast.unparse(tree.func)} with {len(tree.args)} arguments is not part of the rule language"
        )

    def extreme(self, tree: ast.Call, name: str) -> Node:
        parts = [self.number(part) for part in tree.args]
        sources = [parts[0].source, *(self.alike(tree, parts[0], part)[1] for part in parts[1:])]
        unit = next((part.unit for part in parts if part.unit is not None), None)
        shown = _names_shown(parts)
        return Node(f"{name}({', '.join(sources)})", "number", unit, names=_names(parts), shown=shown)

    def is_time(self, tree: ast.expr) -> bool:
        if isinstance(tree, ast.Constant):
            return isinstance(tree.value, str)
        symbol = self.compiler.scope.get(tree.id) if isinstance(tree, ast.Name) else None
        return symbol is not None and symbol.ms_per_unit > 0

    def span(self, tree: ast.expr) -> int | str:
        if isinstance(tree, ast.Name) and self.is_time(tree):
            return tree.id
        if isinstance(tree, ast.Constant):
            try:
                return parse_duration_ms(tree.value)
            except ValueError as error:
                raise self.fail(tree, str(error)) from error
        raise self.fail(tree, "a window's last argument is a time: a limit in s, min or h, or text such as '15min'")

    def windowed(self, tree: ast.Call, name: str) -> Node:
        fewest, most = {"since": (1, 1), "last": (1, 2)}.get(name, (2, 2))
        if not fewest <= len(tree.args) <= most:
            raise self.fail(tree, f"{name} takes {'a condition' if name == 'since' else 'a value and a time'}")
        span = self.span(tree.args[1]) if len(tree.args) == 2 else 0
        inner = _Checker(self.compiler, self.text)
        argument = inner.truth(tree.args[0]) if name in ("held_for", "since") else inner.node(tree.args[0])
        if name in ("avg", "min", "max", "rate", "delta") and argument.kind != "number":
            raise self.fail(tree.args[0], f"this is a {argument.kind}, not a number")
        text = ast.unparse(tree)
        part = inner._finish(argument, ast.unparse(tree.args[0]))
        symbol = self.compiler.scope.get(argument.names[0]) if len(argument.names) == 1 else None
        unit = _window_unit(name, argument)
        unit_text = (
            symbol.unit_text if symbol and name in ("avg", "min", "max", "delta", "last") else unit.text if unit else ""
        )
        index = self.compiler.window(
            WindowSpec(name, text, part, span, symbol is not None and symbol.is_counter, unit_text)
        )
        self.used_windows += [*inner.used_windows, index]
        self.terms.setdefault(text, TermSpec(text, unit_text, window=index))
        for key, term in inner.terms.items():
            if self.is_point(key):
                self.terms.setdefault(key, term)
        kind: Literal["number", "truth", "word"] = "truth" if name == "held_for" else "number"
        if name == "last":
            kind = argument.kind
        return Node(
            f"w[{index}].value(t)", kind, unit, argument.words if name == "last" else None, names=argument.names,
            shown=argument.shown if name in ("avg", "min", "max", "last") else (),
        )  # fmt: skip

    def is_point(self, name: str) -> bool:
        symbol = self.compiler.scope.get(name)
        return symbol is not None and symbol.source == "point"


def _names(parts: Sequence[Node]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for part in parts for name in part.names))


def _window_unit(name: str, argument: Node) -> Unit | None:
    match name:
        case "since":
            return SECOND
        case "count" | "repeats":
            return PLAIN
        case "held_for":
            return None
        case "rate":
            return (argument.unit or PLAIN).times(SECOND, -1)
        case _:
            return argument.unit


def _as_time(node: Node, other: Node) -> Node:
    """``since(x) > '24h'``: a quoted time beside a number is a number of seconds."""
    if node.kind == "word" and node.is_literal and other.kind == "number" and node.words:
        try:
            return Node(repr(parse_duration_ms(node.words[0]) / 1000), "number", SECOND)
        except ValueError:
            return node
    return node


def _deadband(left: Node, right: Node, *, is_less: bool) -> tuple[str, str]:
    """Both sides, with the limit moved by ``d`` to where the condition is harder to leave."""
    if right.is_limit and not left.is_limit:
        return left.source, f"({right.source} {'+' if is_less else '-'} d)"
    if left.is_limit and not right.is_limit:
        return f"({left.source} {'-' if is_less else '+'} d)", right.source
    return left.source, right.source


_MIRROR = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def _bounds(left: Node, right: Node, sign: str) -> list[Bound]:
    """Limits that can be drawn: one side shows points, the other is a limit."""
    if left.is_limit and right.shown:
        left, right, sign = right, left, _MIRROR[sign]
    if not (left.shown and right.is_limit) or left.unit is None or right.unit is None:
        return []
    if not math.isclose(left.unit.factor, right.unit.factor):
        return []
    ops: dict[str, Literal["<", "<=", ">", ">="]] = {"<": "<", "<=": "<=", ">": ">", ">=": ">="}
    return [Bound(point, ops[sign], right.names[0]) for point in left.shown]


def _names_shown(parts: Sequence[Node]) -> tuple[str, ...]:
    """All points shown by the parts, when every part shows some."""
    return tuple(name for part in parts for name in part.shown) if all(part.shown for part in parts) else ()
