"""Live updates inside one process: what changed, told to every open page after the commit that changed it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterable, Iterator
from dataclasses import dataclass, field


@dataclass(eq=False, slots=True)
class Listener:
    """What one reader has not looked at yet."""

    topics: dict[str, None] = field(default_factory=dict)
    is_news: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, topics: Iterable[str]) -> None:
        """There is more to look at."""
        self.topics.update(dict.fromkeys(topics))
        self.is_news.set()

    def take(self) -> tuple[str, ...]:
        """What changed since the last time, each topic once."""
        self.is_news.clear()
        topics, self.topics = self.topics, {}
        return tuple(topics)


class Hub:
    """Topics: ``tickets alarms gateways equipment samples``. A slow reader hears each topic once, never a backlog."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self.version = 0
        """Grows with every change that was told."""

    def publish(self, *topics: str) -> None:
        """Tell every subscriber. Call it after the commit."""
        if not topics:
            return
        self.version += 1
        for listener in self._listeners:
            listener.add(topics)

    @contextlib.contextmanager
    def listening(self) -> Iterator[Listener]:
        """Hear of changes until the block ends."""
        listener = Listener()
        self._listeners.append(listener)
        try:
            yield listener
        finally:
            self._listeners.remove(listener)

    async def subscribe(self) -> AsyncGenerator[str, None]:
        """Topics as they change, until the reader stops."""
        with self.listening() as listener:
            while True:
                await listener.is_news.wait()
                for topic in listener.take():
                    yield topic
