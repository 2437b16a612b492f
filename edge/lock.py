"""One gateway to a data folder: two would number their records alike and drop each other's."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from device_profiles.library import Finding
from edge.errors import Misconfigured

LOCK = "lock"


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the folder until the end of the block, or of the process however it ends. Raises Misconfigured when it is held.

    A folder in which no file can be opened is left to the outbox, which says so and goes on in memory.
    """
    try:
        file = (folder / LOCK).open("a")
    except OSError:
        yield
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            remedy = "Stop that one, or name another --data folder"
            raise Misconfigured(
                [Finding(str(folder), 0, "", "another gateway runs on this data folder", remedy)]
            ) from error
        yield
