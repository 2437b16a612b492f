"""Tickets: files that no row names. A kill between file and row leaves one; so does an attachment that was removed.

A name belongs to one upload only, so a file old enough that its upload is over, and that no row names, is nobody's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy import select

from cloud.clock import Clock
from cloud.storage import tables as t
from cloud.storage.files import FileGone, Files, FilesAway, written_at
from cloud.storage.session import Database
from cloud.tickets.attachments import SMALL
from contract.conventions import EpochMs

log = structlog.get_logger("cloud")
PREFIXES: Final = tuple(f"{number:02x}" for number in range(256))
KEPT_MS: Final = 7 * 86_400_000
"""How long a file without a row stays: a database put back from a backup of the same week finds its photos again."""
FIRST_S: Final = 3_600.0
EVERY_S: Final = 86_400.0


def nobodys(names: Iterable[str], named: Iterable[str], now: EpochMs) -> list[str]:
    """Which of these files may go: ours by their names, old enough, and named by no row (pure)."""
    known = set(named)
    old = [name for name in names if (at := written_at(name)) is not None and at <= now - KEPT_MS]
    return [name for name in old if name.removesuffix(SMALL) not in known]


@dataclass(frozen=True, slots=True)
class Sweeper:
    """Looks once a day through every folder of the store."""

    database: Database
    files: Files
    clock: Clock

    async def run(self) -> None:
        """Sweep an hour after the start and then every day; a store that is away is swept another day."""
        nap = FIRST_S
        while True:
            await self.clock.sleep(nap)
            nap = EVERY_S
            try:
                await self.sweep()
            except FilesAway as away:
                log.warning("files_not_swept", reason=str(away))

    async def sweep(self) -> int:
        """Remove what is nobody's; how many files. Raises FilesAway."""
        removed = 0
        for prefix in PREFIXES:
            removed += await self._sweep(prefix)
        if removed:
            log.info("files_swept", removed=removed)
        return removed

    async def _sweep(self, prefix: str) -> int:
        try:
            names = await self.files.names(prefix)
        except FileGone:
            return 0
        if not names:
            return 0
        a = t.proof.attachment.c
        query = select(a.file).where(a.file.startswith(f"{prefix}/"), a.removed_at.is_(None))
        async with self.database.read() as connection:
            named = (await connection.execute(query)).scalars().all()
        gone = nobodys(names, named, self.clock.now_ms())
        await self.files.remove(gone)
        return len(gone)
