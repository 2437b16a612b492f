"""Around every arrow: passwords as argon2id hashes. Hashing takes tens of milliseconds, so it runs beside the loop."""

from __future__ import annotations

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from cloud.errors import invalid

SHORTEST = 10
_hasher = PasswordHasher()
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b27deSwdA6LiPY0eFgRYz9MQz4"
"""Checked when there is no such user, so that a wrong name takes as long as a wrong password."""


async def hash_password(password: str) -> str:
    """An argon2id hash. Raises Refused (422) for a password that is too short."""
    if len(password) < SHORTEST:
        raise invalid("password", f"a password needs at least {SHORTEST} characters", "choose a longer one")
    return await asyncio.to_thread(_hasher.hash, password)


async def is_password(password: str, password_hash: str | None) -> bool:
    """Whether this is the password; always False when the user has none, after the same time."""
    verified = await asyncio.to_thread(_verify, password, password_hash or _NOBODY)
    return verified and password_hash is not None


def _verify(password: str, password_hash: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False
