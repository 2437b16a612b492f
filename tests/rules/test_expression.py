"""The rule language: what parses, what is refused with a caret, and three-valued truth."""

import ast
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.rules.expression import NOT_KNOWN, Expression, Node, can_be, measured, scope_of
from edge.rules.grammar import Compiler, ExpressionError
from edge.rules.program import rule_code
from tests.support.plant import NAME, make_class

SCOPE = scope_of(
    make_class(
        points={
            "door_state": {"name": NAME, "kind": "state", "states": {"open": NAME, "closed": NAME}},
            "p": {"name": NAME, "kind": "gauge", "unit": "kW"},
            "q": {"name": NAME, "kind": "gauge", "unit": "kvar"},
            "watt": {"name": NAME, "kind": "gauge", "unit": "W"},
            "current": {"name": NAME, "kind": "gauge", "unit": "A"},
            "temperature": {"name": NAME, "kind": "gauge", "unit": "°C"},
            "energy": {"name": NAME, "kind": "counter", "unit": "kWh"},
        },
        limits={"rise": {"name": NAME, "value": 60, "unit": "K", "unverified": True}},
    )
)


def compiled(text: str) -> Expression:
    return Compiler(SCOPE).truth(text)


def truth(text: str, deadband: float = 0.0, **values: Any) -> bool | None:
    compiler = Compiler(SCOPE)
    expression = compiler.truth(text)
    held = [spec.create({"window": 1, "hold": 10}, SCOPE) for spec in compiler.windows]
    return expression.truth(values, held, 0, deadband)


@pytest.mark.parametrize(
    ("text", "said", "caret"),
    [
        ("lode > load_max", "lode is no point, limit or rating here", 0),
        ("load > current", "kW and A do not go together", 0),
        ("load > load_max and current", "this is a number, not a condition", 20),
        ("door_state == 'ajar'", "'ajar' is none of open, closed", 0),
        ("door_state > 'open'", "a word has no order", 0),
        ("running > 3", "a truth is compared with a number", 0),
        ("load", "this is a number, not a condition", 0),
        ("load.__class__", "load.__class__ is no point", 0),
        ("__import__('os').system('true')", "is not part of the rule language", 0),
        ("(lambda: 1)() > 0", "is not part of the rule language", 0),
        ("[load][0] > 1", "subscript is not part of the rule language", 0),
        ("load if running else 3", "ifexp is not part of the rule language", 0),
        ("load ** 9 > 1", "an exponent is a number up to 4", 8),
        ("load > 10 kW", "does not read as an expression", None),
        ("avg(load, load_max) > 3", "a window's last argument is a time", 10),
        ("avg(load, 'soon') > 3", "'soon' is not a duration", 10),
        ("avg(running, '1min') > 3", "this is a truth, not a number", 4),
        ("held_for(load, '1min')", "this is a number, not a condition", 9),
        ("since(running, '1min') > 3", "since takes a condition", 0),
        ("load in (1, 2)", "tuple is not part of the rule language", 8),
        ("load > load_max and\n  curent > 3", "curent is no point", 20),
    ],
)
def test_what_is_wrong_is_said_with_a_caret_under_the_place(text: str, said: str, caret: int | None) -> None:
    with pytest.raises(ExpressionError) as caught:
        compiled(text)
    assert said in caught.value.message
    if caret is not None:
        assert str(caught.value).splitlines()[-1] == "  " + " " * caret + "^"


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("load > load_max", {"load": 101.0, "load_max": 100}, True),
        ("load > load_max", {"load": 100.0, "load_max": 100}, False),
        ("watt > load", {"watt": 1500.0, "load": 1.0}, True),
        ("watt > load", {"watt": 900.0, "load": 1.0}, False),
        ("abs(p) / sqrt(p**2 + q**2) < 0.9", {"p": -80.0, "q": 60.0}, True),
        ("temperature - 20 > rise", {"temperature": 81.0, "rise": 60}, True),
        ("not running and door_state == 'open'", {"running": False, "door_state": "open"}, True),
        ("running == true", {"running": True}, True),
        ("10 < load < load_max", {"load": 5.0, "load_max": 100}, False),
        ("max(p, q, load) > 3", {"p": 1.0, "q": 2.0, "load": 4.0}, True),
        ("load / 0 > 1", {"load": 1.0}, None),
        ("sqrt(load) > 1", {"load": -1.0}, None),
    ],
)
def test_conditions_mean_what_they_say(text: str, values: dict[str, Any], expected: bool | None) -> None:
    assert truth(text, **values) is expected


@pytest.mark.parametrize(
    ("text", "before", "at", "after"),
    [
        ("load > load_max", 94.9, 95.0, 95.1),
        ("load_max < load", 94.9, 95.0, 95.1),
    ],
)
def test_the_deadband_moves_an_upper_limit_down_while_active(text: str, before: float, at: float, after: float) -> None:
    found = [truth(text, 5.0, load=value, load_max=100) for value in (before, at, after)]
    assert found == [False, False, True]


def test_the_deadband_moves_a_lower_limit_up_while_active() -> None:
    assert [truth("load < load_max", 5.0, load=value, load_max=100) for value in (104.9, 105.0)] == [True, False]


def test_the_deadband_leaves_figures_that_are_no_limit_alone() -> None:
    assert truth("load > 100", 5.0, load=99.0) is False


def test_a_rate_is_compared_in_the_units_of_its_limit() -> None:
    compiler = Compiler(SCOPE)
    expression = compiler.truth("rate(energy, '1h') > load_max")  # kWh per second against kW
    assert expression.node.kind == "truth"
    assert "* " in expression.node.source


