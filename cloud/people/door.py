"""Before every page: the way in. Guessing is slowed down, and no transaction waits while a password is hashed."""

from __future__ import annotations

import asyncio

from cloud.clock import Clock
from cloud.errors import Refused
from cloud.people import service
from cloud.people.secrets import Tokens
from cloud.storage.session import Database
from contract.conventions import EpochMs

TRIES = 5
WINDOW_MS = 300_000
"""So many wrong tries of one name in so long; then that name waits. A one-time sign-in still works."""
_NAMES = 10_000
_AT_ONCE = 2
"""Hashing takes 64 MiB each time; a flood of sign-ins must not take the machine's memory."""


class Door:
    """Signs people in, one process's worth of remembered wrong tries."""

    def __init__(self, database: Database, clock: Clock, tokens: Tokens) -> None:
        self._database = database
        self._clock = clock
        self._tokens = tokens
        self._wrong: dict[str, list[EpochMs]] = {}
        self._hashing = asyncio.Semaphore(_AT_ONCE)

    async def by_password(self, name: str, password: str) -> str:
        """A session's token. Raises Refused: 401 name or password is wrong, 429 too many wrong tries."""
        now = self._clock.now_ms()
        self._slow_down(name, now)
        try:
            async with self._hashing, self._database.read() as connection:
                user_id = await service.check_password(connection, name, password)
        except Refused:
            self._remember(name, now)
            raise
        self._wrong.pop(name, None)
        async with self._database.write() as connection:
            await service.audit(connection, name, "signed_in", name, now)
            return await service.open_session(connection, user_id, now, self._tokens)

    async def by_code(self, code: str) -> str:
        """A session's token for a one-time sign-in, which is used up. Raises Refused (401)."""
        async with self._database.write() as connection:
            return await service.sign_in_by_code(connection, code, self._clock.now_ms(), self._tokens)

    def _slow_down(self, name: str, now: EpochMs) -> None:
        recent = [at for at in self._wrong.get(name, ()) if now - at < WINDOW_MS]
        if len(recent) >= TRIES:
            raise Refused(
                429,
                "too_many",
                "too many wrong tries",
                f"wait {WINDOW_MS // 60_000} minutes, or use a one-time sign-in",
            )

    def _remember(self, name: str, now: EpochMs) -> None:
        recent = [at for at in self._wrong.pop(name, ()) if now - at < WINDOW_MS]
        self._wrong[name] = [*recent, now]
        while len(self._wrong) > _NAMES:
            del self._wrong[next(iter(self._wrong))]
