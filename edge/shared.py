"""Beside acquire: what devices of one model have in common is made once, so that a thousand meters take the memory of one."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

_Made = TypeVar("_Made")
MOST_SHARED = 20_000


class Shared(Generic[_Made]):
    """Things by what they are made from. The key may hold identities: ``origin`` keeps those objects alive."""

    def __init__(self) -> None:
        self._shelf: dict[Hashable, tuple[object, _Made]] = {}

    def get(self, key: Hashable, origin: object, make: Callable[[], _Made]) -> _Made:
        """The one made before for this key, or a new one."""
        found = self._shelf.get(key)
        if found is None:
            if len(self._shelf) >= MOST_SHARED:
                self._shelf.clear()
            found = self._shelf[key] = (origin, make())
        return found[1]
