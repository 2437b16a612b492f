"""No tracked file names an index, a host or a folder of the machine it was written on."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LOCKS = sorted(ROOT.glob("requirements*.lock"))
IN_LOCK = re.compile(r"://|^-|--(extra-)?index|--find-links|--trusted-host| @ |^/", re.MULTILINE)
SETTINGS = re.compile(r"^\s*(extra-)?index-url\s*=|^\s*find-links\s*=|^\s*registry\s*=", re.MULTILINE)
HOMES = re.compile(r"(?<![\w.-])/(?:root|home/[a-z]\w*|Users/\w+)/")


def tracked() -> list[Path]:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    names = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in names.split("\0") if name]


def texts() -> list[tuple[str, str]]:
    found = []
    for path in tracked():
        try:
            found.append((path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")))
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue
    return found


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_names_versions_and_hashes_and_no_place(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    assert not (found := IN_LOCK.search(text)), f"{lock.name}: {found}"
    pins = re.findall(r"^[a-zA-Z0-9_.-]+(?:\[[^\]]+\])?==\S+", text, re.MULTILINE)
    assert pins
    assert text.count("--hash=sha256:") >= len(pins)


def test_the_browser_files_are_locked_by_integrity_and_by_no_place() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    others = {name: package for name, package in packages.items() if name}
    assert others
    assert all("resolved" not in package and package["integrity"].startswith("sha512-") for package in others.values())


def test_no_tracked_file_names_a_folder_of_this_machine() -> None:
    checkout = str(ROOT.resolve()) + "/"
    found = [name for name, text in texts() if HOMES.search(text) or (len(checkout) > 6 and checkout in text)]
    assert not found, f"paths of one machine in {found}"


def test_no_tracked_file_configures_a_package_index() -> None:
    assert not (found := [name for name, text in texts() if SETTINGS.search(text)]), found


def test_no_browser_code_of_others_is_tracked() -> None:
    names = [path.relative_to(ROOT).as_posix() for path in tracked()]
    found = [name for name in names if name.endswith((".min.js", ".min.css", ".iife.js")) or "/vendor/" in name]
    assert not found, f"third-party files come from npm, by package-lock.json: {found}"
