"""Every form of payload, and every shipped MQTT model's documented messages, through a real broker to samples."""

import contextlib
import random
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from contract.conventions import to_ms
from contract.messages import Cause, Quality
from device_profiles.schema import DeviceModel, Point
from edge.clock import SystemClock
from edge.decode import sparkplug
from edge.decode.sample import Moment
from edge.site import Binding, Bus, Device
from tests.device_profiles.test_models_dumps import DUMPS, Dump, wanted
from tests.support.brokers import Mosquitto, mosquitto
from tests.support.devices import mqtt_model
from tests.support.mqtt_buses import bus_of, publish, running, sensor


class At(SystemClock):
    """Time runs, and it is the day of the dump."""

    __slots__ = ("_back_ms",)

    def __init__(self, arrived_ms: int) -> None:
        super().__init__()
        self._back_ms = super().now_ms() - arrived_ms

    def moment(self) -> Moment:
        now = super().moment()
        return Moment(wall_ms=now.wall_ms - self._back_ms, steady_ms=now.steady_ms)


@pytest_asyncio.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    async with mosquitto(tmp_path) as one:
        yield one


def device_of(model: DeviceModel, points: Mapping[str, Point], bus: Bus, address: str) -> Device:
    bindings = tuple(
        Binding(name, "thing_1", name, points[name], mapping, 60_000, 180_000)
        for name, mapping in model.mappings.items()
        if name in points
    )
    return Device("meter_1", model, bus, address, 60_000, bindings)


@pytest.mark.parametrize("dump", [one for one in DUMPS if "messages" in one.data], ids=lambda dump: dump.name)
async def test_a_documented_message_of_each_model_becomes_its_samples(broker: Mosquitto, dump: Dump) -> None:
    bus = bus_of(broker)
    device = device_of(dump.model, dump.points, bus, dump.data["address"])
    arrived = [to_ms(one["arrived"]) for one in dump.data["messages"] if "arrived" in one]
    clock = At(arrived[-1] if arrived else SystemClock().now_ms())
    expected = {name: wanted(row) for name, row in dump.data["expect"].items()}
    async with running(bus, device, clock=clock) as one:
        await one.connected()
        await publish(broker, *((message["topic"], message["payload"]) for message in dump.data["messages"]))
        await one.basket.until(lambda: {row.point for row in one.basket.samples} >= set(expected))
        newest = {row.point: row for row in one.basket.samples}
    for name, (value, quality, cause) in expected.items():
        sample = newest[name]
        assert (sample.quality, sample.cause) == (quality, cause), name
        assert sample.value == (pytest.approx(value, rel=1e-6) if isinstance(value, float) else value), name


@dataclass(frozen=True)
class Form:
    mapping: dict[str, Any]
    payload: bytes
    expected: list[Any]


BORN = sparkplug.encode({"p": -2.5, "bdSeq": 0}, None) + b"\x18\x00"
FORMS = {
    "json": Form({"path": "rows[?id=='b'].v | [0]"}, b'{"rows": [{"id": "a", "v": 1}, {"id": "b", "v": 2}]}', [2]),
    "json_lines": Form({"path": "v"}, b'{"v": 1}\n{"v": \n{"v": 3}\n', [1, None, 3]),
    "json_array": Form({"path": "v"}, b'[{"v": 1}, {"v": 2}]', [1, 2]),
    "raw": Form({}, b" 21.5\n", [21.5]),
    "text": Form({"pattern": r"P=(?P<value>[-0-9.]+) kW"}, b"T=7 P=-3.25 kW", [-3.25]),
    "hex": Form({"at": 1, "type": "int16", "order": "BA"}, b"01 FEFF", [-2]),
    "binary": Form({"at": 0, "type": "float32"}, b"\x43\x66\x33\x33\x00", [pytest.approx(230.2)]),
    "sparkplug_b": Form({"path": "p"}, BORN, [-2.5]),
}


