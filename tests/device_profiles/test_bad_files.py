"""Each file in bad/ holds one mistake; its first lines say what the library must answer: line, path, message, remedy."""

from pathlib import Path

import pytest

from device_profiles import library

BAD = sorted((Path(__file__).parent / "bad").glob("*.yaml"))


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_every_mistake_is_answered_with_its_line_and_a_remedy(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    expected = [f"{path}:{line.removeprefix('# ')}" for line in lines if line.startswith("# ")]
    assert expected, "the file does not say what it expects"
    findings = library.check([path])
    assert [str(one) for one in findings] == expected
    assert all(one.remedy and one.line for one in findings)


def test_all_mistakes_of_all_files_come_at_once() -> None:
    findings = library.check(BAD)
    assert {one.file for one in findings} == {str(path) for path in BAD}
