"""What a bench measures: one figure of one case, and the least it must reach."""

from dataclasses import asdict, dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Result:
    """One figure.

    `ratio` tells how far the figure is from its floor, and above 1 is always good: value / floor where more is better, floor / value
    where less is better. Without a floor both are None.
    """

    bench: str
    case: str
    value: float
    unit: str
    floor: float | None = None
    ratio: float | None = None

    @classmethod
    def at_least(cls, bench: str, case: str, value: float, unit: str, floor: float) -> Self:
        """More is better: a rate."""
        return cls(bench, case, value, unit, floor, value / floor)

    @classmethod
    def at_most(cls, bench: str, case: str, value: float, unit: str, floor: float) -> Self:
        """Less is better: a time, a size."""
        return cls(bench, case, value, unit, floor, floor / value if value > 0 else float(10**6))

    @property
    def is_missed(self) -> bool:
        return self.ratio is not None and self.ratio < 1

    def as_json(self) -> dict[str, str | float | None]:
        return asdict(self)

    def cells(self) -> tuple[str, str, str, str, str, str]:
        floor = "" if self.floor is None else f"{self.floor:g}"
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        return (self.bench, self.case, f"{self.value:g}", self.unit, floor, ratio)
