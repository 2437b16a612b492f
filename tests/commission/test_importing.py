"""Point tables, in either language and spelling, become site files; every mistake is told with its sheet and row."""

import csv
import io
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from contract.conventions import Exit
from device_profiles import library as shelf
from edge.cli import app
from edge.commission import cells
from edge.commission.importing import import_rows
from edge.commission.sheet import HEADS, SheetRow
from edge.commission.template import rows as template_rows

DOCS = Path(__file__).parents[2] / "docs"
HEAD = ["device", "host", "unit id", "equipment", "class", "ratings", "point", "function code", "address", "data type"]
ROW = ["m1", "10.0.0.5", "1", "feeder_1", "lv_switchgear", "rated_a=100", "voltage_l1", "3", "0", "float32"]


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, ["import", *(str(argument) for argument in arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def write(path: Path, *rows: list[str], encoding: str = "utf-8") -> Path:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))
    return path


def changed(**cells_of: str) -> list[str]:
    return [cells_of.get(head.replace(" ", "_"), cell) for head, cell in zip(HEAD, ROW, strict=True)]


def site_of(folder: Path) -> Any:
    return yaml.safe_load((folder / "site.yaml").read_text(encoding="utf-8"))


def test_the_example_in_the_docs_is_the_template_and_becomes_a_site_that_can_run(tmp_path: Path) -> None:
    shown = openpyxl.load_workbook(DOCS / "points.xlsx").worksheets[0].iter_rows(values_only=True)
    assert [["" if cell is None else str(cell) for cell in row] for row in shown] == [
        list(row) for row in template_rows()
    ]
    result = run(DOCS / "points.xlsx", "--out", tmp_path / "site")
    assert result.exit_code == Exit.DONE, result.stderr
    assert "4 equipment, 3 devices, 6 points, it can run" in result.stdout
    site = site_of(tmp_path / "site")
    assert [bus["modbus"] for bus in site["buses"]] == ["rtu", "tcp"]
    assert site["devices"][2]["channels"]["ch_3"] == "pump_2/running"
    check = CliRunner().invoke(app, ["check", str(tmp_path / "site" / "site.yaml")])
    assert check.exit_code == Exit.DONE, check.stderr


@pytest.mark.parametrize("suffix", ["xlsx", "csv"])
def test_the_template_can_be_imported_as_it_is_written(tmp_path: Path, suffix: str) -> None:
    table = tmp_path / f"points.{suffix}"
    assert run("--template", table).exit_code == Exit.DONE
    assert run(table, "--out", tmp_path / "site").exit_code == Exit.DONE
    assert run("--template", table).exit_code == Exit.MISCONFIGURED  # would write over it
    assert "exists already" in run(table, "--out", tmp_path / "site").stderr


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_chinese_table_is_understood_in_the_encodings_of_spreadsheets(tmp_path: Path, encoding: str) -> None:
    head = [
        "采集设备",
        "IP地址",
        "端口",
        "从站地址",
        "所属设备",
        "设备类别",
        "额定参数",
        "测点",
        "功能码",
        "寄存器地址",
        "数据类型",
        "字节序",
        "系数",
        "单位",
    ]
    table = write(
        tmp_path / "点表.csv", head,
        ["电表1", "10.0.0.5", "502", "1", "1号进线柜", "低压配电柜", "rated_a=1600", "频率", "03", "70", "单精度", "CDAB", "1", "Hz"],
        ["", "", "", "", "", "", "", "voltage_l1", "03", "0", "无符号16位", "", "1/10", "V"], encoding=encoding,
    )  # fmt: skip
    result = run(table, "--out", tmp_path / "site")
    assert result.exit_code == Exit.DONE, result.stderr
    site = site_of(tmp_path / "site")
    assert site["equipment"][0]["name"]["zh"] == "1号进线柜"
    model = yaml.safe_load(next((tmp_path / "site").rglob("lv_switchgear/*.yaml")).read_text(encoding="utf-8"))
    assert model["registers"] == {
        "frequency": {"table": "holding", "address": 70, "type": "float32", "order": "CDAB", "unit": "Hz"},
        "voltage_l1": {"table": "holding", "address": 0, "type": "uint16", "scale": 0.1, "unit": "V"},
    }


MQTT_HEAD = ["device", "model", "protocol", "host", "port", "unit id", "equipment", "class", "point"]


