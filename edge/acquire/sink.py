"""acquire → cycle: where samples go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from edge.decode.sample import Sample


class Sink(Protocol):
    """The cycle, as the buses see it."""

    async def put(self, samples: Sequence[Sample], committed: Callable[[], None] | None = None) -> None:
        """Hand samples on; waits while the cycle is behind. ``committed`` is called, on the loop, once they are safe."""
