"""Modbus TCP against real sockets: an independent server, and one that misbehaves in every way seen in the field."""

import asyncio
import random
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contract.messages import Cause, Quality
from edge.clock import SystemClock
from edge.site import Bus, Device, Tls
from tests.support.buses import EVERY_MS, own_addresses, running, wrong
from tests.support.devices import make_device, modbus_model
from tests.support.modbus_peers import Asked, RawServer, pymodbus_server, sim_device


def lan(port: int, kind: Any = "tcp") -> Bus:
    return Bus("lan", kind, host="127.0.0.1", port=port)


def device_at(count: int, *, port: int, **keys: Any) -> Device:
    return own_addresses(count, lan(port), **keys)


async def answers(asked: Asked) -> None:
    asked.answer()


async def test_every_point_of_two_units_is_read_from_an_independent_server() -> None:
    words = {0: 0x4366, 1: 0x3333, 2: 0xFFFF, 10: 7}
    model = modbus_model({
        "voltage": {"address": 0, "type": "float32"}, "balance": {"address": 2, "type": "int16", "scale": 0.1},
        "level": {"address": 10, "table": "input"}, "run": {"address": 1, "table": "coil"}, "trip": {"address": 9, "table": "discrete"},
    }, gap=0)  # fmt: skip
    coils = [False, True, False, False, False, False, False, False, False, True]
    async with pymodbus_server(sim_device(1, words, coils), sim_device(2, {**words, 10: 9}, coils)) as port:
        devices = [
            make_device(model, lan(port), device=f"meter_{unit}", address=unit, every_ms=EVERY_MS) for unit in (1, 2)
        ]
        async with running(lan(port), *devices) as one:
            await one.basket.until(lambda: len(one.basket.samples) >= 20)
            values = {(row.device, row.point): row.value for row in one.basket.samples}
            assert values == {
                **{(f"meter_{unit}", name): value for unit in (1, 2) for name, value in (("voltage", 230.1999969482422), ("balance", -0.1), ("run", True), ("trip", True))},
                ("meter_1", "level"): 7, ("meter_2", "level"): 9,
            }  # fmt: skip
            assert {row.quality for row in one.basket.samples} == {Quality.GOOD}
            assert one.state("meter_1") == one.state("meter_2") == "ok"


@pytest.mark.parametrize(("count", "requests"), [(126, 2), (251, 3)])
async def test_lesson_g_registers_beyond_one_request_stand_on_their_own_points(count: int, requests: int) -> None:
    async with (
        pymodbus_server(sim_device(1, {at: at for at in range(count)})) as port,
        running(lan(port), device_at(count, port=port, timeout="2s")) as one,
    ):
        await one.basket.until(lambda: len(one.basket.samples) >= count)
        assert wrong(one.basket.samples) == []
        assert len(one.bus.plans[0].requests) == requests


async def test_lesson_c_a_late_answer_is_never_given_to_the_next_question() -> None:
    async def behave(asked: Asked) -> None:
        if len(server.asked) % 3 == 1:
            await asyncio.sleep(0.2)
        asked.answer()

    async with (
        RawServer(behave).serve() as server,
        running(lan(server.port), device_at(130, port=server.port)) as one,
    ):
        await one.basket.until(lambda: one.bus.late_answers >= 2)
        assert wrong(one.basket.samples) == []
        assert {row.cause for row in one.basket.samples} >= {Cause.NO_RESPONSE}


async def test_duplicated_reordered_and_foreign_answers_change_nothing() -> None:
    async def behave(asked: Asked) -> None:
        asked.writer.write(asked.frame(b"\x03\x02\x12\x34", transaction=(asked.transaction + 1) & 0xFFFF))
        asked.writer.write(asked.frame(asked.values(), transaction=(asked.transaction - 1) & 0xFFFF))
        asked.answer()
        asked.answer()

    async with (
        RawServer(behave).serve() as server,
        running(lan(server.port), device_at(4, port=server.port)) as one,
    ):
        await one.basket.until(lambda: len(one.basket.samples) >= 40)
        assert wrong(one.basket.samples) == []
        assert {row.quality for row in one.basket.samples} == {Quality.GOOD}
        assert one.bus.late_answers >= 20


