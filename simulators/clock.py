"""Where simulated plant gets its time: the machine's clock, or a virtual loop that jumps from timer to timer.

On the virtual loop nothing waits. When no callback is ready the loop moves its own time to the next timer, so a day of
a site runs in the time its decisions take, and the same seed gives the same bytes (architecture, decision 12). Threads
would break that, so the loop refuses them.
"""

from __future__ import annotations

import asyncio
import contextvars
import selectors
import time
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from typing import Any, NoReturn, Protocol, TypeVar

from contract.conventions import EpochMs, from_ms
from edge.decode.sample import Moment
from simulators.virtual_network import MemoryNetwork, MemoryServer, ProtocolFactory

T = TypeVar("T")
_LOOK_EVERY = 1_000
_RESOLUTION_S = 1e-6
"""Timers closer than this run together; a year in float seconds still resolves it."""


class Clock(Protocol):
    """What simulated plant needs of time."""

    def now_ms(self) -> EpochMs:
        """Wall clock, epoch milliseconds."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's clock, for plant on real sockets."""

    def now_ms(self) -> EpochMs:
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Seconds of the monotonic clock, for time limits."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def pause(self, seconds: float) -> None:
        """Block this thread; for a supervisor that is no event loop."""
        time.sleep(seconds)


class VirtualTimeStuck(RuntimeError):
    """Nothing is ready and no timer is set: on virtual time this would wait for ever."""


class _Jump(selectors.BaseSelector):
    """A selector that never waits: it tells the loop how long it would have waited."""

    def __init__(self, advance: Callable[[float], None]) -> None:
        self._real = selectors.DefaultSelector()
        self._looks = 0
        self._advance = advance

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._looks += 1
        if timeout is None or timeout > 0 or self._looks % _LOOK_EVERY == 0:  # nobody outside speaks to a virtual loop
            ready = self._real.select(0)
            if ready:
                return ready
        if timeout is not None and timeout <= 0:
            return []
        if timeout is None:
            raise VirtualTimeStuck(
                "nothing is ready and no timer is set; some task waits for an event nobody will send"
            )
        self._advance(timeout)
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:  # noqa: ANN401
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:  # noqa: ANN401
        return self._real.unregister(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop on simulated time: ``time()`` starts at 0 and moves only when nothing is left to do."""

    def __init__(self) -> None:
        self._virtual_s = 0.0
        super().__init__(_Jump(self._advance))
        self._clock_resolution = _RESOLUTION_S
        self.network = MemoryNetwork()

    def time(self) -> float:
        return self._virtual_s

    async def create_connection(  # type: ignore[override]
        self,
        protocol_factory: ProtocolFactory,
        host: str | None = None,  # noqa: ARG002 - there is one machine
        port: int | None = None,
        **_options: Any,  # noqa: ANN401 - a socket's, of which there is none
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        return self.network.connect(self, protocol_factory, port or 0)

    async def create_server(  # type: ignore[override]
        self,
        protocol_factory: ProtocolFactory,
        host: str | None = None,  # noqa: ARG002
        port: int | None = None,
        **_options: Any,  # noqa: ANN401
    ) -> MemoryServer:
        return self.network.listen(protocol_factory, port or 0)

    def _advance(self, seconds: float) -> None:
        self._virtual_s += seconds

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> NoReturn:  # type: ignore[override]  # noqa: ANN401, ARG002
        name = getattr(func, "__qualname__", repr(func))
        raise RuntimeError(f"{name} wants a thread; on virtual time everything runs on the loop")


class VirtualClock:
    """Both sides' clock on a virtual loop: wall and steady time are the loop's, from ``start_ms`` on."""

    def __init__(self, start_ms: EpochMs) -> None:
        self._start_ms = start_ms
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told = -1.0, 0, Moment(wall_ms=0, steady_ms=0)
        """What it said last, and at which time of the loop: it is asked many times between two jumps."""
        self.wall_offset_ms = 0
        """Set to jump the wall clock; steady time does not notice."""

    def moment(self) -> Moment:
        if self._loop is None or self._loop.is_closed():
            self._loop = asyncio.get_running_loop()
        at, offset_ms = self._loop.time(), self.wall_offset_ms
        told_at, told_offset_ms, told = self._told
        if at != told_at or offset_ms != told_offset_ms:
            steady_ms = self._start_ms + round(at * 1000)
            told = Moment(wall_ms=steady_ms + offset_ms, steady_ms=steady_ms)
            self._told = at, offset_ms, told
        return told

    def steady_ms(self) -> int:
        """Milliseconds on the monotonic axis, anchored to the wall clock at the start."""
        return self.moment().steady_ms

    def now_ms(self) -> EpochMs:
        return self.moment().wall_ms

    def now(self) -> datetime:
        """The wall clock as the cloud asks for it: aware, UTC."""
        return from_ms(self.now_ms())

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run one coroutine on a virtual loop of its own to its end. Raises VirtualTimeStuck for a deadlock."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main, context=contextvars.Context())
