"""``plantroom-cloud notify``: a channel is added without its secret on the command line, tested, and what was sent is listed."""

import io
import json

import pytest

from simulators.broker import free_port
from tests.cloud.test_cli import Console, console

__all__ = ["console"]


def test_a_channel_is_added_from_standard_input_and_tested(console: Console) -> None:
    assert console.run("user", "add", "wang", "--role", "technician", "--sign-in-code") == 0
    url = f"json://127.0.0.1:{free_port()}/secret-token"
    console.monkeypatch.setattr("sys.stdin", io.StringIO(f"{url}\n"))
    assert console.run("notify", "add", "wang") == 0
    assert console.out == "person:wang can be told by channel 1.\n"
    assert console.run("notify", "test", "wang", "--json") == 1
    told = json.loads(console.out)
    assert told["is_sent"] is False
    assert "secret-token" not in console.out + console.err


def test_what_is_nobody_or_no_address_is_one_message(console: Console) -> None:
    assert console.run("notify", "test") == 1
    assert "no channel is configured" in console.err
    assert console.run("notify", "test", "stranger") == 1
    assert "there is no user stranger" in console.err
    assert console.run("notify", "test", "nonsense://x") == 1
    assert "nonsense is unknown" in console.err
    console.monkeypatch.setattr("sys.stdin", io.StringIO("nonsense\n"))
    assert console.run("notify", "add", "address:night_desk") == 1
    assert "not an address" in console.err


@pytest.mark.parametrize("words", [[], ["--state", "failed"], ["--json"]])
def test_an_empty_list_is_empty(console: Console, words: list[str]) -> None:
    assert console.run("notify", "list", *words) == 0
    assert console.out == ""
