from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from device_profiles.library import LibraryError, load_yaml, validate
from device_profiles.reading import parse_yaml


class Bus(BaseModel):
    model_config = ConfigDict(extra="forbid")
    port: int


class Plan(BaseModel):
    model_config = ConfigDict(extra="forbid")
    buses: dict[str, Bus]
    names: list[str] = []


def test_every_node_knows_its_line() -> None:
    _, lines = parse_yaml("a:\n  b:\n    - x\n    - {c: 1}\n", "plan.yaml")
    assert [lines.line(path) for path in [(), ("a",), ("a", "b", 1), ("a", "b", 1, "c")]] == [1, 1, 4, 4]


def test_a_node_that_is_not_there_has_the_line_of_the_nearest_around_it() -> None:
    _, lines = parse_yaml("a:\n  b: {c: 1}\n", "plan.yaml")
    assert lines.line(("a", "b", "x", 3)) == 2


def test_keys_stay_as_written() -> None:
    data, _ = parse_yaml("{on: 1, 0: a, 07: b, yes: c, 2026-11-21: d}", "plan.yaml")
    assert list(data) == ["on", "0", "07", "yes", "2026-11-21"]


def test_values_have_their_kind_and_dates_stay_text() -> None:
    data, _ = parse_yaml("{a: 1, b: 0x10, c: 1.5, d: true, e: null, f: 2026-11-21, g: text}", "plan.yaml")
    assert data == {"a": 1, "b": 16, "c": 1.5, "d": True, "e": None, "f": "2026-11-21", "g": "text"}


def test_an_alias_repeats_and_a_merge_fills_in() -> None:
    data, _ = parse_yaml("base: &b {x: 1, y: 2}\nsame: *b\nmore: {<<: *b, y: 3}\n", "plan.yaml")
    assert data["same"] == {"x": 1, "y": 2}
    assert data["more"] == {"x": 1, "y": 3}


def test_all_keys_written_twice_are_found() -> None:
    with pytest.raises(LibraryError) as error:
        parse_yaml("a: 1\nb: {c: 1, c: 2}\na: 2\n", "plan.yaml")
    assert [(one.line, one.path) for one in error.value.findings] == [(2, "b.c"), (3, "a")]


@pytest.mark.parametrize(
    "text",
    [
        "&a [*a]",
        "a: &a [x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)),
    ],
    ids=["refers to itself", "repeats without end"],
)  # fmt: skip
def test_a_file_that_would_never_end_is_refused(text: str) -> None:
    with pytest.raises(LibraryError, match="refers to itself or repeats without end"):
        parse_yaml(text, "plan.yaml")


def test_a_missing_file_is_one_finding(tmp_path: Path) -> None:
    with pytest.raises(LibraryError) as error:
        load_yaml(tmp_path / "none.yaml")
    assert str(error.value) == f"{tmp_path / 'none.yaml'}: there is no such file. Check the name"


def test_a_folder_in_place_of_a_file_is_one_finding(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="cannot be read: Is a directory"):
        load_yaml(tmp_path)


def test_text_in_another_encoding_is_one_finding(tmp_path: Path) -> None:
    (tmp_path / "gbk.yaml").write_bytes("name: 电梯".encode("gbk"))
    with pytest.raises(LibraryError, match="is not UTF-8 text"):
        load_yaml(tmp_path / "gbk.yaml")


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbfname: x\n")
    assert load_yaml(tmp_path / "bom.yaml")[0] == {"name": "x"}


@pytest.mark.parametrize("text", ["", "# nothing", "just words", "- a\n- b\n"])
def test_a_document_without_keys_says_which_keys_it_wants(text: str) -> None:
    data, lines = parse_yaml(text, "plan.yaml")
    plan, findings = validate(Plan, data, lines, "plan.yaml")
    assert plan is None
    assert [str(one) for one in findings] == [
        "plan.yaml:1: holds no mapping of keys to values. Write keys such as buses, names"
    ]


def test_validation_names_line_path_and_remedy_of_every_mistake() -> None:
    data, lines = parse_yaml("buses:\n  a: {prt: 5}\n  b: {port: many}\nnames: [x, 3]\n", "plan.yaml")
    plan, findings = validate(Plan, data, lines, "plan.yaml")
    assert plan is None
    assert [str(one) for one in findings] == [
        "plan.yaml:2: buses.a.port: is missing. Add port:",
        "plan.yaml:2: buses.a.prt: is not a key here. Did you mean port?",
        (
            "plan.yaml:3: buses.b.port: input should be a valid integer, unable to parse string as an integer, not 'many'. "
            "Write a value of that kind"
        ),
        'plan.yaml:4: names[1]: input should be a valid string, not 3. Put it in quotes, such as "0.9"',
    ]


def test_a_right_document_becomes_its_model() -> None:
    data, lines = parse_yaml("buses: {a: {port: 5}}", "plan.yaml")
    assert validate(Plan, data, lines, "plan.yaml") == (Plan(buses={"a": Bus(port=5)}), [])
