"""acquire → decode: one Modbus device, compiled. Which requests serve which points, and replies as samples. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat

import msgspec

from contract.messages import Cause, Quality
from device_profiles.schema import RegisterMapping
from device_profiles.units import factor
from edge.acquire.breaker import Breaker
from edge.acquire.frames import FUNCTION_OF, MOST_BITS, Read
from edge.acquire.read_plan import BIT_TABLES, NOTHING_LEARNED, Learned, ReadPlan, Request, plan
from edge.acquire.schedule import Poll
from edge.decode.blocks import BlockDecoder
from edge.decode.registers import RegisterCodec, compile_point
from edge.decode.sample import Moment, Sample
from edge.decode.value import Decoded
from edge.decode.watch import Watch, watch_of
from edge.shared import Shared
from edge.site import Binding, Device, PointMapping


@dataclass(frozen=True, slots=True)
class CompiledRequest:
    """A request with the decoder of its reply; ``points`` are indexes of bindings in the decoder's order."""

    request: Request
    read: Read
    decoder: BlockDecoder
    points: tuple[int, ...]
    scales: tuple[tuple[str, int], ...]
    """Scale-factor registers in it: (table, wire address)."""


class DeviceReader:
    """One device as its bus sees it. Holds the breaker, what was learned, and the scale factors last read."""

    def __init__(self, device: Device, learned: Learned = NOTHING_LEARNED) -> None:
        self.device = device
        self.unit = int(device.address)
        self.limits = device.model.limits
        self.timeout_ms: int = self.limits.timeout
        self.breaker = Breaker()
        self.learned = learned
        self.suspected: dict[int, Learned] = {}
        """What the last poll of each interval found refused and no second one has confirmed."""
        self.codecs = tuple(compile_binding(device, binding) for binding in device.bindings)
        self.scale_codes: dict[tuple[str, int], int] = {}
        self._watches = watches(device)
        self._targets: dict[tuple[int, ...], tuple[list[str], list[str]]] = {}
        self.plan: ReadPlan
        self._groups: dict[int, tuple[CompiledRequest, ...]]
        self._refused: dict[int, tuple[int, ...]]
        self.relearn(learned)

    def relearn(self, learned: Learned) -> None:
        """Plan anew around what the device refuses."""
        self.learned = learned
        self.plan = plan(self.device, learned)
        bindings = self.device.bindings
        intervals = dict.fromkeys(binding.every_ms for binding in bindings)
        requests = self.plan.requests
        key = (id(requests), *(id(codec) for codec in self.codecs))
        compiled = _COMPILED.get(key, (requests, self.codecs), lambda: self._compiled(requests))
        self._groups = {
            every_ms: tuple(one for one in compiled if one.request.every_ms == every_ms) for every_ms in intervals
        }
        self._refused = {
            every_ms: tuple(point for point in self.plan.refused if bindings[point].every_ms == every_ms)
            for every_ms in intervals
        }

    def _compiled(self, requests: Sequence[Request]) -> tuple[CompiledRequest, ...]:
        return tuple(sorted((self.compile(request) for request in requests), key=self._needs_others))

    def _needs_others(self, one: CompiledRequest) -> bool:
        """Requests with scale factors of other requests' values go first."""
        return {extent.point for extent in one.request.extents} <= set(one.points)

    def compile(self, request: Request) -> CompiledRequest:
        """The decoder of one request's reply."""
        points = tuple(
            dict.fromkeys(
                extent.point
                for extent in request.extents
                if (extent.address, extent.count) == self._place_of(extent.point)
            )
        )
        codecs = [self.codecs[point] for point in points]
        scales = dict.fromkeys(
            (request.table, codec.scale_from)
            for codec in self.codecs
            if codec.table == request.table
            and codec.scale_from is not None
            and request.address <= codec.scale_from < request.end
        )
        read = Read(FUNCTION_OF[request.table], request.address, request.count)
        decoder = shared_decoder(codecs, request.address, request.count)
        return CompiledRequest(request, read, decoder, points, tuple(scales))

    def _place_of(self, point: int) -> tuple[int, int]:
        return self.codecs[point].address, self.codecs[point].count

    @property
    def polls(self) -> list[Poll]:
        """One poll for each interval at which this device has points."""
        return [Poll(self.device.id, every_ms) for every_ms in self._groups]

    def requests(self, every_ms: int) -> tuple[CompiledRequest, ...]:
        """What a poll of this interval asks."""
        return self._groups[every_ms]

    def resync_reads(self, every_ms: int) -> Iterator[Read]:
        """Reads of other lengths than the plan's, ending at the end of a value, to tell answers apart by length."""
        for compiled in self._groups[every_ms]:
            request = compiled.request
            ends = sorted({extent.end for extent in request.extents}, reverse=True)
            yield from (Read(compiled.read.function, request.address, end - request.address) for end in ends)
            if request.table in BIT_TABLES:
                sizes = range(1, min(request.count, MOST_BITS), 8)
                yield from (Read(compiled.read.function, request.address, size) for size in sizes)

    def samples(self, compiled: CompiledRequest, payload: bytes, at: Moment) -> list[Sample]:
        """What a reply says, one sample for each of its points."""
        start = compiled.request.address
        for scale in compiled.scales:
            offset = 2 * (scale[1] - start)
            self.scale_codes[scale] = int.from_bytes(payload[offset : offset + 2], "big")
        values, flaws = compiled.decoder.decode(payload, self.scale_codes)
        device, wall_ms, steady_ms = self.device.id, at.wall_ms, at.steady_ms
        equipment, names = self._targets_of(compiled.points)
        good, none = repeat(Quality.GOOD), repeat(Cause.NONE)
        rows = list(
            map(Sample, repeat(device), equipment, names, values, good, none, repeat(wall_ms), repeat(steady_ms))
        )  # in one go: this is done for every value that is ever read
        for place, flaw in flaws.items():
            rows[place] = Sample(
                device, equipment[place], names[place], None, flaw.quality, flaw.cause, wall_ms, steady_ms
            )
        return self._watched(compiled.points, rows) if self._watches else rows

    def _targets_of(self, points: tuple[int, ...]) -> tuple[list[str], list[str]]:
        """Equipment and point that each of these bindings feeds."""
        if (known := self._targets.get(points)) is None:
            bindings = [self.device.bindings[point] for point in points]
            known = self._targets[points] = [one.equipment for one in bindings], [one.point_id for one in bindings]
        return known

    def _watched(self, points: Sequence[int], rows: list[Sample]) -> list[Sample]:
        """Points with a watch are judged by what they were before."""
        for place, point in enumerate(points):
            if (watch := self._watches.get(point)) is not None:
                rows[place] = judged(watch, rows[place])
        return rows

    def failed(self, several: Iterable[CompiledRequest], cause: Cause, at: Moment) -> list[Sample]:
        """One bad sample for each point of these requests. Scale factors that could not be read are forgotten."""
        points: list[int] = []
        for compiled in several:
            points.extend(compiled.points)
            for scale in compiled.scales:
                self.scale_codes.pop(scale, None)
        return self._bad(points, cause, at)

    def refused(self, every_ms: int, at: Moment) -> list[Sample]:
        """The points of a poll that the device is known to refuse."""
        return self._bad(self._refused[every_ms], Cause.EXCEPTION, at)

    def _bad(self, points: Sequence[int], cause: Cause, at: Moment) -> list[Sample]:
        return [bad_sample(self.device, self.device.bindings[point], cause, at) for point in points]

    def names(self, request: Request) -> str:
        """The points a request serves, for a log line."""
        return ", ".join(self.device.bindings[point].device_point for point in request.points)


