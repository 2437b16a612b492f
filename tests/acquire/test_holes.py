"""What devices refused, kept over a restart and worth nothing when it is damaged."""

from pathlib import Path

import pytest

from edge.acquire.holes import HoleFile, NoMemory
from edge.acquire.read_plan import Learned

LEARNED = Learned(frozenset({("holding", 7, 8)}), frozenset({("input", 40)}))


def test_what_was_saved_is_loaded_for_the_same_model_only(tmp_path: Path) -> None:
    HoleFile(tmp_path / "holes.json").save("meter_1", "sdm630", LEARNED)
    again = HoleFile(tmp_path / "holes.json")
    assert again.load("meter_1", "sdm630") == LEARNED
    assert again.load("meter_1", "pm5100") == Learned()
    assert again.load("meter_2", "sdm630") == Learned()


@pytest.mark.parametrize("damage", [b"", b"{", b'{"meter_1": {"model": 3}}', b"\xff"])
def test_a_damaged_file_counts_as_empty_and_is_replaced(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "holes.json").write_bytes(damage)
    memory = HoleFile(tmp_path / "holes.json")
    assert memory.load("meter_1", "sdm630") == Learned()
    memory.save("meter_1", "sdm630", LEARNED)
    assert HoleFile(tmp_path / "holes.json").load("meter_1", "sdm630") == LEARNED


def test_without_a_file_nothing_is_kept() -> None:
    NoMemory().save("meter_1", "sdm630", LEARNED)
    assert NoMemory().load("meter_1", "sdm630") == Learned()