def test_devices_that_speak_mqtt_are_taken_with_a_model_of_the_library(tmp_path: Path) -> None:
    table = write(
        tmp_path / "points.csv", MQTT_HEAD,
        ["th_1", "zigbee2mqtt_climate", "mqtt", "10.0.0.6", "", "room b1", "room_1", "room", "temperature"],
        ["leak_1", "zigbee2mqtt_water_leak", "mqtt", "10.0.0.6", "1883", "leak b1", "room_1", "room", ""],
        ["th_2", "zigbee2mqtt_climate", "mqtts", "10.0.0.6", "", "room b2", "room_2", "room", ""],
    )  # fmt: skip
    result = run(table, "--out", tmp_path / "site")
    assert result.exit_code == Exit.DONE, result.stderr
    site = site_of(tmp_path / "site")
    assert [bus["mqtt"] for bus in site["buses"]] == ["mqtt://10.0.0.6", "mqtts://10.0.0.6"]
    assert [(one["model"], one["address"], one["equipment"]) for one in site["devices"]] == [
        ("zigbee2mqtt_climate", "room b1", "room_1"), ("zigbee2mqtt_water_leak", "leak b1", "room_1"),
        ("zigbee2mqtt_climate", "room b2", "room_2"),
    ]  # fmt: skip


@pytest.mark.parametrize(("row", "column", "said"), [
    (["th", "zigbee2mqtt_climat", "mqtt", "h", "", "th", "room_1", "room", ""], "model", "Did you mean zigbee2mqtt_climate"),
    (["th", "", "mqtt", "h", "", "th", "room_1", "room", "temperature"], "model", "an empty cell is no MQTT model"),
    (["th", "eastron_sdm120", "mqtt", "h", "", "th", "f_1", "lv_switchgear", ""], "model", "speaks modbus"),
    (["th", "zigbee2mqtt_climate", "tcp", "h", "", "1", "room_1", "room", ""], "model", "speaks mqtt"),
    (["th", "zigbee2mqtt_climate", "mqtt", "h", "x", "th", "room_1", "room", ""], "port", "1 to 65535"),
    (["th", "zigbee2mqtt_climate", "mqtt", "h", "", "th/#", "room_1", "room", ""], "unit id", "topic"),
    (["th", "zigbee2mqtt_climate", "mqtt", "", "", "th", "room_1", "room", ""], "protocol", "no host"),
])  # fmt: skip
def test_a_mistake_about_an_mqtt_device_is_told(tmp_path: Path, row: list[str], column: str, said: str) -> None:
    table = write(tmp_path / "points.csv", MQTT_HEAD, row)
    result = run(table, "--out", tmp_path / "site")
    assert result.exit_code == Exit.MISCONFIGURED
    assert f"{table}:2: {column}: " in result.stderr
    assert said in result.stderr


@pytest.mark.parametrize(("cells_of", "column", "said"), [
    ({"point": "voltage_l9"}, "point", "Did you mean voltage_l"),
    ({"class": "lv_swichgear"}, "class", "Did you mean lv_switchgear?"),
    ({"class": ""}, "class", "does not say what feeder_1 is"),
    ({"ratings": ""}, "ratings", "Write rated_a="),
    ({"ratings": "rated_b=1; rated_a=2"}, "ratings", "rated_b is no rating"),
    ({"ratings": "rated_a=much"}, "ratings", "is no number"),
    ({"function_code": "6"}, "function code", "the gateway only reads"),
    ({"function_code": "9"}, "function code", "is no function code"),
    ({"function_code": ""}, "address", "does not say which table"),
    ({"address": "x"}, "address", "is no address"), ({"address": "70000"}, "address", "outside the table"),
    ({"address": "40001"}, "address", "may be a register or 4x notation"),
    ({"address": ""}, "address", "has no address"), ({"data_type": "floot"}, "data type", "Did you mean float"),
    ({"unit_id": "300"}, "unit id", "0 to 255"), ({"unit_id": ""}, "unit id", "names no unit id"),
    ({"host": ""}, "host", "names no line"), ({"device": ""}, "device", "names no device"),
    ({"data_type": "string"}, "length", "length"), ({"equipment": ""}, "equipment", "names no equipment"),
])  # fmt: skip
def test_a_mistake_is_told_with_its_row_its_column_and_the_remedy(
    tmp_path: Path, cells_of: dict[str, str], column: str, said: str
) -> None:
    table = write(tmp_path / "points.csv", HEAD, changed(**cells_of))
    result = run(table, "--out", tmp_path / "site")
    assert result.exit_code == Exit.MISCONFIGURED
    first = result.stderr.splitlines()[0]
    assert first.startswith(f"{table}:2: {column}: ")
    assert said in result.stderr
    assert not (tmp_path / "site").exists()


