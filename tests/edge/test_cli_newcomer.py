"""Whatever a newcomer types by mistake is answered in words on standard error with the right exit code, never a traceback."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from contract.conventions import Exit
from edge.cli import app

HOST = ("--host", "127.0.0.1", "--port", "1")
WRONG = [
    ("library", "check", "nofile"), ("library", "check", "empty_folder"), ("library", "check", "binary"),
    ("library", "check", "table.xlsx"), ("library", "show", "nothing"), ("check", "nofile"), ("check", "empty_folder"),
    ("check", "binary"), ("check", "empty"), ("check", "sketch"), ("run", "nofile"), ("run", "sketch"), ("read", "nofile", "x"),
    ("read", "sketch", "x"), ("probe",), ("probe", "--id", "1", "--address", "1"),
    ("probe", *HOST, "--id", "300", "--address", "1"), ("probe", *HOST, "--id", "one", "--address", "1"),
    ("probe", *HOST, "--id", "1", "--address", "4x0001"), ("probe", *HOST, "--id", "1", "--address", "1", "--expect", "nan"),
    ("probe", *HOST, "--id", "1", "--address", "1", "--kind", "rtu"), ("probe", *HOST, "--id", "1", "--address", "1", "--rs485"),
    ("probe", *HOST, "--id", "1", "--address", "1", "--kind", "tls", "--cert-file", "x"),
    ("probe", *HOST, "--id", "1", "--address", "1", "--ca-file", "x"), ("probe", "--serial", "/dev/x", *HOST, "--id", "1", "--address", "1"),
    ("scan", *HOST, "--ids", "5-1"), ("scan", *HOST, "--ids", "1-999999999999"), ("scan", *HOST, "--tables", "registers"),
    ("scan", *HOST, "--addresses", "70000"), ("import",), ("import", "nofile.xlsx"), ("import", "table.xlsx", "--out", "o"),
    ("import", "empty_folder"), ("import", "--template", "/proc/x.xlsx"), ("accept",), ("accept", "nofile"), ("accept", "sketch"),
    ("accept", "--verify", "nofile"), ("decode",), ("decode", "--type", "flaot32", "1", "2"), ("decode", "70000"),
    ("decode", "--type", "float32", "--order", "AB", "1", "2"), ("decode", "--sentinel", "xyz", "1"), ("decode", "--bit", "99", "1"),
    ("decode", "--scale", "nan", "1"), ("decode", "--range", "2", "1", "1"), ("enrol", "sketch", "code"), ("nothing",), ("check",),
]  # fmt: skip
NOT_THERE = [
    ("probe", *HOST, "--id", "1", "--address", "1"), ("scan", *HOST, "--ids", "1"),
    ("probe", "--serial", "/dev/no_such_port", "--id", "1", "--address", "1"),
    ("probe", "--host", "127.0.0.1", "--kind", "tls", "--ca-file", "nofile", "--id", "1", "--address", "1"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that are nothing of the kind."""
    (tmp_path / "empty_folder").mkdir()
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "empty").write_text("")
    (tmp_path / "sketch").write_text("site: x\nbuses: [1, {id: a, modbus: rtu}]\n")
    (tmp_path / "table.xlsx").write_text("no workbook")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("arguments", "code"), [
    *((one, Exit.MISCONFIGURED) for one in WRONG), *((one, Exit.FINDING) for one in NOT_THERE),
], ids=lambda one: " ".join(one) if isinstance(one, tuple) else "")  # fmt: skip
def test_a_mistake_is_told_in_words(arguments: tuple[str, ...], code: Exit) -> None:
    result = CliRunner().invoke(app, list(arguments))
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == code
    assert result.stderr.strip()
    assert not result.stdout
    assert "Traceback" not in result.output