def test_equal_windows_are_shared_between_conditions() -> None:
    compiler = Compiler(SCOPE)
    compiler.truth("avg(load, window) > load_max")
    compiler.truth("avg(load,window) < 3 and max(load, window) > 4")
    assert [spec.kind for spec in compiler.windows] == ["avg", "max"]


def test_a_condition_says_which_points_its_limits_can_be_drawn_beside() -> None:
    bounds = compiled("max(p, load) > load_max or avg(p, window) < load_max").bounds
    assert {(one.point, one.op) for one in bounds} == {("p", ">"), ("load", ">"), ("p", "<")}
    assert compiled("not (load > load_max)").bounds == ()


# --- three-valued truth against a slow reference -----------------------------------------------------------------

ATOMS = {"a": "load > 1", "b": "running", "c": "mode == 'auto'"}
trees = st.recursive(
    st.sampled_from(sorted(ATOMS)),
    lambda inner: st.tuples(st.just("not"), inner) | st.tuples(st.sampled_from(["and", "or"]), inner, inner),
    max_leaves=8,
)
Tree = str | tuple[Any, ...]


def spell(tree: Tree) -> str:
    if isinstance(tree, str):
        return f"({ATOMS[tree]})"
    return f"(not {spell(tree[1])})" if tree[0] == "not" else f"({spell(tree[1])} {tree[0]} {spell(tree[2])})"


def kleene(tree: Tree, values: dict[str, bool | None]) -> bool | None:
    """Kleene's strong logic, by the book."""
    if isinstance(tree, str):
        return values[tree]
    if tree[0] == "not":
        found = kleene(tree[1], values)
        return None if found is None else not found
    left, right = kleene(tree[1], values), kleene(tree[2], values)
    decisive: bool = tree[0] == "or"
    if decisive in (left, right):
        return decisive
    return None if None in (left, right) else not decisive


THREE = st.sampled_from([True, False, None])


@given(tree=trees, a=THREE, b=THREE, c=THREE)
def test_three_valued_truth_is_kleenes(tree: Tree, a: bool | None, b: bool | None, c: bool | None) -> None:
    values: dict[str, Any] = {}
    if a is not None:
        values["load"] = 2.0 if a else 0.0
    if b is not None:
        values["running"] = b
    if c is not None:
        values["mode"] = "auto" if c else "manual"
    assert truth(spell(tree), **values) == kleene(tree, {"a": a, "b": b, "c": c})


@given(when=trees, gate=st.none() | trees, a=THREE, b=THREE, c=THREE)
def test_the_quick_look_at_a_rule_passes_over_exactly_what_is_false(
    when: Tree, gate: Tree | None, a: bool | None, b: bool | None, c: bool | None
) -> None:
    truths = {"a": a, "b": b, "c": c}
    values: dict[str, Any] = {}
    for name, known, unlike in (
        ("load", a, (2.0, 0.0)),
        ("running", b, (True, False)),
        ("mode", c, ("auto", "manual")),
    ):
        if known is not None:
            values[name] = unlike[0] if known else unlike[1]
    compiler = Compiler(SCOPE)
    code = rule_code(compiler.truth(spell(when)), None if gate is None else compiler.truth(spell(gate)))
    parts = [kleene(when, truths), *([] if gate is None else [kleene(gate, truths)])]
    try:
        is_passed_over = not code.quick(values, [], 0, 0.0)
    except NOT_KNOWN:
        is_passed_over = False
    if is_passed_over:
        assert False in parts
    if None not in (a, b, c):
        assert is_passed_over == (False in parts)


@given(tree=trees, known=st.sets(st.sampled_from(["load", "running", "mode"])))
def test_a_condition_counts_as_unwatchable_only_if_no_value_could_make_it_true(tree: Tree, known: set[str]) -> None:
    node = compiled(spell(tree)).node
    by_atom = {"a": "load", "b": "running", "c": "mode"}
    options = [
        {"a": a, "b": b, "c": c}
        for a in _choices(by_atom["a"], known)
        for b in _choices(by_atom["b"], known)
        for c in _choices(by_atom["c"], known)
    ]
    if any(kleene(tree, option) for option in options):
        assert can_be(node, known.__contains__)


@given(tree=trees, known=st.sets(st.sampled_from(["load", "running", "mode"])), values=st.tuples(*[st.booleans()] * 3))
def test_what_nothing_measures_is_not_waited_for(tree: Tree, known: set[str], values: tuple[bool, ...]) -> None:
    whole = compiled(spell(tree))
    here = measured(whole, known.__contains__)
    by_atom = dict(zip("abc", ("load", "running", "mode"), strict=True))
    option = {atom: value if by_atom[atom] in known else None for atom, value in zip("abc", values, strict=True)}
    if can_be(whole.node, known.__contains__):
        assert set(here.names) <= known
    if set(whole.names) <= known:
        assert here is whole
    if kleene(tree, option):
        held = {"load": 200 if option["a"] else 1, "running": option["b"], "mode": "auto" if option["c"] else "hand"}
        assert here.truth({name: held[name] for name in known}, [], 0, 0.0) is True


def _choices(name: str, known: set[str]) -> tuple[bool | None, ...]:
    return (True, False) if name in known else (None,)


@given(text=st.text(max_size=60))
def test_no_text_does_anything_but_compile_or_be_refused(text: str) -> None:
    try:
        expression = Compiler(SCOPE).any(text)
    except ExpressionError:
        return
    assert isinstance(expression.node, Node)
    calls = [node for node in ast.walk(ast.parse(expression.node.source, mode="eval")) if isinstance(node, ast.Call)]
    assert all(
        ast.unparse(call.func) in ("abs", "min", "max", "sqrt") or ".value" in ast.unparse(call) for call in calls
    )
