"""The decision records can be read in order and each is whole."""

import re
from pathlib import Path

import pytest

RECORDS = sorted((Path(__file__).parent.parent / "docs" / "decisions").glob("*.md"))
WRITTEN = [record for record in RECORDS if record.name != "0000-template.md"]


def test_the_numbers_run_without_a_gap() -> None:
    assert [int(record.name[:4]) for record in RECORDS] == list(range(len(RECORDS)))


@pytest.mark.parametrize("record", WRITTEN, ids=lambda record: record.stem)
def test_a_record_has_a_title_and_all_four_parts(record: Path) -> None:
    text = record.read_text(encoding="utf-8")
    assert text.startswith(f"# {record.name[:4]}: ")
    parts = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert parts == ["Context", "Decision", "Consequences", "Enforced by"]


def test_a_record_names_only_tests_that_exist() -> None:
    root = Path(__file__).parent.parent
    named = {
        (record.name, path)
        for record in WRITTEN
        for path in re.findall(r"`(tests/[\w/.]+\.py)`", record.read_text(encoding="utf-8"))
    }
    assert not [name for name in sorted(named) if not (root / name[1]).exists()]
