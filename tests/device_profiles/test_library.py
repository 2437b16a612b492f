from pathlib import Path

import pytest

from device_profiles import library
from device_profiles.library import Finding, LibraryError

FAN = """
id: fan
name: {en: Fan, zh: 风机}
system: power
points: {speed: {name: {en: Speed, zh: 转速}, kind: gauge, unit: 1/min}}
limits: {speed_max: {name: {en: Highest speed, zh: 转速上限}, value: 1500, unit: 1/min, source: nameplate}}
rules:
  too_fast: {name: {en: Too fast, zh: 过快}, when: speed > speed_max, severity: minor, clause: house-1}
"""
HOUSE = """
clauses:
- id: house-1
  source: {document: {en: House rules, zh: 内部规定}}
  summary: {en: Fans do not race, zh: 风机不得超速}
  kind: threshold
"""
ACME = """
id: acme_fan
equipment_class: fan
name: F1
maker: Acme
status: unverified
sources: [a leaflet]
protocol: modbus
registers: {speed: {table: holding, address: 4, type: uint16}}
"""


def own_library(folder: Path, **files: str) -> Path:
    (folder / "classes").mkdir()
    (folder / "models" / "fan").mkdir(parents=True)
    places = {"clauses": "clauses.yaml", "fan": "classes/fan.yaml", "acme": "models/fan/acme_fan.yaml"}
    for name, text in ({"clauses": HOUSE, "fan": FAN, "acme": ACME} | files).items():
        (folder / places[name]).write_text(text, encoding="utf-8")
    return folder


def test_a_site_adds_its_own_clauses_classes_and_models(tmp_path: Path) -> None:
    loaded = library.load([own_library(tmp_path)])
    assert loaded.classes["fan"].rules["too_fast"].clause == "house-1"
    assert loaded.models["acme_fan"].equipment_class == "fan"
    assert "lift" in loaded.classes


def test_a_site_replaces_what_ships_under_the_same_id(tmp_path: Path) -> None:
    own = own_library(tmp_path)
    shipped = library.SHIPPED / "models" / "lift" / "generic_lift_gateway.yaml"
    text = shipped.read_text(encoding="utf-8").replace("maker: generic", "maker: Acme")
    (own / "models" / "fan" / "lift.yaml").write_text(text, encoding="utf-8")
    assert library.load([own]).models["generic_lift_gateway"].maker == "Acme"
    assert library.load().models["generic_lift_gateway"].maker == "generic"


def test_the_same_id_twice_in_one_folder_is_refused(tmp_path: Path) -> None:
    own = own_library(tmp_path)
    (own / "models" / "fan" / "again.yaml").write_text(ACME, encoding="utf-8")
    with pytest.raises(LibraryError) as error:
        library.load([own])
    (found,) = error.value.findings
    assert found.message == "model acme_fan exists already in acme_fan.yaml:2"


def test_errors_of_all_files_come_at_once_in_the_order_of_files_and_lines(tmp_path: Path) -> None:
    own = own_library(
        tmp_path, fan=FAN.replace("house-1", "house-2"), acme=ACME.replace("address: 4", "address: 70000")
    )
    with pytest.raises(LibraryError) as error:
        library.load([own])
    assert [(Path(one.file).name, one.line) for one in error.value.findings] == [("fan.yaml", 8), ("acme_fan.yaml", 9)]


def test_a_broken_class_is_not_reported_again_by_its_models(tmp_path: Path) -> None:
    own = own_library(tmp_path, fan=FAN.replace("system: power", "system: steam"))
    with pytest.raises(LibraryError) as error:
        library.load([own])
    assert [one.path for one in error.value.findings] == ["system"]


def test_a_folder_that_is_not_there_is_one_finding(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="is no folder"):
        library.load([tmp_path / "none"])


def test_a_single_file_is_judged_with_the_whole_library(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(ACME.replace("equipment_class: fan", "equipment_class: pump"), encoding="utf-8")
    assert [str(one) for one in library.check([path])] == []
    path.write_text(ACME.replace("equipment_class: fan", "equipment_class: transformer"), encoding="utf-8")
    assert [one.message for one in library.check([path])] == ["point of transformer speed does not exist"]


def test_a_shipped_file_can_be_checked_alone() -> None:
    assert library.check([library.SHIPPED / "models" / "pump" / "grundfos_cim.yaml"]) == []
    assert library.check([library.SHIPPED / "classes" / "lift.yaml"]) == []
    assert library.check([library.SHIPPED / "clauses.yaml"]) == []


def test_a_library_folder_can_be_checked_whole(tmp_path: Path) -> None:
    assert library.check([own_library(tmp_path)]) == []


def test_a_finding_reads_as_one_line() -> None:
    assert str(Finding("a.yaml", 3, "rules.x", "is wrong", "Mend it")) == "a.yaml:3: rules.x: is wrong. Mend it"
    assert str(Finding("a.yaml", 0, "", "is gone")) == "a.yaml: is gone"


def test_the_list_names_every_class_and_model() -> None:
    loaded = library.load()
    rows = library.list_lines(loaded)
    assert {row["id"] for row in rows} == set(loaded.classes) | set(loaded.models)
    meter = next(row for row in rows if row["id"] == "eastron_sdm630")
    assert meter == {
        "kind": "model", "id": "eastron_sdm630", "name": "Eastron SDM630",
        "about": f"lv_switchgear; modbus, {len(loaded.models['eastron_sdm630'].registers)} points, verified",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("lift", "  entrapment_button [life_safety, city-lift-entrapment-30min]: alarm_button"),
        ("lv_switchgear", "  pf_min: 0.9  (clause h-5.3.1-pf)"),
        ("eastron_sdm630", "  power_factor: input 0x003E float32"),
        ("generic_lift_gateway", "  door_state: main topic door.state"),
        ("h-5.3.1-pf", "value: >= 0.9"),
    ],
)
def test_a_class_a_model_and_a_clause_can_be_shown(name: str, line: str) -> None:
    assert line in library.show_lines(library.load(), name)


def test_showing_what_is_not_there_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        library.show_lines(library.load(), "moon")