@pytest.mark.parametrize("form", FORMS)
async def test_each_form_of_payload_is_read(broker: Mosquitto, form: str) -> None:
    one_form, is_sparkplug = FORMS[form], form == "sparkplug_b"
    topic = "spBv1.0/plant/+/node/{address}" if is_sparkplug else "site/{address}"
    model = mqtt_model({"pressure": one_form.mapping}, topic=topic, payload=form)
    bus = bus_of(broker)
    async with running(bus, sensor(bus, model=model, every_ms=60_000)) as one:
        await one.connected()
        said_on = "spBv1.0/plant/DBIRTH/node/a" if is_sparkplug else "site/a"
        await publish(broker, (said_on, one_form.payload))
        await one.basket.until(lambda: len(one.basket.samples) >= len(one_form.expected))
        assert [row.value for row in one.basket.samples] == one_form.expected
        assert len(one.health.unreadable.get("meter_1", ())) == one_form.expected.count(None)


async def test_the_will_of_a_sparkplug_node_takes_its_devices_with_it(broker: Mosquitto) -> None:
    model = mqtt_model({"pressure": {"path": "p"}}, topic="spBv1.0/plant/+/node/{address}", payload="sparkplug_b")
    bus = bus_of(broker)
    async with running(bus, sensor(bus, model=model, every_ms=60_000)) as one:
        await one.connected()
        born = sparkplug.encode({"p": 1.5}, SystemClock().now_ms())
        await publish(broker, ("spBv1.0/plant/DBIRTH/node/a", born), qos=0)
        await one.first(quality=Quality.GOOD)
        await publish(broker, ("spBv1.0/plant/NDEATH/node", b""), qos=0)
        await one.first(cause=Cause.NOT_CONNECTED)


# --- any bytes on any topic ------------------------------------------------------------------------------------------

GOOD: dict[str, bytes] = {name: form.payload for name, form in FORMS.items() if name != "sparkplug_b"}
MARK = 123456.5
"""No payload below holds this number, however it is cut; it is published once, at the end."""


def spoiled(payload: bytes, chance: random.Random) -> bytes:
    body = bytearray(payload)
    for _ in range(chance.randrange(4)):
        at = chance.randrange(len(body) + 1)
        match chance.randrange(4):
            case 0:
                del body[at:]
            case 1:
                body[at:at] = chance.randbytes(3)
            case 2:
                body[at : at + 2] = b""
            case _:
                body += body[:at]
    return bytes(body) if chance.random() < 0.8 else chance.randbytes(chance.randrange(60))


@pytest.mark.parametrize("form", ["json", "json_lines", "json_array", "raw", "text"])
async def test_any_bytes_on_any_topic_never_stop_the_bus_and_never_yield_a_value_that_was_not_sent(
    broker: Mosquitto, form: str
) -> None:
    model = mqtt_model(
        {"pressure": FORMS[form].mapping}, topic="site/{address}/+", payload=form, availability="site/{address}/will"
    )
    bus, chance = bus_of(broker), random.Random(form)
    topics = ["site/a/up", "site/a/will", "site/a/up/", "site/b/up", "site/a", "site//up", "site/a/ü"]
    sent = [(chance.choice(topics), spoiled(GOOD[form], chance)) for _ in range(400)]
    last = {"json": b'{"rows": [{"id": "b", "v": %r}]}', "json_array": b'[{"v": %r}]', "json_lines": b'{"v": %r}'}
    end = last.get(form, b"P=%r kW" if form == "text" else b"%r") % MARK
    async with running(bus, sensor(bus, model=model, every_ms=60_000)) as one:
        await one.connected()
        await publish(broker, *sent, ("site/a/end", end))
        await one.first(value=MARK)
        good = [row for row in one.basket.samples if row.quality is Quality.GOOD and row.value != MARK]
    numbers = numbers_in(payload for _, payload in sent)
    assert [row.value for row in good if row.value not in numbers] == []
    assert len(good) > 20


def numbers_in(payloads: Iterable[bytes]) -> set[float]:
    """Every number that a person would find written in them."""
    found = set()
    for text in (text for payload in payloads for text in re.findall(rb"[-+.0-9eE]+|[-.0-9]+", payload)):
        for part in (text, *re.findall(rb"[-.0-9]+", text)):
            with contextlib.suppress(ValueError):
                found.add(float(part))
    return found
