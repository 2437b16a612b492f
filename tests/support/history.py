"""What any history store must answer, by looking at every sample of a plain list."""

import math
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from cloud.telemetry.store import QUALITIES, Bucket, Sample


def alone(sample: Sample) -> Bucket:
    is_bad = sample.quality == "bad"
    number = float(sample.value) if isinstance(sample.value, int | float) and not is_bad else None
    count, cause = int(number is not None), sample.cause if is_bad else ""
    return Bucket(sample.at_ms, sample.at_ms + 1, count, number, number, number, sample.value, sample.quality, cause)


def plain(samples: Mapping[int, Sample], start: int, end: int, count: int) -> list[Bucket]:
    """What the store must answer, by looking at every sample."""
    width = -(-(end - start) // count)
    asked = [at for at in sorted(samples) if start <= at < end]
    if len(asked) <= count:  # few enough to come one by one
        return [alone(samples[at]) for at in asked]
    found = []
    for number in sorted({(at - start) // width for at in samples if start <= at < end}):
        begin = start + number * width
        part = [samples[at] for at in sorted(samples) if begin <= at < min(begin + width, end)]
        numbers = [float(s.value) for s in part if s.quality != "bad" and isinstance(s.value, int | float)]
        low, mean, high = (min(numbers), sum(numbers) / len(numbers), max(numbers)) if numbers else (None, None, None)
        worst = max((s.quality for s in part), key=QUALITIES.index)
        cause = max((s.cause for s in part if s.quality == "bad"), default="")
        found.append(
            Bucket(begin, min(begin + width, end), len(numbers), low, mean, high, part[-1].value, worst, cause)
        )
    return found


def same(found: Sequence[Bucket], wanted: Sequence[Bucket]) -> bool:
    """Equal but for the last digit of a mean, which depends on the order of adding."""
    return len(found) == len(wanted) and all(map(_same, found, wanted))


def _same(one: Bucket, other: Bucket) -> bool:
    means = (one.mean, other.mean)
    is_near = means == (None, None) or (None not in means and math.isclose(*means, rel_tol=1e-9, abs_tol=1e-9))  # type: ignore[arg-type]
    return is_near and type(one.last) is type(other.last) and replace(one, mean=None) == replace(other, mean=None)
