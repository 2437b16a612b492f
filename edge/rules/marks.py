"""rules → outbox: limits drawn beside a point whose condition compares it with no limit directly (pure)."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from edge.rules.expression import Expression
from edge.rules.grammar import Compiler, ExpressionError

_SIGNS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
_Sign = Literal["<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Mark:
    """Beyond ``figure`` × ``scale`` on side ``op`` the point is where its rule becomes true."""

    point: str
    op: _Sign
    figure: Expression
    scale: float
    """From the figure's unit to the point's."""

    def value(self, figures: Mapping[str, Any]) -> float | None:
        """In the point's unit, with this equipment's limits and ratings; None where one of them is missing."""
        found = self.figure.value(figures, [], 0)
        return found * self.scale if isinstance(found, int | float) else None


def compile_mark(compiler: Compiler, text: str) -> Mark:
    """Check and compile one mark. Raises ExpressionError."""
    tidy = " ".join(text.split())
    compiler.truth(tidy)  # kinds and units of both sides
    match ast.parse(tidy, mode="eval").body:
        case ast.Compare(left=ast.Name(id=point), ops=[sign], comparators=[right]) if type(sign) in _SIGNS:
            figure = compiler.any(ast.unparse(right))
            symbols = [compiler.scope[name] for name in figure.names]
            if compiler.scope[point].source == "point" and all(one.source in ("limit", "rating") for one in symbols):
                unit, other = compiler.scope[point].unit, figure.node.unit
                scale = other.factor / unit.factor if other is not None else 1.0
                return Mark(point, cast("_Sign", _SIGNS[type(sign)]), figure, scale)
    raise ExpressionError("a mark compares one point with limits and ratings", tidy, 0)
