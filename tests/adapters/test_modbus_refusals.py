"""What a device refuses: found by bisection, remembered over a restart, named to people, and forgiven."""

from pathlib import Path
from typing import Any

import pytest

from contract.messages import Cause, Quality
from edge.acquire.holes import HoleFile
from edge.site import Bus, Device
from tests.support.buses import own_addresses, running
from tests.support.modbus_peers import Asked, RawServer, pymodbus_server, sim_device


def lan(port: int, kind: Any = "tcp") -> Bus:
    return Bus("lan", kind, host="127.0.0.1", port=port)


def device_at(count: int, *, port: int, **keys: Any) -> Device:
    return own_addresses(count, lan(port), **{"timeout": "2s", **keys})  # nothing here is about time


async def test_an_illegal_address_is_bisected_to_the_guilty_point_and_the_others_keep_flowing() -> None:
    words = {at: at for at in range(40) if at not in (17, 33)}
    async with pymodbus_server(sim_device(1, words)) as port, running(lan(port), device_at(40, port=port)) as one:
        await one.basket.until(lambda: len(one.basket.samples) >= 120)
        for at in range(40):
            first, second, third = one.basket.of(f"p{at}")[:3]
            expected = (None, Cause.EXCEPTION) if at in (17, 33) else (at, Cause.NONE)
            assert {(row.value, row.cause) for row in (first, second, third)} == {expected}
        assert [one.bus.plans[0].names[point] for point in one.bus.plans[0].refused] == ["p17", "p33"]


async def test_what_a_device_refuses_is_remembered_over_a_restart(tmp_path: Path) -> None:
    async with pymodbus_server(sim_device(1, {at: at for at in range(20) if at != 7})) as port:
        known, told = [], []
        for _ in range(2):
            memory = HoleFile(tmp_path / "holes.json")
            async with running(lan(port), device_at(20, port=port), holes=memory) as one:
                known.append(one.bus.plans[0].lines()[1:])
                await one.basket.until(lambda: len(one.basket.of("p7")) >= 4)
                assert {row.cause for row in one.basket.of("p7")} == {Cause.EXCEPTION}
                told.append(one.health.refused["meter_1"].points)
        assert told == [("p7",), ("p7",)]
        assert known[0] == []
        assert known[1][-1] == "refused by the device: p7"


async def test_a_device_that_gives_what_it_refused_is_blamed_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hourly try, here every half second."""
    monkeypatch.setattr("edge.acquire.modbus.RECHECK_MS", 500)
    gives = False

    async def behave(asked: Asked) -> None:
        if gives or not asked.address <= 3 < asked.address + asked.count:
            asked.answer()
        else:
            asked.refuse(2)

    async with RawServer(behave).serve() as server, running(lan(server.port), device_at(8, port=server.port)) as one:
        await one.basket.until(lambda: "meter_1" in one.health.refused)
        assert one.health.refused["meter_1"].points == ("p3",)
        assert one.health.plans({"meter_1": ["as planned"]})["meter_1"][-1] == "refused by the device: p3"
        gives = True
        await one.first("p3", quality=Quality.GOOD)
        await one.basket.until(lambda: not one.health.refused)
        assert one.health.plans({"meter_1": ["as planned"]}) == {"meter_1": ["as planned"]}


async def test_a_device_that_refuses_everything_while_it_starts_is_read_as_soon_as_it_can() -> None:
    async def behave(asked: Asked) -> None:
        if len(server.asked) < 30:
            asked.refuse(2)
        else:
            asked.answer()

    async with RawServer(behave).serve() as server, running(lan(server.port), device_at(8, port=server.port)) as one:
        await one.basket.until(lambda: any(row.quality is Quality.GOOD for row in one.basket.of("p3")))
        assert one.bus.plans[0].refused == ()
        assert len(one.basket.of("p0")) == len(one.basket.of("p7"))
