"""Two gateways on one data folder."""

from pathlib import Path

import pytest

from edge.errors import Misconfigured
from edge.lock import only_one


def test_a_second_gateway_on_a_data_folder_does_not_start(tmp_path: Path) -> None:
    with (
        only_one(tmp_path),
        pytest.raises(Misconfigured, match="another gateway runs on this data folder"),
        only_one(tmp_path),
    ):
        pytest.fail("two gateways share a folder")


def test_the_folder_is_free_again_when_the_gateway_has_ended(tmp_path: Path) -> None:
    for _ in range(2):
        with only_one(tmp_path):
            assert (tmp_path / "lock").exists()


def test_a_folder_that_cannot_be_written_is_left_to_the_outbox(tmp_path: Path) -> None:
    with only_one(tmp_path / "missing"):
        assert not (tmp_path / "missing").exists()
