"""Who a message is from, and what a Sparkplug node's numbers and deaths mean for its devices."""

import json
from dataclasses import replace
from typing import Any

from contract.messages import Cause, Quality
from edge.acquire.health import HealthBoard
from edge.acquire.mqtt_routes import Routes
from edge.acquire.mqtt_speaker import make_speaker
from edge.decode import sparkplug
from edge.decode.payload import Publication
from edge.decode.sample import Moment, Sample
from edge.site import Bus
from tests.decode.test_formats import tahu_metric
from tests.support.devices import make_device, mqtt_model

BUS = Bus("sensors", "mqtt", host="broker", port=1883, zone="Asia/Shanghai")
NOW = Moment(wall_ms=1_795_000_000_000, steady_ms=1_000_000)


class Ear:
    """The devices of one bus without a broker."""

    def __init__(self, *devices: Any) -> None:
        self.board = HealthBoard()
        self.routes = Routes([make_speaker(one, self.board, 0) for one in devices], self.board, "sensors")

    def hear(self, topic: str, payload: bytes | Any, *, retain: bool = False) -> list[Sample]:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return list(self.routes.hear(Publication(topic, body, 1, retain, 1, len(body)), NOW))

    def last_error(self, device: str = "meter_1") -> str:
        return {row.device: row.last_error for row in self.board.rows(NOW)}[device]


def values(samples: list[Sample]) -> list[tuple[str, Any]]:
    return [(one.device, one.value) for one in samples]


# --- whose message it is ---------------------------------------------------------------------------------------------


def test_an_address_may_stand_anywhere_in_the_topic_and_hold_levels_of_its_own() -> None:
    model = mqtt_model({"p": {"path": "p"}}, topic="plant/+/dev-{address}/up")
    ear = Ear(make_device(model, BUS, address="7"), make_device(model, BUS, address="b1/8", device="meter_2"))
    assert ear.routes.subscriptions == {"plant/+/dev-7/up": ["meter_1"], "plant/+/dev-b1/8/up": ["meter_2"]}
    assert values(ear.hear("plant/east/dev-7/up", {"p": 1})) == [("meter_1", 1)]
    assert values(ear.hear("plant/west/dev-b1/8/up", {"p": 2})) == [("meter_2", 2)]
    assert values(ear.hear("plant/west/dev-9/up", {"p": 3})) == []
    assert ear.routes.unmatched == 1


def test_devices_on_one_topic_say_in_the_message_who_they_are() -> None:
    model = mqtt_model({"p": {"path": "p"}}, topic="gateway/up", device="info.eui")
    ear = Ear(*(make_device(model, BUS, address=name, device=f"meter_{name}") for name in ("a", "b")))
    assert list(ear.routes.subscriptions) == ["gateway/up"]
    assert values(ear.hear("gateway/up", {"info": {"eui": "b"}, "p": 2})) == [("meter_b", 2)]
    assert values(ear.hear("gateway/up", {"info": {"eui": "c"}, "p": 3})) == []
    assert ear.board.unreadable == {}
    assert values(ear.hear("gateway/up", {"p": 4})) == []
    assert ear.hear("gateway/up", b"{") == []
    assert next(one.reason for one in ear.board.unreadable["sensors"]).startswith("nothing stands at info.eui")
    assert (ear.routes.unmatched, ear.board.unreadable_total) == (3, 2)


def test_one_array_may_hold_messages_of_several_devices() -> None:
    model = mqtt_model({"p": {"path": "p"}}, topic="gateway/up", device="id", payload="json_array")
    ear = Ear(*(make_device(model, BUS, address=at, device=f"meter_{at}") for at in (1, 2)))
    assert values(ear.hear("gateway/up", [{"id": 2, "p": 5}, {"id": "1", "p": 6}])) == [("meter_2", 5), ("meter_1", 6)]


def test_a_time_without_a_zone_is_the_sites_where_the_model_says_so() -> None:
    told = {"p": 1, "at": "2026-11-18T20:26:35"}  # 12:26:35 UTC … in Shanghai
    at_noon = Moment(wall_ms=1_795_004_800_000, steady_ms=0)  # 2026-11-18T12:26:40Z
    for zone, cause, held in (("site", Cause.NONE, -5_000), ("", Cause.LATE, 0), ("UTC", Cause.LATE, 0)):
        model = mqtt_model({"p": {"path": "p"}}, timestamp="at", zone=zone)
        ear = Ear(make_device(model, BUS, address="a"))
        body = json.dumps(told).encode()
        (one,) = ear.routes.hear(Publication("site/a", body, 1, False, 1, len(body)), at_noon)
        assert (one.cause, one.sampled_at_ms - at_noon.wall_ms) == (cause, held), zone


def test_a_model_says_how_far_its_clock_may_be_off() -> None:
    model = mqtt_model({"p": {"path": "p"}}, timestamp="at", skew="1h")
    ear = Ear(make_device(model, BUS, address="a"))
    (near,) = ear.hear("site/a", {"p": 1, "at": NOW.wall_ms - 3_599_000})
    (far,) = ear.hear("site/a", {"p": 1, "at": NOW.wall_ms - 3_601_000})
    assert (near.quality, near.sampled_at_ms) == (Quality.GOOD, NOW.wall_ms - 3_599_000)
    assert (far.quality, far.cause, far.sampled_at_ms) == (Quality.UNCERTAIN, Cause.LATE, NOW.wall_ms - 3_601_000)


# --- Sparkplug B -----------------------------------------------------------------------------------------------------

MODEL = mqtt_model({"level": {"path": "Level"}}, topic="spBv1.0/plant/+/node/{address}", payload="sparkplug_b")


def numbered(seq: int | None, *metrics: bytes) -> bytes:
    return b"".join(metrics) + (b"" if seq is None else b"\x18" + bytes((seq & 0x7F | 0x80, seq >> 7)))


