"""Before the contractors' page: nobody asks without limit. One process's worth of remembered instants (pure but for that)."""

from __future__ import annotations

from dataclasses import dataclass, field

from contract.conventions import EpochMs

WINDOW_MS = 60_000
MOST_WRONG = 30
"""Unknown links from one address in a minute: whoever guesses is slowed down; 256 random bits do the rest."""
MOST_ACTS = 30
"""Acts through one link in a minute."""
_KEYS = 10_000


@dataclass(slots=True)
class Gate:
    """Counts by key over a sliding minute."""

    seen: dict[str, list[EpochMs]] = field(default_factory=dict)

    def is_over(self, key: str, most: int, now: EpochMs) -> bool:
        """Whether this key has been noted ``most`` times within the last minute. A clock set back forgets."""
        return len([at for at in self.seen.get(key, ()) if 0 <= now - at < WINDOW_MS]) >= most

    def note(self, key: str, now: EpochMs) -> None:
        """Count one more."""
        recent = [at for at in self.seen.pop(key, ()) if 0 <= now - at < WINDOW_MS]
        self.seen[key] = [*recent, now]
        while len(self.seen) > _KEYS:
            del self.seen[next(iter(self.seen))]
