"""Live updates inside one process: what changed, told to every open page after the commit that changed it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field


@dataclass(eq=False, slots=True)
class _Listener:
    topics: dict[str, None] = field(default_factory=dict)
    is_news: asyncio.Event = field(default_factory=asyncio.Event)


class Hub:
    """Topics: ``tickets alarms gateways equipment samples``. A slow reader hears each topic once, never a backlog."""

    def __init__(self) -> None:
        self._listeners: list[_Listener] = []
        self.version = 0
        """Grows with every change that was told."""

    def publish(self, *topics: str) -> None:
        """Tell every subscriber. Call it after the commit."""
        self.version += 1
        for listener in self._listeners:
            listener.topics.update(dict.fromkeys(topics))
            listener.is_news.set()

    async def subscribe(self) -> AsyncGenerator[str, None]:
        """Topics as they change, until the reader stops."""
        listener = _Listener()
        self._listeners.append(listener)
        try:
            while True:
                await listener.is_news.wait()
                listener.is_news.clear()
                topics, listener.topics = listener.topics, {}
                for topic in topics:
                    yield topic
        finally:
            self._listeners.remove(listener)
