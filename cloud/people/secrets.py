"""Around every arrow: secrets are made at random, told once, and kept only as hashes."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable

Tokens = Callable[[], str]
"""Gives a new secret at each call; injected, so that a virtual run repeats."""

_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # without what a person misreads


def new_token() -> str:
    """256 random bits, safe in headers and addresses."""
    return secrets.token_urlsafe(32)


def new_code() -> str:
    """80 random bits that a person can type: ``K7QP-2MXW-9RTA-H4CE``."""
    letters = [secrets.choice(_ALPHABET) for _ in range(16)]
    return "-".join("".join(letters[start : start + 4]) for start in range(0, 16, 4))


def hash_secret(secret: str) -> str:
    """SHA-256: enough for secrets that are random; passwords get argon2id (``passwords``)."""
    return hashlib.sha256(secret.strip().encode()).hexdigest()
