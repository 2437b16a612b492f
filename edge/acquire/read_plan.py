"""acquire, the plan: which requests read a device's points, and what they cost on the line.

Blocks are contiguous or fill small gaps, keep the device's limits, and never split a value. Nothing here sends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from device_profiles.schema import ModbusLimits, RegisterMapping
from edge.decode.registers import compile_point
from edge.shared import Shared

if TYPE_CHECKING:
    from edge.site import Bus, Device

NETWORK_MS = 2.0
"""What a request costs on a network beside the device's own turnaround."""
SILENCE_CHARACTERS = 3.5
LEAST_SILENCE_MS = 1.75
"""Between frames above 19,200 baud (Modbus over serial line V1.02, section 2.5.1.1)."""
REQUEST_CHARACTERS = 8
REPLY_CHARACTERS = 5
BITS_PER_WORD = 16
ADDRESSES = 65_536
HEAVIEST = 3
"""Requests that are named when a line has not the time."""
BIT_TABLES = ("coil", "discrete")


class Infeasible(ValueError):
    """No legal request reads this point, or the line has not the time. The text says which and what to change."""


@dataclass(frozen=True, slots=True, order=True)
class Extent:
    """Registers or bits that belong together and are never split: a value, or the scale factor it needs."""

    address: int
    count: int
    point: int
    """Index of the binding that needs it."""

    @property
    def end(self) -> int:
        return self.address + self.count


@dataclass(frozen=True, slots=True)
class Request:
    """One read: ``count`` registers or bits of ``table`` from the wire's zero-based ``address``."""

    table: str
    address: int
    count: int
    every_ms: int
    extents: tuple[Extent, ...]
    cost_ms: float = 0.0

    @property
    def end(self) -> int:
        return self.address + self.count

    @property
    def points(self) -> tuple[int, ...]:
        """Indexes of the bindings that this request serves, each once."""
        return tuple(dict.fromkeys(extent.point for extent in self.extents))

    def line(self) -> str:
        """For ``check`` and the device page."""
        what = ("bit" if self.table in BIT_TABLES else "register") + ("" if self.count == 1 else "s")
        points = len(self.points)
        return (
            f"{self.table} 0x{self.address:04X}-0x{self.end - 1:04X}: {self.count} {what}, {points} point"
            f"{'' if points == 1 else 's'}, {self.cost_ms:.0f} ms every {self.every_ms / 1000:g} s"
        )


@dataclass(frozen=True, slots=True)
class Learned:
    """What a device refused: ``holes`` (table, first, last) it lacks, ``barriers`` (table, address) no read may cross."""

    holes: frozenset[tuple[str, int, int]] = frozenset()
    barriers: frozenset[tuple[str, int]] = frozenset()

    def __or__(self, other: Learned) -> Learned:
        return Learned(self.holes | other.holes, self.barriers | other.barriers)

    def __and__(self, other: Learned) -> Learned:
        return Learned(self.holes & other.holes, self.barriers & other.barriers)

    def __bool__(self) -> bool:
        return bool(self.holes or self.barriers)


NOTHING_LEARNED = Learned()


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """All requests of one device, and the points that no request serves because the device refused them."""

    device: str
    requests: tuple[Request, ...]
    refused: tuple[int, ...] = ()
    names: tuple[str, ...] = field(default=(), repr=False)

    def lines(self) -> list[str]:
        """The plan as ``plantroom-edge check`` prints it, one line a request."""
        rows = [request.line() for request in self.requests]
        if self.refused:
            rows.append("refused by the device: " + ", ".join(self.names[point] for point in self.refused))
        return rows

    @property
    def busy_share(self) -> float:
        """Share of the line's time this device takes, 1 being all of it."""
        return sum(request.cost_ms / request.every_ms for request in self.requests)


_PLANS: Shared[ReadPlan] = Shared()


def plan(device: Device, learned: Learned = NOTHING_LEARNED) -> ReadPlan:
    """The requests that read a Modbus device; devices that are alike share them.

    Raises Infeasible when a point cannot be read within its limits.
    """
    model, bindings = device.model, device.bindings
    points = tuple((id(one.mapping), one.device_point, one.every_ms) for one in bindings)
    key = (id(model), _line_of(device.bus), learned, points)
    made = _PLANS.get(key, (model, [one.mapping for one in bindings]), lambda: _plan(device, learned))
    return replace(made, device=device.id)


def _line_of(bus: Bus) -> tuple[object, ...]:
    """What of a bus the cost of a request depends on."""
    return bus.kind, bus.baud, bus.parity, bus.stop_bits, bus.data_bits


