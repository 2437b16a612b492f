"""acquire, unknown: who answers on a line and what may be read of them. One request at a time, with a pause between."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from device_profiles.schema import WireType
from edge.acquire.frames import FUNCTION_OF, Read
from edge.acquire.read_plan import BIT_TABLES
from edge.clock import Clock
from edge.commission.asking import Asker, Outcome, words_of
from edge.decode.registers import decode
from edge.decode.tool import Line, codec_of
from edge.errors import Transient

BLOCK = 32
SILENCES_MOST = 3
REFUSED_FUNCTION, REFUSED_ADDRESS, REFUSED_VALUE = 1, 2, 3
Tell = Callable[[int, int, str], None]
"""Progress: done, of how many, and what is being looked at."""


@dataclass(slots=True)
class Found:
    """One device: words (or bits) by table and address."""

    unit: int
    tables: dict[str, dict[int, int]] = field(default_factory=dict)
    stopped: str = ""
    """Why not everything was looked at; empty when it was."""

    def ranges(self, table: str) -> list[tuple[int, int]]:
        """First and last of every run of readable addresses."""
        addresses = sorted(self.tables.get(table, {}))
        if not addresses:
            return []
        starts = [addresses[0], *(after for before, after in pairwise(addresses) if after != before + 1)]
        ends = [*(before for before, after in pairwise(addresses) if after != before + 1), addresses[-1]]
        return list(zip(starts, ends, strict=True))


class Scanner:
    """Asks politely: ``pause_s`` after every request, and no more than ``most`` of them."""

    def __init__(self, asker: Asker, clock: Clock, *, pause_s: float, timeout_ms: int, most: int, tell: Tell) -> None:
        self._asker, self._clock, self._tell = asker, clock, tell
        self._pause_s, self._timeout_ms, self.left = pause_s, timeout_ms, most

    async def _ask(self, unit: int, table: str, first: int, count: int) -> Outcome:
        self.left -= 1
        found = await self._asker.ask(unit, Read(FUNCTION_OF[table], first, count), self._timeout_ms)
        await self._clock.sleep(self._pause_s)
        return found

    async def units(self, candidates: Sequence[int]) -> list[int]:
        """Ids that answer, be it with an exception. Raises Transient when the line itself cannot be opened."""
        answering: list[int] = []
        for at, unit in enumerate(candidates):
            self._tell(at, len(candidates), f"id {unit}")
            found = await self._ask(unit, "holding", 0, 1)
            if found.cause == "not_connected" and found.exception is None and not answering:
                raise Transient(f"the line cannot be opened: {found.reason}")
            if not found.is_silence:
                answering.append(unit)
        self._tell(len(candidates), len(candidates), f"{len(answering)} answer")
        return answering

    async def device(self, unit: int, tables: Sequence[str], first: int, last: int) -> Found:
        """What one device lets read between two addresses."""
        found = Found(unit)
        steps = [(table, at) for table in tables for at in range(first, last + 1, BLOCK)]
        closed: set[str] = set()
        silences = 0
        for done, (table, at) in enumerate(steps):
            self._tell(done, len(steps), f"id {unit} {table} {at}")
            if table in closed:
                continue
            outcome = await self._block(found, table, at, min(BLOCK, last + 1 - at))
            if outcome is None:
                found.stopped = f"the most requests were used up at {table} {at}"
                break
            closed |= {table} if outcome.exception == REFUSED_FUNCTION else set()
            silences = silences + 1 if outcome.is_silence else 0
            if silences >= SILENCES_MOST:
                found.stopped = f"it fell silent at {table} {at}: {outcome.reason}"
                break
        self._tell(len(steps), len(steps), f"id {unit} done")
        return found

    async def _block(self, found: Found, table: str, first: int, count: int) -> Outcome | None:
        """Read a block, or its halves where it is refused. None when no request is left."""
        if self.left <= 0:
            return None
        outcome = await self._ask(found.unit, table, first, count)
        if outcome.payload is not None:
            found.tables.setdefault(table, {}).update(
                zip(range(first, first + count), _values(table, outcome), strict=False)
            )
        elif outcome.exception in (REFUSED_ADDRESS, REFUSED_VALUE) and count > 1:
            half = count // 2
            for start, size in ((first, half), (first + half, count - half)):
                if await self._block(found, table, start, size) is None:
                    return None
        return outcome


def _values(table: str, outcome: Outcome) -> Sequence[int]:
    payload = outcome.payload or b""
    if table in BIT_TABLES:
        return [payload[at >> 3] >> (at & 7) & 1 for at in range(8 * len(payload))]
    return words_of(payload)


# --- the draft ----------------------------------------------------------------------------------------------------


def draft(found: Found, model_id: str, where: str, day: str) -> str:
    """A model file of what was read: every register a channel, to be named by whoever knows the device."""
    lines = [
        f"# Drafted on {day} from what id {found.unit} at {where} let read. Nobody has said yet what it means:",
        "# compare the values with the display, then either name the channels and assign them in the site file,",
        "# or set equipment_class, remove channels: true and name the registers after the points of that class.",
        f"id: {model_id}",
        "equipment_class: input_module",
        f"name: Device {found.unit}",
        "maker: unknown",
        "status: unverified",
        f'sources: ["read from the device at {where}, id {found.unit}, on {day}"]',
        "protocol: modbus",
        "channels: true",
        "registers:",
    ]
    return "\n".join([*lines, *(row for table in found.tables for row in _rows(table, found.tables[table]))]) + "\n"


def _rows(table: str, words: dict[int, int]) -> Iterator[str]:
    addresses = sorted(words)
    taken: set[int] = set()
    for at in addresses:
        if at in taken:
            continue
        name = f"{table}_{at:05d}"
        if table in BIT_TABLES:
            yield f"  {name}: {{table: {table}, address: {at}, type: bit}}  # now {words[at]}"
            continue
        guess = _float_at(words, at)
        if guess is None:
            yield f"  {name}: {{table: {table}, address: {at}, type: uint16}}  # now {words[at]} (0x{words[at]:04X})"
        else:
            taken.add(at + 1)
            order, value = guess
            yield f"  {name}: {{table: {table}, address: {at}, type: float32, order: {order}}}  # now {value:.6g}"


def _float_at(words: dict[int, int], at: int) -> tuple[str, float] | None:
    """Two registers that read like a measured float; whole small numbers read so by chance hardly ever."""
    if at + 1 not in words or (not (words[at] and words[at + 1]) and not _is_round_float(words.get(at, 0))):
        return None
    wire_type: WireType = "float32"
    for order in ("ABCD", "CDAB"):
        pair = [words[at], words[at + 1]]
        value = decode(codec_of(Line(type=wire_type, registers=pair, order=order)), pair).value
        if isinstance(value, float) and 1e-3 <= abs(value) <= 1e7:
            return order, value
    return None


def _is_round_float(word: int) -> bool:
    """The high word of 1.0, 50.0, 230.0: a low word of zero is then no sign of an integer."""
    return 0x3C00 <= word & 0x7FFF <= 0x4B00