async def test_answers_of_the_wrong_length_function_or_unit_are_undecodable() -> None:
    spoiled = [
        lambda asked: asked.frame(b"\x03\x04\0\0\0\1"), lambda asked: asked.frame(b"\x04" + asked.values()[1:]),
        lambda asked: asked.frame(asked.values(), unit=9), lambda asked: asked.frame(b"\x03\x08\0\0"),
    ]  # fmt: skip

    async def behave(asked: Asked) -> None:
        asked.writer.write(spoiled[len(server.asked) % len(spoiled)](asked))

    async with (
        RawServer(behave).serve() as server,
        running(lan(server.port), device_at(4, port=server.port)) as one,
    ):
        await one.basket.until(lambda: len(one.basket.samples) >= 32)
        assert {row.cause for row in one.basket.samples} == {Cause.UNDECODABLE}
        assert one.state() == "degraded"


async def test_garbage_closes_the_connection_and_the_next_poll_opens_another() -> None:
    async def behave(asked: Asked) -> None:
        if len(server.asked) == 2:
            asked.writer.write(b"GET / HTTP/1.1\r\n\r\n" * 20)
        else:
            asked.answer()

    async with (
        RawServer(behave).serve() as server,
        running(lan(server.port), device_at(4, port=server.port)) as one,
    ):
        await one.first("p0", cause=Cause.UNDECODABLE)
        broken = len(one.basket.samples)
        await one.basket.until(lambda: len(one.basket.of("p0")) > broken)
        assert one.basket.samples[-1].quality is Quality.GOOD
        assert wrong(one.basket.samples) == []
        assert server.connections == 2


async def test_lesson_a_a_silent_unit_costs_its_neighbour_behind_the_same_gateway_almost_nothing() -> None:
    async def behave(asked: Asked) -> None:
        if asked.unit == 2:
            asked.answer()

    async with RawServer(behave).serve() as server:
        dead, alive = (
            device_at(40, unit=1, port=server.port, name="dead"),
            device_at(4, unit=2, port=server.port, name="alive"),
        )
        async with running(lan(server.port), dead, alive) as one:
            await one.basket.until(lambda: len(one.basket.of("p0", "alive")) >= 40, seconds=8)
            questions = [asked.unit for asked in server.asked]
            assert questions.count(1) <= 3
            assert {row.cause for row in one.basket.samples if row.device == "dead"} == {Cause.NO_RESPONSE}
            assert len(one.basket.of("p39", "dead")) >= 30
            assert {row.quality for row in one.basket.samples if row.device == "alive"} == {Quality.GOOD}
            assert (one.state("dead"), one.state("alive")) == ("silent", "ok")


async def test_lesson_b_the_same_unit_on_two_lines_is_two_devices() -> None:
    async def silent(asked: Asked) -> None:
        pass

    async with RawServer(silent).serve() as dead, RawServer(answers).serve() as alive:
        one, other = device_at(2, port=dead.port, name="a"), device_at(2, port=alive.port, name="b")
        async with running(lan(dead.port), one) as first, running(lan(alive.port), other) as second:
            await second.basket.until(lambda: len(second.basket.of("p0")) >= 20)
            assert {row.quality for row in second.basket.samples} == {Quality.GOOD}
            assert {row.cause for row in first.basket.samples} == {Cause.NO_RESPONSE}


async def test_a_silent_device_that_returns_is_polled_in_full_again() -> None:
    async def behave(asked: Asked) -> None:
        if len(server.asked) > 2:
            asked.answer()

    async with (
        RawServer(behave).serve() as server,
        running(lan(server.port), device_at(4, port=server.port)) as one,
    ):
        await one.first("p3", quality=Quality.GOOD)
        assert one.basket.samples[0].cause is Cause.NO_RESPONSE
        assert one.state() == "degraded"