def whole(value: int, alias: int = 7, name: bytes = b"", kind: int = 0) -> bytes:
    return tahu_metric(name, alias, kind, b"\x50" + bytes((value,)))


def bd_seq(number: int) -> bytes:
    return tahu_metric(b"bdSeq", 0, 4, b"\x58" + bytes((number,)))


BIRTH = whole(5, name=b"Level", kind=2)


def sparkplug_ear() -> Ear:
    ear = Ear(make_device(MODEL, BUS, address="a"), make_device(MODEL, BUS, address="b", device="meter_2"))
    assert list(ear.routes.subscriptions) == ["spBv1.0/plant/+/node/#"]
    ear.hear("spBv1.0/plant/NBIRTH/node", numbered(0, bd_seq(3)))
    assert values(ear.hear("spBv1.0/plant/DBIRTH/node/a", numbered(1, BIRTH))) == [("meter_1", 5)]
    assert values(ear.hear("spBv1.0/plant/DBIRTH/node/b", numbered(2, BIRTH))) == [("meter_2", 5)]
    return ear


def test_births_give_numbers_their_names_and_types() -> None:
    ear = sparkplug_ear()
    assert values(ear.hear("spBv1.0/plant/DDATA/node/a", numbered(3, whole(6)))) == [("meter_1", 6)]
    assert ear.last_error() == ""


def test_data_before_a_birth_is_no_value_and_says_what_to_do() -> None:
    ear = Ear(make_device(MODEL, BUS, address="a"))
    assert ear.hear("spBv1.0/plant/DDATA/node/a", numbered(9, whole(6))) == []
    assert "no birth certificate heard here names metric 7; this gateway only listens" in ear.last_error()
    (untyped,) = ear.hear("spBv1.0/plant/DDATA/node/a", numbered(10, whole(6, name=b"Level")))
    assert (untyped.value, untyped.cause) == (None, Cause.UNDECODABLE)


def test_a_gap_in_the_numbers_is_told_and_metrics_without_a_name_wait_for_a_birth() -> None:
    ear = sparkplug_ear()
    assert ear.hear("spBv1.0/plant/DDATA/node/a", numbered(5, whole(6))) == []
    assert "2 messages of Sparkplug node plant/node were lost" in ear.last_error("meter_2")
    assert "no birth certificate" in ear.last_error("meter_1")
    ear.hear("spBv1.0/plant/DBIRTH/node/a", numbered(6, BIRTH))
    assert values(ear.hear("spBv1.0/plant/DDATA/node/a", numbered(7, whole(8)))) == [("meter_1", 8)]


def test_numbers_begin_anew_after_255() -> None:
    sequence = sparkplug.Sequence()
    assert [sequence.lost("NDATA", numbered(seq)) for seq in (254, 255, 0, 1, 3)] == [0, 0, 0, 0, 1]
    assert sequence.lost("NBIRTH", numbered(0)) == 0
    assert sequence.lost("NDATA", b"\xff") == 0


def test_a_device_that_died_is_offline_until_it_is_born_again_and_its_neighbour_is_not() -> None:
    ear = sparkplug_ear()
    (dead,) = ear.hear("spBv1.0/plant/DDEATH/node/a", numbered(3))
    assert (dead.device, dead.value, dead.cause) == ("meter_1", None, Cause.NOT_CONNECTED)
    assert ear.last_error() == "its last will says that it is offline"
    assert ear.last_error("meter_2") == ""
    assert values(ear.hear("spBv1.0/plant/DBIRTH/node/a", numbered(4, BIRTH))) == [("meter_1", 5)]


def test_a_nodes_death_is_that_of_all_its_devices_unless_it_is_an_older_sessions() -> None:
    ear = sparkplug_ear()
    assert ear.hear("spBv1.0/plant/NDEATH/node", numbered(None, bd_seq(2))) == []
    dead = ear.hear("spBv1.0/plant/NDEATH/node", numbered(None, bd_seq(3)))
    assert [(one.device, one.cause) for one in dead] == [
        ("meter_1", Cause.NOT_CONNECTED),
        ("meter_2", Cause.NOT_CONNECTED),
    ]


def test_commands_of_others_to_a_sparkplug_device_are_no_news_of_it() -> None:
    ear = sparkplug_ear()
    assert ear.hear("spBv1.0/plant/DCMD/node/a", numbered(None, whole(99))) == []
    assert values(ear.hear("spBv1.0/plant/DDATA/node/a", numbered(3, whole(6)))) == [("meter_1", 6)]


def test_a_negative_number_keeps_its_sign() -> None:
    ear = sparkplug_ear()
    minus = tahu_metric(b"", 7, 0, b"\x50\xfe\xff\xff\xff\x0f")
    assert values(ear.hear("spBv1.0/plant/DDATA/node/a", numbered(3, minus))) == [("meter_1", -2)]


def test_a_device_of_a_node_without_devices_is_the_node() -> None:
    node = mqtt_model({"level": {"path": "Level"}}, topic="spBv1.0/plant/+/{address}", payload="sparkplug_b")
    ear = Ear(replace(make_device(node, BUS, address="node")))
    assert list(ear.routes.subscriptions) == ["spBv1.0/plant/+/node/#"]
    assert values(ear.hear("spBv1.0/plant/NBIRTH/node", numbered(0, bd_seq(0), BIRTH))) == [("meter_1", 5)]
    assert values(ear.hear("spBv1.0/plant/NDATA/node", numbered(1, whole(9)))) == [("meter_1", 9)]
    (dead,) = ear.hear("spBv1.0/plant/NDEATH/node", numbered(None, bd_seq(0)))
    assert dead.cause is Cause.NOT_CONNECTED
