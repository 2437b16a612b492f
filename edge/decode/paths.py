"""decode: where in a JSON document a value stands. JMESPath, with a short way for plain paths and their inverse."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

Step = str | int
_STEP = re.compile(r'(?:(?:^|\.)(?:([A-Za-z_]\w*)|"([^"\\]+)")|\[(\d+)\])')

ABSENT = object()
"""The document does not hold the path at all, which is not the same as holding null there."""


def compile_path(path: str) -> Callable[[Any], Any]:
    """A finder: document → what stands at ``path``, ``ABSENT`` when nothing does. Empty takes the whole document.

    Anything beyond names and indexes is JMESPath's, where nothing and null cannot be told apart and count as absent.
    Raises ValueError for a path that is no JMESPath.
    """
    if not path:
        return lambda document: document
    try:
        expression = jmespath.compile(path)
    except JMESPathError as error:
        raise ValueError(f"{path!r} is no JMESPath: {str(error).splitlines()[0]}") from error
    steps = plain_steps(path)
    if steps is not None:
        return _walker(steps)
    return lambda document: _search(expression, document)


def plain_steps(path: str) -> tuple[Step, ...] | None:
    """``a.b[0]."c-d"`` as steps, None for a path that is more than names and indexes."""
    steps: list[Step] = []
    at = 0
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None:
            return None
        steps.append(int(match[3]) if match[3] is not None else match[1] or match[2])
        at = match.end()
    return tuple(steps)


def _walker(steps: tuple[Step, ...]) -> Callable[[Any], Any]:
    def walk(document: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
        for step in steps:
            try:
                if isinstance(document, str):
                    return ABSENT
                document = document[step]
            except (KeyError, IndexError, TypeError):
                return ABSENT
        return document

    return walk


def _search(expression: Any, document: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    try:
        found = expression.search(document)
    except (JMESPathError, RecursionError, ValueError, TypeError, ArithmeticError):
        return ABSENT
    return ABSENT if found is None else found


def put(document: Any, path: str, value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    """The document with ``value`` at ``path``, made on the way: the inverse of a plain path.

    Raises ValueError for a path that only JMESPath can follow.
    """
    steps = plain_steps(path)
    if steps is None:
        raise ValueError(f"{path!r} is more than names and indexes, so nothing can be written there")
    return _put(document, steps, value)


def _put(document: Any, steps: tuple[Step, ...], value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if isinstance(step, int):
        row = list(document) if isinstance(document, list) else []
        row.extend([None] * (step + 1 - len(row)))
        row[step] = _put(row[step], rest, value)
        return row
    table = dict(document) if isinstance(document, dict) else {}
    table[step] = _put(table.get(step), rest, value)
    return table