@pytest.mark.parametrize(("code", "word"), [(5, "acknowledge"), (6, "device busy")])
async def test_lesson_h_a_busy_device_is_asked_once_more_and_is_never_zero(code: int, word: str) -> None:
    async def behave(asked: Asked) -> None:
        if len(server.asked) % 2 or len(server.asked) > 6:
            asked.refuse(code)
        else:
            asked.answer()

    async with (
        RawServer(behave).serve() as server,
        running(lan(server.port), device_at(4, port=server.port)) as one,
    ):
        failed = await one.first("p1", cause=Cause.EXCEPTION)
        assert failed.value is None
        assert [row.value for row in one.basket.of("p1")[:3]] == [1, 1, 1]
        assert f"exception {code} ({word})" in one.health.rows(SystemClock().moment())[0].last_error


async def test_a_gateway_that_says_its_target_is_silent_opens_the_breaker_of_that_unit_only() -> None:
    async def behave(asked: Asked) -> None:
        if asked.unit == 1:
            asked.refuse(11)
        else:
            asked.answer()

    async with RawServer(behave).serve() as server:
        dead, alive = (
            device_at(4, unit=1, port=server.port, name="dead"),
            device_at(4, unit=2, port=server.port, name="alive"),
        )
        async with running(lan(server.port), dead, alive) as one:
            await one.basket.until(lambda: len(one.basket.of("p0", "alive")) >= 20)
            assert {row.cause for row in one.basket.samples if row.device == "dead"} == {Cause.NO_RESPONSE}
            assert [asked.unit for asked in server.asked].count(1) <= 3
            assert server.connections == 1


async def test_a_server_that_closes_after_each_answer_loses_nothing() -> None:
    async def behave(asked: Asked) -> None:
        asked.answer()
        await asked.writer.drain()
        asked.writer.close()

    async with (
        RawServer(behave).serve() as server,
        running(lan(server.port), device_at(4, port=server.port)) as one,
    ):
        await one.basket.until(lambda: len(one.basket.of("p0")) >= 6)
        assert {row.quality for row in one.basket.samples} == {Quality.GOOD}
        assert server.connections >= 5


async def test_a_line_that_is_down_is_told_at_every_poll_and_comes_back_by_itself() -> None:
    async with RawServer(answers).serve() as server:
        port = server.port
        async with running(lan(port), device_at(4, port=port)) as one:
            await one.first("p0", quality=Quality.GOOD)
    async with running(lan(port), device_at(4, port=port)) as one:
        await one.basket.until(lambda: len(one.basket.of("p0")) >= 5)
        assert {row.cause for row in one.basket.samples} == {Cause.NOT_CONNECTED}
        assert one.state() == "not_connected"
        async with RawServer(answers).serve(port):
            await one.first("p0", quality=Quality.GOOD)


async def test_a_half_open_connection_is_given_up_and_opened_anew() -> None:
    async def behave(asked: Asked) -> None:
        if server.connections > 1:
            asked.answer()

    async with (
        RawServer(behave).serve() as server,
        running(lan(server.port), device_at(4, port=server.port)) as one,
    ):
        await one.first("p0", quality=Quality.GOOD)
        assert server.connections == 2


async def test_an_answer_in_single_bytes_is_read_whole() -> None:
    async def behave(asked: Asked) -> None:
        for byte in asked.frame(asked.values()):
            asked.writer.write(bytes([byte]))
            await asked.writer.drain()
            await asyncio.sleep(0.001)

    async with (
        RawServer(behave).serve() as server,
        running(lan(server.port), device_at(4, port=server.port)) as one,
    ):
        await one.first("p3", quality=Quality.GOOD)
        assert wrong(one.basket.samples) == []


