"""Ground floor: which names a rule's expression uses. The gateway type-checks deeper; here every name must exist."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from device_profiles.reading import did_you_mean

FUNCTIONS = frozenset(
    {"abs", "min", "max", "sqrt", "avg", "rate", "delta", "count", "repeats", "held_for", "since", "last"}
)  # fmt: skip
"""What an expression may call; ``min`` and ``max`` also over a window."""
_RELATED = "serves"
_TRUTHS = frozenset({"true", "false"})
CLOCK = ("hour", "weekday")
"""The site's own time: hours since local midnight, and 1 for Monday to 7 for Sunday."""

_BUILT_IN = FUNCTIONS | _TRUTHS | {_RELATED, *CLOCK}


def wrong_mark(text: str, points: Sequence[str], figures: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Message and remedy unless the text is ``point OP`` something made of limits, ratings and numbers."""
    remedy = "Write a point, < <= > or >=, and limits, such as winding_c > winding_alarm_c"
    try:
        tree = ast.parse(" ".join(text.split()), mode="eval").body
    except (SyntaxError, ValueError, RecursionError):
        yield f"does not read as an expression: {text}", remedy
        return
    match tree:
        case ast.Compare(
            left=ast.Name(id=point), ops=[ast.Lt() | ast.LtE() | ast.Gt() | ast.GtE()], comparators=[right]
        ):
            if point not in points:
                yield f"{point} is no measured number of this class", did_you_mean(point, points)
            for node in ast.walk(right):
                if isinstance(node, ast.Name) and node.id not in figures and node.id not in FUNCTIONS:
                    yield f"{node.id} is no limit or rating of this class", did_you_mean(node.id, figures)
        case _:
            yield f"draws no limit: {text}", remedy


def is_limited(text: str, point: str, figures: Sequence[str]) -> bool:
    """Whether an expression compares a point by itself with limits, ratings and numbers, so that a limit stands beside it."""
    try:
        tree = ast.parse(" ".join(text.split()), mode="eval")
    except (SyntaxError, ValueError, RecursionError):
        return False
    compared = [node for node in ast.walk(tree) if isinstance(node, ast.Compare) and len(node.ops) == 1]
    sides = [
        (one.left, one.comparators[0])
        for one in compared
        if isinstance(one.ops[0], ast.Lt | ast.LtE | ast.Gt | ast.GtE)
    ]
    return any(_is_limit(a, b, point, figures) or _is_limit(b, a, point, figures) for a, b in sides)


def _is_limit(one: ast.expr, other: ast.expr, point: str, figures: Sequence[str]) -> bool:
    names = [node.id for node in ast.walk(other) if isinstance(node, ast.Name)]
    is_figure = bool(names) and all(name in figures or name in FUNCTIONS for name in names)
    return isinstance(one, ast.Name) and one.id == point and is_figure


def wrong_names(text: str, known: Sequence[str], states: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    """Message and remedy for everything an expression names that does not exist.

    ``states`` holds the words of every state point (and the choices of ratings), by name.
    """
    try:
        tree = ast.parse(" ".join(text.split()), mode="eval")
    except (SyntaxError, ValueError, RecursionError) as error:
        at = f" at character {error.offset}" if isinstance(error, SyntaxError) and error.offset else ""
        yield f"does not read as an expression{at}: {text}", "Compare points with limits, such as a > b and not c"
        return
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if id(node) not in called:
            yield from _wrong_node(node, known, states)


def _wrong_node(node: ast.AST, known: Sequence[str], states: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    match node:
        case ast.Call(func=ast.Name(id=name)) if name not in FUNCTIONS:
            yield f"calls {name}, which is no function", did_you_mean(name, sorted(FUNCTIONS))
        case ast.Attribute(value=ast.Name(id=name)) if name != _RELATED:
            yield f"uses {ast.unparse(node)}", f"Only {_RELATED}.<point> names another piece of equipment"
        case ast.Name(id=name) if name not in known and name not in _BUILT_IN:
            yield f"{name} is no point, limit or rating of this class", did_you_mean(name, known)
        case ast.Compare(left=left, comparators=[*others]):
            yield from _wrong_words([left, *others], states)


def _wrong_words(sides: Sequence[ast.expr], states: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    words = [side.value for side in sides if isinstance(side, ast.Constant) and isinstance(side.value, str)]
    for side in sides:
        if isinstance(side, ast.Name) and side.id in states:
            for word in words:
                if word not in states[side.id]:
                    yield f"{side.id} is never {word!r}", did_you_mean(word, states[side.id])
