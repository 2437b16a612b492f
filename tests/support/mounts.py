"""A small disk of its own: a real file system that can be full or read-only, where this machine lets us mount one."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_BALLAST = "ballast"
_MENDED = (0, 1)
"""What e2fsck returns when nothing is wrong any more."""


@dataclass(frozen=True, slots=True)
class Disk:
    """An ext4 file system in a file."""

    image: Path
    folder: Path

    def mount(self) -> None:
        _run("mount", "-o", "loop", self.image, self.folder)

    def fill(self) -> None:
        """Leave no room at all."""
        for size in (65536, 4096, 512):
            with (self.folder / _BALLAST).open("ab", buffering=0) as file, contextlib.suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass

    def free(self) -> None:
        """Give the room back."""
        (self.folder / _BALLAST).unlink()

    def fail(self) -> None:
        """As a kernel does when the disk below answers with errors: read-only at once, also for files that are open."""
        _run("mount", "-o", "remount,abort", self.folder)

    def repair(self) -> None:
        """As at the next start of the machine. Nobody may have a file open there."""
        _run("umount", self.folder)
        done = subprocess.run(["e2fsck", "-p", self.image], check=False, capture_output=True)
        assert done.returncode in _MENDED, done.stdout
        self.mount()


def _run(*words: str | Path) -> None:
    subprocess.run(list(map(str, words)), check=True, capture_output=True)


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Disk]:
    """A disk of so many megabytes. Only root may mount, and not in every container: else the test is left out and says so."""
    disk = Disk(folder / "disk.img", folder / "disk")
    disk.folder.mkdir(parents=True)
    with disk.image.open("wb") as file:
        file.truncate(megabytes * 1024 * 1024)
    try:
        if os.geteuid() != 0:
            pytest.skip("mounting needs root; run as root to see a real full and a real read-only disk")
        _run("mkfs.ext4", "-q", disk.image)
        disk.mount()
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", b"") or str(error).encode()
        pytest.skip(f"this machine mounts no file as a disk: {said.decode().strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk.folder)], check=True)
