"""``plantroom-edge decode``: an answer a line, whatever stands in it, and one message a mistake."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from contract.conventions import Exit
from edge.cli import app

GOOD = b'{"type":"uint16","registers":[7]}'


def run(*arguments: str, text: bytes = b"") -> Result:
    result = CliRunner().invoke(app, ["decode", *arguments], input=text)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def answers(text: bytes) -> list[Any]:
    result = run("--lines", text=text)
    assert result.exit_code == Exit.DONE
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("odd", [
    b"", b"  ", b"\xff\xfe\x00", b"null", b"{", b'"\xe4"', b"[" * 100_000, b"{" + b" " * 3_000_000 + b"}", b'{"registers":[1]}',
])  # fmt: skip
def test_an_odd_line_gets_its_error_in_its_place_and_the_next_is_read(odd: bytes) -> None:
    first, second, third = answers(GOOD + b"\n" + odd + b"\n" + GOOD)
    assert first == third == {"value": 7, "quality": "good", "cause": "none"}
    assert list(second) == ["error"]


def test_windows_line_ends_a_byte_order_mark_and_no_last_line_end_are_no_mistakes() -> None:
    assert [one["value"] for one in answers(b"\xef\xbb\xbf" + GOOD + b"\r\n" + GOOD)] == [7, 7]
    assert answers(b"") == []


def test_text_leaves_as_utf_8() -> None:
    result = run("--lines", text=b'{"type":"string","max_bytes":3,"registers":[59059,46336]}')
    assert result.stdout_bytes.decode("utf-8") == '{"value": "泵", "quality": "good", "cause": "none"}\n'


def test_words_take_every_option_of_a_line() -> None:
    found = json.loads(
        run("--type", "int16", "--scale", "0.1", "--offset", "-40", "--range", "-50", "50", "0x0190").stdout
    )
    assert found == {"value": 0.0, "quality": "good", "cause": "none"}
    assert json.loads(run("--sentinel", "0x8000", "0x8000").stdout)["cause"] == "sentinel"
    assert json.loads(run("--type", "string", "--max-bytes", "1", "0x4142").stdout)["value"] == "A"
    assert json.loads(run("--bit", "3", "8").stdout)["value"] is True


@pytest.mark.parametrize(("arguments", "said"), [
    ([], "no registers"), (["0x10000"], "'0x10000' is not a register"), (["word"], "'word' is not a register"),
    (["--type", "floot32", "1", "2"], "Did you mean float32?"), (["--order", "ABDC", "1"], "order 'ABDC' is not known"),
    (["--order", "CDAB", "1"], "write one of AB, BA"), (["--scale", "nan", "1"], "scale is no number"),
    (["--range", "5", "1", "1"], "holds nothing"), (["--bit", "16", "1"], "write 0 to 15"),
])  # fmt: skip
def test_a_mistake_on_the_command_line_is_one_message(arguments: list[str], said: str) -> None:
    result = run(*arguments)
    assert result.exit_code == Exit.MISCONFIGURED
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert said in result.stderr


def test_all_says_when_nothing_is_plausible() -> None:
    result = run("--all", "0xFFFF", "0xFFFF", "0xFFFF")
    assert result.exit_code == Exit.FINDING
    assert "plausible" in result.stderr
