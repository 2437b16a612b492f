"""status page: who may look. One password for the page, kept hashed in a file; sessions live as long as the process."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path

SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**14, 8, 1
SESSION_MS = 30 * 86_400_000
TRIES = 5
TRIES_WITHIN_MS = 60_000
MOST_SESSIONS = 100


def hash_password(password: str) -> str:
    """The line of a password file: ``scrypt$n$r$p$salt$hash``."""
    salt = secrets.token_bytes(16)
    return f"scrypt${SCRYPT_N}${SCRYPT_R}${SCRYPT_P}${salt.hex()}${_scrypt(password, salt, SCRYPT_N, SCRYPT_R, SCRYPT_P).hex()}"


def matches(password: str, line: str) -> bool:
    """Whether the password is the one behind the line. False for a line of another shape."""
    try:
        kind, n, r, p, salt, wanted = line.strip().split("$")
        found = _scrypt(password, bytes.fromhex(salt), int(n), int(r), int(p))
        return kind == "scrypt" and hmac.compare_digest(found, bytes.fromhex(wanted))
    except ValueError:
        return False


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=64 * 1024 * 1024)


class Door:
    """Signs in and remembers who did. Without a password file the page is for this machine alone and open."""

    def __init__(self, password_file: Path | None) -> None:
        self._file = password_file
        self._sessions: dict[str, int] = {}
        self._failed: list[int] = []

    @property
    def is_locked(self) -> bool:
        return self._file is not None

    def knows(self, session: str, now_ms: int) -> bool:
        """Whether this session may look."""
        return not self.is_locked or self._sessions.get(session, 0) > now_ms

    def is_tired(self, now_ms: int) -> bool:
        """True while too many wrong passwords came in the last minute."""
        self._failed = [at for at in self._failed if now_ms - at < TRIES_WITHIN_MS]
        return len(self._failed) >= TRIES

    def sign_in(self, password: str, now_ms: int) -> str | None:
        """A new session, or None for a wrong password. Raises OSError when the password file cannot be read."""
        line = self._file.read_text(encoding="utf-8") if self._file is not None else ""
        if not matches(password, line):
            self._failed.append(now_ms)
            return None
        session = secrets.token_urlsafe(32)
        self._sessions = {one: until for one, until in self._sessions.items() if until > now_ms}
        while len(self._sessions) >= MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[session] = now_ms + SESSION_MS
        return session
