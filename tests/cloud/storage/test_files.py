"""The store of files on disk: where it may be, what it is called, and what is wrong with it at the start."""

from pathlib import Path

import pytest

from cloud.config import Config, load_config
from cloud.errors import Misconfigured
from cloud.server import files_checked
from cloud.storage.files import FileGone, Files, FilesAt, new_name, written_at


async def test_what_is_written_is_read_listed_and_removed(tmp_path: Path) -> None:
    files = Files(FilesAt(str(tmp_path / "photos")))
    name = new_name("ab" + "0" * 62, 1_795_244_700_123, "some-token")
    await files.write(name, b"whole")
    assert await files.read(name) == b"whole"
    assert await files.names("ab") == [name]
    assert await files.names("cd") == []
    assert written_at(name) == written_at(name + ".small") == 1_795_244_700_123
    await files.remove([name, name])
    with pytest.raises(FileGone):
        await files.read(name)


def test_only_our_own_names_have_a_time() -> None:
    assert [written_at(name) for name in ("ab/readme.txt", "ab/x-1-y", f"ab/{'0' * 64}-soon-y", ".probe-1")] == [
        None
    ] * 4


async def test_the_start_tries_the_store_and_leaves_no_trace(tmp_path: Path) -> None:
    config = Config(data=tmp_path, database_url="sqlite://")
    await files_checked(config)
    assert list((tmp_path / "files").iterdir()) == []


async def test_a_folder_that_cannot_be_one_is_one_clear_message(tmp_path: Path) -> None:
    (tmp_path / "files").write_text("a file")
    with pytest.raises(Misconfigured) as wrong:
        await files_checked(Config(data=tmp_path, database_url="sqlite://"))
    assert "files cannot be used" in str(wrong.value)
    assert "docs/evidence.md" in str(wrong.value)


async def test_a_store_that_is_away_keeps_no_desk_from_opening(tmp_path: Path) -> None:
    away = FilesAt("s3://plant/photos", "http://127.0.0.1:9", "us-east-1", "key", "secret")
    await files_checked(Config(data=tmp_path, database_url="sqlite://", files=away))


@pytest.mark.parametrize(
    ("url", "told"),
    [("ftp://host/x", "no kind of store"), ("file://host/x", "three slashes"), ("s3://", "names no bucket")],
)  # fmt: skip
def test_an_address_that_is_none_is_said_with_the_other_mistakes(url: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=told):
        load_config({"PLANTROOM_FILES_URL": url}, None, tmp_path)


def test_keys_come_from_files_or_the_environment(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    file = tmp_path / "cloud.yaml"
    file.write_text(
        "files_url: s3://plant/photos\nfiles_endpoint: http://store:9000\nfiles_region: eu-1\nfiles_secret_key_file: secret\n"
    )
    found = load_config({"PLANTROOM_FILES_ACCESS_KEY": "key"}, file, tmp_path)
    assert found.files_at == FilesAt("s3://plant/photos", "http://store:9000", "eu-1", "key", "s3cret")
    assert "s3cret" not in repr(found)
    assert load_config({}, None, tmp_path).files_at == FilesAt(str(tmp_path / "files"))