async def test_lesson_o_a_poll_that_takes_longer_than_its_period_skips_and_counts() -> None:
    async def behave(asked: Asked) -> None:
        await asyncio.sleep(0.12)
        asked.answer()

    async with (
        RawServer(behave).serve() as server,
        running(lan(server.port), device_at(4, port=server.port)) as one,
    ):
        await one.basket.until(lambda: len(one.basket.of("p0")) >= 5)
        assert one.health.skips("meter_1") >= 4
        assert {row.quality for row in one.basket.samples} == {Quality.GOOD}


async def test_udp_reads_the_same() -> None:
    async with (
        pymodbus_server(sim_device(1, {at: at for at in range(8)}), udp=True) as port,
        running(lan(port, "udp"), device_at(8, port=port)) as one,
    ):
        await one.basket.until(lambda: len(one.basket.samples) >= 24)
        assert wrong(one.basket.samples) == []
        assert {row.quality for row in one.basket.samples} == {Quality.GOOD}


async def test_nobody_listening_on_udp_is_told_and_survived() -> None:
    async with pymodbus_server(sim_device(1, {0: 0}), udp=True) as port:
        pass
    async with running(lan(port, "udp"), device_at(1, port=port)) as one:
        await one.basket.until(lambda: len(one.basket.samples) >= 3)
        assert {row.quality for row in one.basket.samples} == {Quality.BAD}


def tls_context(certificates: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificates / "ca.pem"))
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


async def test_tls_shows_our_certificate_and_reads_the_same(certificates: Path) -> None:
    async with RawServer(answers, tls=tls_context(certificates)).serve() as server:
        tls = Tls(certificates / "ca.pem", certificates / "client.pem", certificates / "client.key")
        bus = Bus("lan", "tls", host="127.0.0.1", port=server.port, tls=tls)
        async with running(bus, own_addresses(8, bus)) as one:
            await one.first("p7", quality=Quality.GOOD)
            assert wrong(one.basket.samples) == []


@pytest.mark.parametrize("own", [Tls(None, None, None), "other_ca.pem", "ca.pem"])
async def test_a_server_we_do_not_know_or_that_does_not_know_us_is_not_read(certificates: Path, own: Tls | str) -> None:
    async with RawServer(answers, tls=tls_context(certificates)).serve() as server:
        tls = Tls(certificates / own, None, None) if isinstance(own, str) else own
        bus = Bus("lan", "tls", host="127.0.0.1", port=server.port, tls=tls)
        async with running(bus, own_addresses(2, bus)) as one:
            await one.basket.until(lambda: len(one.basket.samples) >= 4)
            assert {row.cause for row in one.basket.samples} == {Cause.NOT_CONNECTED}
            assert server.asked == []


async def test_only_reads_ever_reach_a_device() -> None:
    """Through silence, refusal, bisection and reconnection."""
    tricks: list[Callable[[Asked], None]] = [
        Asked.answer,
        lambda asked: asked.refuse(2),
        lambda asked: None,
        lambda asked: asked.refuse(6),
        lambda asked: asked.writer.close(),
    ]

    chance = random.Random(1)

    async def behave(asked: Asked) -> None:
        chance.choice(tricks)(asked)

    async with RawServer(behave).serve() as server:
        model = modbus_model(
            {
                "a": {"address": 0},
                "b": {"address": 5, "table": "input"},
                "c": {"address": 1, "table": "coil"},
                "d": {"address": 1, "table": "discrete"},
                "e": {"address": 3},
            },
            timeout="50ms",
        )
        device = make_device(model, lan(server.port), every_ms=EVERY_MS)
        async with running(lan(server.port), device):
            await asyncio.sleep(1.5)
        assert {asked.pdu[0] for asked in server.asked} == {1, 2, 3, 4}
        assert {len(asked.pdu) for asked in server.asked} == {5}