def _plan(device: Device, learned: Learned) -> ReadPlan:
    limits = device.model.limits
    needs: dict[tuple[int, str], list[Extent]] = {}
    refused = []
    names = tuple(binding.device_point for binding in device.bindings)
    for index, binding in enumerate(device.bindings):
        if not isinstance(binding.mapping, RegisterMapping):
            raise TypeError(f"{binding.device_point} of {device.id} is not read from registers")
        table = binding.mapping.table
        extents = list(_extents(binding.mapping, limits, index))
        if any(_touches(table, extent, learned.holes) for extent in extents):
            refused.append(index)
            continue
        for extent in extents:
            _check(names[index], table, extent, limits)
            needs.setdefault((binding.every_ms, table), []).append(extent)
    requests = [
        replace(request, cost_ms=round(cost_ms(request.table, request.count, device.bus, limits), 2))
        for (every_ms, table), extents in sorted(needs.items())
        for request in _blocks(table, every_ms, sorted(extents), limits, learned.barriers)
    ]
    return ReadPlan(device.id, tuple(requests), tuple(refused), names)


def _extents(mapping: RegisterMapping, limits: ModbusLimits, index: int) -> Iterator[Extent]:
    codec = compile_point(mapping, limits)
    if codec.scale_from is not None:
        yield Extent(codec.scale_from, 1, index)
    yield Extent(codec.address, codec.count, index)


def _touches(table: str, extent: Extent, ranges: Iterable[tuple[str, int, int]]) -> bool:
    return any(table == of and extent.address <= last and first < extent.end for of, first, last in ranges)


def _check(name: str, table: str, extent: Extent, limits: ModbusLimits) -> None:
    if extent.address < 0 or extent.end > ADDRESSES:
        raise Infeasible(f"{name}: address {extent.address} is outside 0 to 65535; one_based counts from 1")
    if extent.count > _most(table, limits):
        raise Infeasible(f"{name}: takes {extent.count} registers, the device gives {_most(table, limits)} at once")
    if _is_forbidden(extent.address, extent.end, limits):
        raise Infeasible(f"{name}: {table} {extent.address} to {extent.end - 1} lies in a forbidden range of the model")


def _most(table: str, limits: ModbusLimits) -> int:
    return limits.max_bits if table in BIT_TABLES else limits.max_registers


def _is_forbidden(first: int, end: int, limits: ModbusLimits) -> bool:
    base = 1 if limits.one_based else 0
    return any(first <= last - base and low - base < end for low, last in limits.forbidden)


def _blocks(
    table: str, every_ms: int, extents: Sequence[Extent], limits: ModbusLimits, barriers: frozenset[tuple[str, int]]
) -> Iterator[Request]:
    """Greedy from the lowest address: as many values in one request as the limits allow."""
    gathered: list[Extent] = []
    for extent in extents:
        if gathered and not _fits(table, gathered, extent, limits, barriers):
            yield block(table, every_ms, gathered, limits)
            gathered = []
        gathered.append(extent)
    if gathered:
        yield block(table, every_ms, gathered, limits)


def _fits(
    table: str, gathered: Sequence[Extent], extent: Extent, limits: ModbusLimits, barriers: frozenset[tuple[str, int]]
) -> bool:
    end = max(one.end for one in gathered)
    if limits.one_point_per_request:
        return extent.address == gathered[0].address and extent.count == gathered[0].count
    gap = limits.gap * (BITS_PER_WORD if table in BIT_TABLES else 1)
    if extent.address - end > gap:
        return False
    first, last = _aligned(gathered[0].address, max(end, extent.end), limits)
    if last - first > _most(table, limits) or _is_forbidden(first, last, limits):
        return False
    return not any(of == table and gathered[0].address < at < max(end, extent.end) for of, at in barriers)


def _aligned(first: int, end: int, limits: ModbusLimits) -> tuple[int, int]:
    step = limits.alignment
    return first - first % step, min(end + -end % step, ADDRESSES)


def block(table: str, every_ms: int, extents: Sequence[Extent], limits: ModbusLimits) -> Request:
    """One request over these extents, widened to the device's alignment where that is allowed."""
    first, end = min(one.address for one in extents), max(one.end for one in extents)
    wide = _aligned(first, end, limits)
    if wide[1] - wide[0] <= _most(table, limits) and not _is_forbidden(*wide, limits):
        first, end = wide
    return Request(table, first, end - first, every_ms, tuple(extents))


