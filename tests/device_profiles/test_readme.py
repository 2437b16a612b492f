"""The worked example of the README is true: the library accepts it and answers its mistakes as it says."""

import re
from pathlib import Path

import pytest

from device_profiles import library
from device_profiles.schema import PayloadMapping, RegisterMapping
from device_profiles.units import factor
from edge.decode.registers import compile_point, decode

README = (library.SHIPPED / "README.md").read_text(encoding="utf-8")
MODEL = re.findall(r"```yaml\n(id: .*?)```", README, re.DOTALL)[0]


def write(folder: Path, text: str) -> Path:
    path = folder / "models" / "pump" / "acme_p100.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_the_model_of_the_worked_example_loads(tmp_path: Path) -> None:
    write(tmp_path, MODEL)
    model = library.load([tmp_path]).models["acme_p100"]
    assert model.equipment_class == "pump"
    assert list(model.registers) == ["running", "fault", "discharge_pressure", "active_power", "in_auto"]


def test_its_registers_decode_as_the_manual_says(tmp_path: Path) -> None:
    write(tmp_path, MODEL)
    loaded = library.load([tmp_path])
    model, points = loaded.models["acme_p100"], loaded.classes["pump"].points

    def read(name: str, *words: int) -> object:
        mapping: RegisterMapping = model.registers[name]
        unit = factor(mapping.unit, points[name].unit) if mapping.unit else (1.0, 0.0)
        return decode(compile_point(mapping, model.limits, points[name], unit), words).value

    assert read("discharge_pressure", 552) == pytest.approx(0.552)
    assert read("discharge_pressure", 0x8000) is None
    assert read("active_power", 0x1D4C, 0x0000) == 7.5
    assert (read("running", 0b0001), read("fault", 0b1000), read("in_auto", 2)) == (True, True, True)


def test_its_mistakes_are_answered_as_it_says(tmp_path: Path) -> None:
    path = write(tmp_path, MODEL.replace("unit: bar", "unit: Bar").replace("order: CDAB", "order: BA"))
    said = re.findall(r"^acme_p100.yaml:.*$", README, re.MULTILINE)
    assert [str(one).replace(str(path), path.name) for one in library.check([path])] == said


def test_every_option_of_a_mapping_is_explained() -> None:
    for name in {**RegisterMapping.model_fields, **PayloadMapping.model_fields}:
        assert f"`{name}`" in README, name
