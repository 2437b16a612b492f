"""Every model reads what its device was seen, or is documented, to say: captured dumps and payloads beside this file.

A dump names its model, where it comes from, the words or messages as they stand on the wire (zero-based addresses), and
what each point must then be: ``[value, unit]``, ``[value, unit, quality]``, or the cause for which there is no value.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from contract.conventions import to_ms
from contract.messages import Cause, Quality, Value
from device_profiles.fitting import ChannelSetting, fitted_model
from device_profiles.library import list_lines, show_lines
from device_profiles.schema import DeviceModel, Point
from device_profiles.units import factor
from edge.decode.blocks import BlockDecoder
from edge.decode.payload import compile_messages, decode_message, matches
from edge.decode.registers import RegisterCodec, compile_model, decode
from edge.decode.sample import Moment
from edge.decode.value import Decoded
from tests.support.living_equipment import LIBRARY

FOLDER = Path(__file__).parent / "dumps"


@dataclass(frozen=True, slots=True)
class Dump:
    """One file: a device's memory or its messages, and what they mean."""

    name: str
    data: Mapping[str, Any]

    @property
    def model(self) -> DeviceModel:
        channels = {name: ChannelSetting(**setting) for name, setting in self.data.get("channels", {}).items()}
        return fitted_model(LIBRARY.models[self.data["model"]], self.data.get("ratios", {}), channels)

    @property
    def points(self) -> dict[str, Point]:
        """Standard points by the model's own names: channels by what the dump connects them to."""
        model = self.model
        if not model.channels:
            return dict(LIBRARY.classes[model.equipment_class].points)
        targets = {name: setting["point"].split("/") for name, setting in self.data["channels"].items()}
        return {name: LIBRARY.classes[of].points[point] for name, (of, point) in targets.items()}

    @property
    def units(self) -> dict[str, tuple[float, float]]:
        points = self.points
        wire = {name: one.unit for name, one in self.model.mappings.items() if one.unit and name in points}
        return {name: factor(unit, points[name].unit) for name, unit in wire.items()}


DUMPS = [Dump(path.stem, yaml.safe_load(path.read_text(encoding="utf-8"))) for path in sorted(FOLDER.glob("*.yaml"))]


def memory(dump: Dump) -> dict[tuple[str, int], int]:
    return {
        (table, first + index): word
        for table, blocks in dump.data["tables"].items()
        for first, words in blocks.items()
        for index, word in enumerate(words)
    }


def from_registers(dump: Dump) -> Iterator[tuple[str, Decoded]]:
    words = memory(dump)
    for name, codec in compile_model(dump.model, dump.points, dump.units).items():
        if name in dump.data["expect"]:
            found = [words[codec.table, codec.address + index] for index in range(codec.count)]
            scale = None if codec.scale_from is None else words[codec.table, codec.scale_from]
            exact = decode(codec, found, scale)
            assert in_a_block(codec, found, scale) == exact, name
            yield name, exact


def in_a_block(codec: RegisterCodec, words: list[int], scale: int | None) -> Decoded:
    """The gateway's fast way to the same answer."""
    payload = bytes(words) if codec.is_bit else b"".join(word.to_bytes(2, "big") for word in words)
    codes = {} if scale is None or codec.scale_from is None else {(codec.table, codec.scale_from): scale}
    values, flaws = BlockDecoder([codec], codec.address, codec.count).decode(payload, codes)
    return flaws.get(0, Decoded(values[0]))


def from_messages(dump: Dump) -> Iterator[tuple[str, Decoded]]:
    codec = compile_messages(dump.model, dump.points, dump.data["address"], dump.units)
    for message in dump.data["messages"]:
        arrived = Moment(wall_ms=to_ms(message["arrived"]) if "arrived" in message else 0, steady_ms=0)
        wanted = [topic for topic in codec.points if matches(topic, message["topic"])]
        assert wanted, f"nobody listens to {message['topic']}"
        for topic in wanted:
            decoded = decode_message(codec, topic, message["payload"].encode(), arrived)
            assert decoded.malformed == message.get("malformed", "")
            yield from decoded.values.items()


def wanted(expected: object) -> tuple[Value, Quality, Cause]:
    if isinstance(expected, str):
        return None, Quality.BAD, Cause(expected)
    assert isinstance(expected, list)
    value, quality, *cause = expected[0], Quality(expected[2] if len(expected) > 2 else "good"), *expected[3:]
    return value, quality, Cause(cause[0]) if cause else Cause.NONE


@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.name)
def test_a_device_is_read_as_its_dump_says(dump: Dump) -> None:
    read = dict(from_messages(dump) if "messages" in dump.data else from_registers(dump))
    for name, expected in dump.data["expect"].items():
        value, quality, cause = wanted(expected)
        answer = read[name]
        assert (answer.quality, answer.cause) == (quality, cause), name
        if isinstance(value, float | int) and not isinstance(value, bool):
            assert answer.value == pytest.approx(value, rel=1e-6, abs=1e-9), name
            assert dump.points[name].unit == expected[1], name
        else:
            assert answer.value == value, name


@pytest.mark.parametrize("model", LIBRARY.models.values(), ids=lambda model: model.id)
def test_every_point_of_every_model_stands_in_a_dump(model: DeviceModel) -> None:
    told = {name for dump in DUMPS if dump.data["model"] == model.id for name in dump.data["expect"]}
    assert set(model.mappings) == told


def test_every_dump_says_where_it_comes_from() -> None:
    assert [dump.name for dump in DUMPS if not dump.data.get("source")] == []
    assert {dump.data["model"] for dump in DUMPS} == set(LIBRARY.models)


def test_the_listing_says_of_every_model_what_no_source_confirms() -> None:
    about = {row["id"]: row["about"] for row in list_lines(LIBRARY) if row["kind"] == "model"}
    assert len(about) >= 30
    assert about["fire_panel_words"].endswith("unverified, 12 of them unverified")
    assert about["metron_fd4_diesel"].endswith("verified, 4 of them unverified")
    assert about["abb_b_series"].endswith("points, verified")
    assert "  humidity: up object.humidity (unverified)" in show_lines(LIBRARY, "chirpstack_climate")
    assert "ratio ct: current transformer ratio; 1 where the site file gives none" in show_lines(
        LIBRARY, "acrel_adw300"
    )


TRAPS = {
    "abb_b_series": "0x7FFF", "schneider_pm5xxx": "0x80008000", "schneider_iem3xxx": "0xFFC00000",
    "comap_intelilite4": "0x8000", "deepsea_gencomm": "0xFFF8", "carlo_gavazzi_em340": "0xFFFF7FFF",
    "sunspec_meter_203": "0x00000000", "grundfos_cim": "0xFFFF",
}  # fmt: skip


@pytest.mark.parametrize(("model", "pattern"), TRAPS.items(), ids=TRAPS)
def test_a_pattern_that_means_nothing_is_the_points_own(model: str, pattern: str) -> None:
    registers = LIBRARY.models[model].registers
    assert any(pattern in one.sentinels for one in registers.values())
    assert any(pattern not in one.sentinels for one in registers.values())


def test_a_low_word_first_meter_never_asks_for_more_than_fifty_registers() -> None:
    model = LIBRARY.models["carlo_gavazzi_em340"]
    assert (model.limits.order, model.limits.max_registers) == ("CDAB", 50)