def test_every_mistake_is_told_at_once_in_the_order_of_the_rows(tmp_path: Path) -> None:
    table = write(
        tmp_path / "points.csv", HEAD, changed(point="voltage_l9"), changed(point="voltage_l2", function_code="6"),
        changed(point="voltage_l3", address="2", host="10.0.0.6"), changed(device="m2", point="current_l1"),
    )  # fmt: skip
    lines = run(table, "--out", tmp_path / "site").stderr.splitlines()
    assert [line.removeprefix(f"{table}:").split(": ")[0] for line in lines] == ["2", "3", "4", "5"]
    assert "contradicts 10.0.0.5 in row 2" in lines[2]
    assert "already m1's" in lines[3]


def test_a_point_measured_twice_is_told_with_the_first_row(tmp_path: Path) -> None:
    table = write(tmp_path / "points.csv", HEAD, ROW, changed(address="9"))
    assert "is measured already, in row 2" in run(table).stderr


def test_a_row_that_contradicts_the_library_is_a_question(tmp_path: Path) -> None:
    table = write(tmp_path / "points.csv", ["model", *HEAD], ["eastron_sdm630", *changed(address="100")])
    assert "is not where the library's eastron_sdm630 has voltage_l1: input 0" in run(table).stderr


@pytest.mark.parametrize(("content", "said"), [
    (b"", "no sheet has a head"), (b"PK\x03\x04 broken", "no sheet has a head"), (b"\xff\xff\xff\x80", "neither UTF-8"),
    (b"device,point,address\nm,p,1\n", "there is no column for equipment"),
    (b"device,device,unit id,equipment,class\nm,p,1,e,c\n", "two columns are both read as device"),
])  # fmt: skip
def test_a_file_that_is_no_table_is_told(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "points.csv"
    file.write_bytes(content)
    result = run(file)
    assert result.exit_code == Exit.MISCONFIGURED
    assert said in result.stderr


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04" + bytes(40)])
def test_a_broken_workbook_is_told(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "points.xlsx"
    file.write_bytes(content)
    assert "is no .xlsx workbook" in run(file).stderr
    assert "no such file" in run(tmp_path / "none.xlsx").stderr.lower()


@pytest.mark.parametrize(("text", "table", "base", "found"), [
    ("62", "input", "", ("input", 62, None)), ("0x3E", "input", "0", ("input", 62, None)), ("1", "coil", "1", ("coil", 0, None)),
    ("40001", "", "", ("holding", 0, None)), ("30063", "", "", ("input", 62, None)), ("400001", "", "", ("holding", 0, None)),
    ("10001", "", "", ("discrete", 0, None)), ("40001", "holding", "4x", ("holding", 0, None)),
    ("40001", "holding", "0", ("holding", 40001, None)), ("100.3", "holding", "", ("holding", 100, 3)),
])  # fmt: skip
def test_addresses_are_read_in_every_notation(
    text: str, table: str, base: str, found: tuple[str, int, int | None]
) -> None:
    assert cells.address_of(text, table, base) == found


@pytest.mark.parametrize(("text", "found"), [
    ("3", "holding"), ("03", "holding"), ("FC04", "input"), ("0x01", "coil"), ("04H", "input"), ("离散输入", "discrete"), ("4x", "holding"),
])  # fmt: skip
def test_function_codes_are_read_in_every_spelling(text: str, found: str) -> None:
    assert cells.table_of(text) == found


@given(st.lists(st.dictionaries(st.sampled_from(list(HEADS)), st.text(max_size=12) | st.sampled_from(
    ["lv_switchgear", "pump", "feeder_1", "voltage_l1", "3", "40001", "float32", "tcp", "10.0.0.5", "rated_a=1"],
)), max_size=6))  # fmt: skip
def test_whatever_stands_in_the_cells_every_mistake_has_a_place_and_nothing_raises(table: list[dict[str, str]]) -> None:
    rows = [
        SheetRow("t.csv", "", at, {key: text.strip() for key, text in row.items() if text.strip()}, {})
        for at, row in enumerate(table, start=2)
    ]
    _, findings = import_rows(rows, LIBRARY)
    assert all(one.line >= 2 and one.path and one.message for one in findings)


LIBRARY = shelf.load()
