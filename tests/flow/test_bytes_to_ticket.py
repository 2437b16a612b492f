"""Bytes to ticket in one process on a fake clock: words of a meter as literals, and the ticket they must become."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from contract.conventions import instant_ms
from simulators.clock import VirtualClock, run_virtual
from simulators.modbus_device import ILLEGAL_ADDRESS, Refused, Table
from simulators.virtual import VirtualSite, running

START_MS = 1_795_000_000_000
SITE = """\
site: {id: corner, name: Corner House, zone: Asia/Shanghai}
gateway: {id: gw_1, cloud: "http://desk.example", credential_file: credential}
equipment:
  - {id: incomer_1, class: lv_switchgear, roles: [compensated_incomer], ratings: {rated_a: 630}}
buses: [{id: lan, modbus: tcp, host: 127.0.0.1, port: 5020}]
devices:
  - {id: meter_1, model: eastron_sdm630, bus: lan, address: 1, equipment: incomer_1, every: 10s}
"""
# An SDM630's input registers, IEEE 754 with the high word first, written out by hand.
COMMON = {
    **dict.fromkeys((0x0000, 0x0002, 0x0004), "435C0000"),  # 220.0 V
    **dict.fromkeys((0x0006, 0x0008, 0x000A), "43A50000"),  # 330.0 A, 52 % of the rating
    0x0034: "482FC800",  # 180,000 W
    0x0046: "42480000",  # 50.0 Hz
}
GOOD = {**COMMON, 0x003C: "47435000", 0x003E: "3F76AB4F"}  # 50,000 var, 0.9635
POOR = {**COMMON, 0x003C: "47EA6000", 0x003E: "3F55019D"}  # 120,000 var, 0.8321
BROKEN = {**POOR, 0x0034: "7FC00000"}  # active power: not a number

WINDOW_S, HOLD_S = 15 * 60, 60
# The mean over 15 minutes is below 0.9 once tan φ of the means exceeds tan(arccos 0.9) = 0.48432.
SHARE = (0.48432 * 180_000 - 50_000) / (120_000 - 50_000)


class Meter:
    """Answers what it is told to; what is not told reads 0."""

    def __init__(self) -> None:
        self.words: dict[int, int] = {}

    def show(self, values: Mapping[int, str]) -> None:
        self.words = {}
        for address, pattern in values.items():
            self.words[address], self.words[address + 1] = int(pattern[:4], 16), int(pattern[4:], 16)

    def read(self, table: Table, first: int, count: int) -> list[int]:
        if table != "input":
            raise Refused(ILLEGAL_ADDRESS)
        return [self.words.get(address, 0) for address in range(first, first + count)]


def live(folder: Path, changes: list[tuple[float, Mapping[int, str]]], until_s: float) -> list[dict[str, Any]]:
    """The tickets after ``until_s`` seconds in which the meter showed these words from these seconds on."""
    (folder / "site.yaml").write_text(SITE)

    async def main() -> list[dict[str, Any]]:
        async with running(folder / "site.yaml", folder, VirtualClock(START_MS)) as site:
            meter = replace_meter(site)
            for at_s, values in changes:
                await site.at(at_s)
                meter.show(values)
            await site.at(until_s)
            return await site.tickets()

    return run_virtual(main())


def replace_meter(site: VirtualSite) -> Meter:
    meter = Meter()
    meter.show(GOOD)
    site.servers.server("lan").devices[1] = meter
    return meter


def power_factor(tickets: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    return (one for one in tickets if one["rule"] == "low_power_factor")


def test_words_of_a_poor_power_factor_become_a_ticket_at_the_right_second(tmp_path: Path) -> None:
    bad_from_s = 1201  # just after a poll; the next one, nine seconds later, sees it first
    (ticket,) = power_factor(live(tmp_path, [(bad_from_s, POOR)], bad_from_s + WINDOW_S))
    began_s = (instant_ms(ticket["began_at"]) - START_MS) / 1000
    raised_s = (instant_ms(ticket["raised_at"]) - START_MS) / 1000
    received_s = (instant_ms(ticket["received_at"]) - START_MS) / 1000
    assert began_s == pytest.approx(1210 + SHARE * WINDOW_S, abs=12)
    assert raised_s - began_s == pytest.approx(HOLD_S, abs=0.001)
    assert 0 <= received_s - raised_s < 0.1
    assert ticket["clause"] == "h-5.3.1-pf"
    assert ticket["priority"] == "major"
    assert instant_ms(ticket["response_due"]) - instant_ms(ticket["received_at"]) == 2 * 3_600_000
    assert instant_ms(ticket["resolution_due"]) - instant_ms(ticket["received_at"]) == 48 * 3_600_000


def test_a_dip_shorter_than_the_mean_allows_is_no_ticket(tmp_path: Path) -> None:
    dip_s = SHARE * WINDOW_S - 30
    assert not list(power_factor(live(tmp_path, [(1201, POOR), (1201 + dip_s, GOOD)], 1201 + 2 * WINDOW_S)))


def test_words_that_are_no_number_raise_nothing(tmp_path: Path) -> None:
    tickets = live(tmp_path, [(1201, BROKEN)], 1201 + 2 * WINDOW_S)
    assert not list(power_factor(tickets))
    assert {one["rule"] for one in tickets} <= {"no_data"}
