import pytest

from device_profiles import units


@pytest.mark.parametrize(
    ("source", "target", "value", "expected"),
    [
        ("W", "kW", 12_340, 12.34),
        ("kW", "W", 0.5, 500),
        ("bar", "MPa", 5.5, 0.55),
        ("psi", "bar", 14.5, 0.99974),
        ("K", "°C", 298.15, 25),
        ("°F", "°C", 212, 100),
        ("L/s", "m³/h", 10, 36),
        ("%", "", 90, 0.9),
        ("min", "h", 90, 1.5),
        ("mA", "A", 300, 0.3),
    ],
)
def test_a_value_means_the_same_in_another_unit(source: str, target: str, value: float, expected: float) -> None:
    scale, offset = units.factor(source, target)
    assert value * scale + offset == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("unit", units.KNOWN)
def test_a_unit_is_itself(unit: str) -> None:
    assert units.factor(unit, unit) == (1.0, 0.0)


def test_decimal_steps_are_exact() -> None:
    assert [units.factor(*pair)[0] for pair in [("W", "kW"), ("mA", "A"), ("bar", "MPa"), ("kPa", "MPa")]] == [
        0.001, 0.001, 0.1, 0.001,
    ]  # fmt: skip


@pytest.mark.parametrize(("source", "target"), [("kW", "kVA"), ("kW", "kWh"), ("°C", "%"), ("bar", "m³/h"), ("A", "V")])
def test_unlike_units_are_refused(source: str, target: str) -> None:
    with pytest.raises(units.UnlikeUnits, match="cannot become"):
        units.factor(source, target)


def test_an_unknown_unit_is_refused_and_its_spelling_suggested() -> None:
    with pytest.raises(units.UnlikeUnits, match="'kw' is not known"):
        units.factor("kw", "kW")
    assert [units.suggest(wrong) for wrong in ("kw", "rpm", "m3/h", "degC")] == [
        "Write kW", "Write 1/min", "Write m³/h", "Write °C",
    ]  # fmt: skip
