"""recording → wire: what a site once said is said again, to a gateway that reads it through the same site file.

A question is answered as the same question was answered at that instant; one that was never asked is answered from the
registers that were read until then. Time begins with the gateway's first question.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt

from simulators.clock import Clock
from simulators.modbus_device import ILLEGAL_ADDRESS, TABLES, Refused, Silent, Table
from simulators.mqtt_device import Publisher
from simulators.raw_lines import LineServer, Where, open_line
from simulators.recording import Entry, Exchange, Message
from simulators.site import SiteError, broker_of

JITTER_MS = 300
"""A gateway asks at most so much earlier or later than the recorder did."""
LOOK_AHEAD_MS = 60_000
"""Entries stand in the order in which they were finished; a question may have waited for its time limit."""
MOST_PENDING = 64
LOOK_S = 0.05
_FUNCTIONS: Mapping[Table, int] = {table: function for function, table in TABLES.items()}

Key = tuple[str, int, int, int, int]


class Tape:
    """A recording that plays: what each question is answered at an instant, and which messages are due. Pure.

    Holds a minute of the recording at a time, however long it is.
    """

    def __init__(self, entries: Iterator[Entry]) -> None:
        self._entries = entries
        self._ahead: list[tuple[int, int, Entry]] = []
        self._number = 0
        self._read_ms = 0
        self._pending: dict[Key, deque[Exchange]] = {}
        self._last: dict[Key, Exchange] = {}
        self._memory: dict[tuple[str, int, int, int], int] = {}
        self._messages: deque[Message] = deque()
        self._dark: dict[str, bool] = {}
        self.is_over = False
        """True once everything recorded has been reached."""

    @property
    def first_ms(self) -> int:
        """When the first entry came."""
        self._look_ahead(0)
        return self._ahead[0][0] if self._ahead else 0

    def answer(self, key: Key, at_ms: int) -> Exchange | None:
        """What this question brought at that instant; None when it was not asked until then."""
        self._advance(at_ms + JITTER_MS)
        pending = self._pending.get(key)
        if pending:
            while len(pending) > 1 and pending[1].at_ms <= at_ms - JITTER_MS:
                pending.popleft()
            self._last[key] = pending.popleft()
        return self._last.get(key)

    def words(self, bus: str, unit: int, function: int, places: Sequence[int], at_ms: int) -> list[int] | None:
        """Registers as they were last read by any question; None when one of them never was."""
        self._advance(at_ms)
        found = [self._memory.get((bus, unit, function, place)) for place in places]
        return [word for word in found if word is not None] if None not in found else None

    def due(self, at_ms: int) -> list[Message]:
        """Messages whose time has come since the last look."""
        self._advance(at_ms)
        found = []
        while self._messages and self._messages[0].at_ms <= at_ms:
            found.append(self._messages.popleft())
        return found

    def is_dark(self, bus: str, at_ms: int) -> bool:
        """Whether nobody can connect to this bus: told a little early, so that it is so when the gateway tries."""
        self._advance(at_ms + JITTER_MS)
        return self._dark.get(bus, False)

    def _advance(self, until_ms: int) -> None:
        self._look_ahead(until_ms)
        while self._ahead and self._ahead[0][0] <= until_ms:
            self._take(heapq.heappop(self._ahead)[2])
        self.is_over = not self._ahead and self._read_ms < 0

    def _look_ahead(self, until_ms: int) -> None:
        while 0 <= self._read_ms <= until_ms + LOOK_AHEAD_MS:
            entry = next(self._entries, None)
            if entry is None:
                self._read_ms = -1
                return
            self._number += 1
            self._read_ms = max(self._read_ms, entry.at_ms)
            heapq.heappush(self._ahead, (entry.at_ms, self._number, entry))

    def _take(self, entry: Entry) -> None:
        if isinstance(entry, Message):
            self._messages.append(entry)
            return
        self._dark[entry.bus] = entry.outcome == "lost"
        self._pending.setdefault(entry.key, deque(maxlen=MOST_PENDING)).append(entry)
        if entry.outcome == "words":
            for place, word in enumerate(words_of(entry), start=entry.address):
                self._memory[entry.bus, entry.unit, entry.function, place] = word


def words_of(exchange: Exchange) -> list[int]:
    """The registers, or bits, of a reply."""
    data = exchange.payload
    if exchange.function < 3:
        return [data[at >> 3] >> (at & 7) & 1 for at in range(exchange.count)]
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]


class Player:
    """A tape and the time it plays at: ``speed`` seconds of the recording in each of ours."""

    def __init__(self, tape: Tape, clock: Clock, speed: float = 1.0) -> None:
        self.tape, self._clock, self._speed = tape, clock, speed
        self._base_ms: float | None = None

    def begin(self) -> None:
        """Let time begin; later calls change nothing."""
        if self._base_ms is None:
            self._base_ms = self._clock.now_ms() - self.tape.first_ms / self._speed

    @property
    def has_begun(self) -> bool:
        return self._base_ms is not None

    def at_ms(self) -> int:
        """Where in the recording we are."""
        self.begin()
        return round((self._clock.now_ms() - (self._base_ms or 0.0)) * self._speed)


class ReplayedDevice:
    """One device id on one bus."""

    def __init__(self, player: Player, bus: str, unit: int) -> None:
        self._player, self._bus, self._unit = player, bus, unit

    def read(self, table: Table, first: int, count: int) -> list[int]:
        """What the recording holds. Raises Refused or Silent where the device did."""
        function, at_ms, tape = _FUNCTIONS[table], self._player.at_ms(), self._player.tape
        found = tape.answer((self._bus, self._unit, function, first, count), at_ms)
        if found is None:
            words = tape.words(self._bus, self._unit, function, range(first, first + count), at_ms)
            if words is None:
                raise Refused(ILLEGAL_ADDRESS)
            return words
        if found.outcome == "exception":
            raise Refused(found.payload[0])
        if found.outcome != "words":
            raise Silent
        return words_of(found)


class Replay:
    """A recording on the wires of its site. ``buses`` are the site file's entries: where the gateway will look."""

    def __init__(
        self,
        player: Player,
        buses: Sequence[Mapping[str, Any]],
        clock: Clock,
        *,
        where: Where = Where(),  # noqa: B008 - frozen
        folder: Path = Path(),
    ) -> None:
        self._player, self._clock, self._where, self._folder = player, clock, where, folder
        self._buses = {str(bus["id"]): bus for bus in buses}
        self._servers: dict[str, LineServer] = {}

    async def run(self, publishers: Mapping[str, Publisher] | None = None) -> None:
        """Serve until the recording is over. Raises SiteError for a bus that cannot be opened.

        ``publishers`` by bus replace connections to the site's brokers.
        """
        async with AsyncExitStack() as stack:
            speakers = dict(publishers or {})
            for name, bus in self._buses.items():
                if "modbus" in bus:
                    await self._open(name)
                elif publishers is None:
                    speakers[name] = await stack.enter_async_context(self._broker(bus))
            stack.push_async_callback(self._close)
            if not self._servers:
                self._player.begin()
            await self._play(speakers)

    async def _play(self, speakers: Mapping[str, Publisher]) -> None:
        while not self._player.tape.is_over:
            await self._clock.sleep(LOOK_S)
            if not self._player.has_begun:
                continue
            at_ms = self._player.at_ms()
            for message in self._player.tape.due(at_ms):
                if message.bus in speakers:
                    await speakers[message.bus].publish(
                        message.topic, message.payload, qos=1, retain=message.is_retained
                    )
            await self._turn_lights(at_ms)

    async def _turn_lights(self, at_ms: int) -> None:
        """A bus that could not be connected to is not there."""
        for name in [name for name, bus in self._buses.items() if "modbus" in bus]:
            is_dark = self._player.tape.is_dark(name, at_ms)
            if is_dark and name in self._servers:
                await self._servers.pop(name).stop()
            elif not is_dark and name not in self._servers:
                await self._open(name)

    async def _open(self, name: str) -> None:
        devices = {unit: ReplayedDevice(self._player, name, unit) for unit in range(256)}
        self._servers[name] = await open_line(self._buses[name], self._clock, devices, self._where)

    async def _close(self) -> None:
        for server in self._servers.values():
            await server.stop()

    @asynccontextmanager
    async def _broker(self, bus: Mapping[str, Any]) -> AsyncIterator[Publisher]:
        broker = broker_of(bus, self._folder)
        user, password = broker.login or (None, None)
        try:
            async with aiomqtt.Client(
                broker.host, broker.port, identifier=f"replay_{bus['id']}", username=user, password=password,
                protocol=aiomqtt.ProtocolVersion.V311, timeout=5,
            ) as client:  # fmt: skip
                yield client
        except aiomqtt.MqttError as error:
            where = f"{broker.host}:{broker.port}"
            raise SiteError(
                f"bus {bus['id']}: the broker at {where} cannot be reached, or went away: {error}"
            ) from error