def bisect(request: Request, limits: ModbusLimits) -> tuple[Request, Request] | None:
    """A refused request as two, split at its widest gap; None when a single value is left, which then is the hole.

    Values that overlap stay together.
    """
    cut = _widest_cut(sorted(request.extents))
    if cut is None:
        return None
    halves = (
        block(request.table, request.every_ms, part, limits)
        for part in (
            [one for one in request.extents if one.address < cut],
            [one for one in request.extents if one.address >= cut],
        )
    )
    first, second = (replace(half, cost_ms=request.cost_ms) for half in halves)
    return first, second


def _widest_cut(extents: Sequence[Extent]) -> int | None:
    """Where to split: the start of an extent that none before it reaches into, after the widest gap, else the middle."""
    cuts: list[tuple[int, int, int]] = []
    end = extents[0].end
    middle = (extents[0].address + extents[-1].end) // 2
    for before, after in pairwise(extents):
        end = max(end, before.end)
        if after.address >= end:
            cuts.append((after.address - end, -abs(after.address - middle), after.address))
    return max(cuts)[2] if cuts else None


def hole_of(request: Request) -> Learned:
    """What an unsplittable refused request teaches: its values are not there."""
    first = min(one.address for one in request.extents)
    return Learned(holes=frozenset({(request.table, first, max(one.end for one in request.extents) - 1)}))


def barrier_of(second: Request) -> Learned:
    """What two readable halves of a refused request teach: nothing may be read across where the second begins."""
    return Learned(barriers=frozenset({(second.table, min(one.address for one in second.extents))}))


# --- cost on the line ----------------------------------------------------------------------------------------------


def cost_ms(table: str, count: int, bus: Bus, limits: ModbusLimits) -> float:
    """What one request and its reply take: characters and silence on a serial line, a round trip on a network."""
    network = 0.0 if bus.kind == "rtu" else NETWORK_MS
    if bus.kind not in ("rtu", "rtu_over_tcp"):
        return network + limits.turnaround
    payload = -(-count // 8) if table in BIT_TABLES else 2 * count
    silence = 2 * max(SILENCE_CHARACTERS * character_ms(bus), LEAST_SILENCE_MS)
    return network + wire_ms(bus, payload) + silence + limits.turnaround


def wire_ms(bus: Bus, payload: int) -> float:
    """How long a request and its answer with ``payload`` bytes of values are under way on a line, switching included."""
    rs485 = bus.rs485
    switching = 0 if rs485 is None else rs485.delay_before_send_ms + rs485.delay_after_send_ms
    return (REQUEST_CHARACTERS + REPLY_CHARACTERS + payload) * character_ms(bus) + switching


def character_ms(bus: Bus) -> float:
    """How long one character takes on the line: start, data, parity and stop bits."""
    bits = 1 + bus.data_bits + (bus.parity != "N") + bus.stop_bits
    return bits * 1000 / bus.baud


@dataclass(frozen=True, slots=True)
class BusLoad:
    """How busy the polls of all devices keep one bus. ``share`` above 1 cannot be kept."""

    share: float
    lines: tuple[str, ...]
    heaviest: tuple[str, ...] = ()
    """The requests that take most, where it is too much."""

    @property
    def is_feasible(self) -> bool:
        return self.share <= 1.0


def bus_load(bus: Bus, plans: Sequence[ReadPlan]) -> BusLoad:
    """The arithmetic of one bus, device by device, for ``check`` and for refusing what cannot be kept."""
    share = sum(one.busy_share for one in plans)
    rows = [
        f"{one.device}: {len(one.requests)} request{'' if len(one.requests) == 1 else 's'}, "
        f"{1000 * one.busy_share:.0f} ms of each second"
        for one in plans
    ]
    rows.append(f"bus {bus.id}: {1000 * share:.0f} ms of each second ({share:.0%} busy)")
    if share > 1.0:
        longer = f"{share:.1f} times longer intervals, fewer points or a second line"
        rows.append(f"bus {bus.id} cannot keep this: it would need {longer}")
    return BusLoad(share, tuple(rows), tuple(_heaviest(plans)) if share > 1.0 else ())


def _heaviest(plans: Sequence[ReadPlan]) -> Iterator[str]:
    """The costliest requests with their arithmetic, for whoever must cut something."""
    asked = [(request.cost_ms / request.every_ms, one.device, request) for one in plans for request in one.requests]
    for share, device, request in sorted(asked, key=lambda row: -row[0])[:HEAVIEST]:
        yield f"{device} {request.line()} = {1000 * share:.0f} ms/s"
