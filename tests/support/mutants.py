"""Rules with one small mistake each: a comparison, a junction, an operand, a phase or the gate changed."""

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from device_profiles.schema import Rule

_OTHER: dict[type[ast.AST], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mutant:
    """What was changed, and the rule as it then is."""

    what: str
    rule: Rule


def mutants(rule: Rule) -> Iterator[Mutant]:
    """Every rule that differs from this one by one such mistake."""
    for key in ("when", "gate"):
        if (text := getattr(rule, key)) is not None:
            for what, changed in _expressions(" ".join(text.split())):
                yield Mutant(f"{key}: {what}", rule.model_copy(update={key: changed}))
    if rule.gate is not None:
        yield Mutant("gate left out", rule.model_copy(update={"gate": None}))


def _expressions(text: str) -> Iterator[tuple[str, str]]:
    tree = ast.parse(text, mode="eval")
    for index, node in enumerate(ast.walk(tree)):
        for what in _changes(node):
            changed = copy.deepcopy(tree)
            twin: Any = list(ast.walk(changed))[index]
            said = _change(twin, what)
            yield f"{said} in {ast.unparse(node)}", ast.unparse(changed)


def _changes(node: ast.AST) -> list[int | str]:
    """What can be changed about a node: an operator, or the number of an operand that is left out."""
    match node:
        case ast.Compare(ops=[op]) if type(op) in _OTHER:
            return ["operator"]
        case ast.BoolOp(values=values):
            return ["operator", *range(len(values))]
        case ast.Call(func=ast.Name(id="min" | "max"), args=args):
            return ["operator", *(range(len(args)) if len(args) > 2 else [])]
    return []


def _change(node: Any, what: int | str) -> str:
    if isinstance(what, int):
        left_out = (node.values if isinstance(node, ast.BoolOp) else node.args).pop(what)
        return f"without {ast.unparse(left_out)}"
    if isinstance(node, ast.Compare):
        node.ops = [_OTHER[type(node.ops[0])]()]
    elif isinstance(node, ast.BoolOp):
        node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    else:
        node.func.id = {"min": "max", "max": "min"}[node.func.id]
    return "another operator"
