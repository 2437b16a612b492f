"""decode → rules: units inside an expression, so that a kilowatt is never compared with an ampere (pure).

A unit is a product of base units with exponents, and a factor to them. Active, reactive and apparent power count as one
quantity, because a power factor is made of all three; so do °C and K, because rules work with differences. Percent is a
plain number: rules write ``/ rated * 100`` themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

_BASE: dict[str, tuple[float, str]] = {
    "%": (1, ""), "1": (1, ""),
    "ms": (0.001, "s"), "s": (1, "s"), "min": (60, "s"), "h": (3600, "s"), "d": (86_400, "s"),
    "W": (1, "W"), "kW": (1e3, "W"), "MW": (1e6, "W"),
    "var": (1, "W"), "kvar": (1e3, "W"), "VA": (1, "W"), "kVA": (1e3, "W"),
    "Wh": (3600, "W*s"), "kWh": (3.6e6, "W*s"), "MWh": (3.6e9, "W*s"), "kvarh": (3.6e6, "W*s"), "kVAh": (3.6e6, "W*s"),
    "A": (1, "A"), "mA": (1e-3, "A"), "V": (1, "V"), "mV": (1e-3, "V"), "kV": (1e3, "V"),
    "°C": (1, "K"), "K": (1, "K"),
    "MVA": (1e6, "W"), "Mvar": (1e6, "W"), "varh": (3600, "W*s"), "VAh": (3600, "W*s"), "Mvarh": (3.6e9, "W*s"),
    "kA": (1e3, "A"), "kΩ": (1e3, "Ω"), "MΩ": (1e6, "Ω"), "t": (1e3, "kg"), "Ah": (3600, "A*s"), "Hz": (1, "Hz"),
    "hPa": (100, "Pa"), "psi": (6894.757293168, "Pa"), "mH2O": (9806.65, "Pa"),
    "Pa": (1, "Pa"), "kPa": (1e3, "Pa"), "MPa": (1e6, "Pa"), "bar": (1e5, "Pa"), "mbar": (100, "Pa"),
    "mm": (1e-3, "m"), "cm": (0.01, "m"), "m": (1, "m"), "m³": (1, "m*m*m"), "L": (1e-3, "m*m*m"), "l": (1e-3, "m*m*m"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Unit:
    """``dims``: base units with exponents, sorted; ``factor``: one of this unit in base units; ``text`` for people."""

    dims: tuple[tuple[str, float], ...]
    factor: float
    text: str

    def times(self, other: Unit, sign: int = 1) -> Unit:
        """Product (or quotient with sign -1)."""
        dims = dict(self.dims)
        for base, exponent in other.dims:
            dims[base] = dims.get(base, 0) + sign * exponent
        text = " ".join(part for part in (self.text, "per" if sign < 0 else "times", other.text) if part)
        return Unit(_sorted(dims), self.factor * other.factor**sign, text if other.text else self.text)

    def to_power(self, exponent: float) -> Unit:
        dims = {base: power * exponent for base, power in self.dims}
        return Unit(_sorted(dims), float(self.factor**exponent), self.text)

    def is_like(self, other: Unit) -> bool:
        return self.dims == other.dims


def _sorted(dims: dict[str, float]) -> tuple[tuple[str, float], ...]:
    return tuple(sorted((base, exponent) for base, exponent in dims.items() if abs(exponent) > 1e-9))


def parse_unit(text: str) -> Unit:
    """A unit as the library writes it: ``kW``, ``K/min``, ``m³/h``; an unknown word is a base unit of its own."""
    top, _, bottom = text.partition("/")
    dims: dict[str, float] = {}
    factor = 1.0
    for part, sign in ((top, 1), (bottom, -1)):
        if part:
            scale, bases = _BASE.get(part.strip(), (1.0, part.strip()))
            factor *= scale**sign
            for base in filter(None, bases.split("*")):
                dims[base] = dims.get(base, 0) + sign
    return Unit(_sorted(dims), factor, text)


PLAIN = parse_unit("")
SECOND = parse_unit("s")