def watches(device: Device) -> dict[int, Watch]:
    """The watches of a device by the index of the binding, for those points whose mapping asks for one."""
    made = (watch_of(binding.mapping.max_rate, binding.mapping.stuck_after) for binding in device.bindings)
    return {point: watch for point, watch in enumerate(made) if watch is not None}


def judged(watch: Watch, sample: Sample) -> Sample:
    """The sample as its watch sees it."""
    decoded = watch.judge(Decoded(sample.value, sample.quality, sample.cause), sample.steady_ms)
    if decoded.cause is sample.cause:
        return sample
    return msgspec.structs.replace(sample, quality=decoded.quality, cause=decoded.cause)


def bad_sample(device: Device, binding: Binding, cause: Cause, at: Moment) -> Sample:
    """No value, why, and when that was found out."""
    return Sample(device.id, binding.equipment, binding.point_id, None, Quality.BAD, cause, at.wall_ms, at.steady_ms)


_CODECS: Shared[RegisterCodec] = Shared()
_DECODERS: Shared[BlockDecoder] = Shared()
_COMPILED: Shared[tuple[CompiledRequest, ...]] = Shared()


def compile_binding(device: Device, binding: Binding) -> RegisterCodec:
    """The codec of one bound point, unit converted. Raises ValueError for a mapping that makes no sense.

    Devices of one model share theirs: a thousand meters take the memory of one.
    """
    mapping, point = binding.mapping, binding.point
    if not isinstance(mapping, RegisterMapping):
        raise TypeError(f"{binding.device_point} of {device.id} is not read from registers")
    return _CODECS.get(
        (id(mapping), id(device.model), id(point)),
        (mapping, device.model, point),
        lambda: compile_point(mapping, device.model.limits, point, unit_of(mapping, point.unit)),
    )


def shared_decoder(codecs: Sequence[RegisterCodec], address: int, count: int) -> BlockDecoder:
    """The decoder of a reply; the same for every device with the same codecs."""
    key = (address, count, *(id(codec) for codec in codecs))
    return _DECODERS.get(key, tuple(codecs), lambda: BlockDecoder(codecs, address, count))


def unit_of(mapping: PointMapping, wanted: str) -> tuple[float, float]:
    """(scale, offset) from the wire's unit to the class's; nothing to do when the mapping names none."""
    if not mapping.unit or mapping.unit == wanted:
        return 1.0, 0.0
    return factor(mapping.unit, wanted)
