"""Permit → occupants: the text of a notice, from what was planned, where nobody wrote one (pure).

Clauses o-outage-planned and h-5.3.1-notice: extent and times of switching off and on are told beforehand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from contract.conventions import EpochMs, from_ms


@dataclass(frozen=True, slots=True)
class Told:
    """What a notice says. Instants in epoch ms."""

    site: str
    equipment: Sequence[Mapping[str, str]]
    from_at: EpochMs
    until_at: EpochMs
    zone: str
    work: str
    affected: str


def english(told: Told) -> str:
    """The notice in English."""
    names = ", ".join(_name(one, "en") for one in told.equipment)
    start, end = _when(told.from_at, told.zone), _when(told.until_at, told.zone)
    whom = f" Affected: {told.affected}." if told.affected else ""
    return (
        f"{names} at {told.site} will be out of service for planned work from {start} to {end}.{whom}"
        f" Work: {told.work}. Switch off what must not start by itself before the end. Service returns at {end}"
        " at the latest; should it take longer, we will say so in another notice."
    )


def chinese(told: Told) -> str:
    """The notice in Chinese."""
    names = "、".join(_name(one, "zh") for one in told.equipment)
    start, end = _when(told.from_at, told.zone), _when(told.until_at, told.zone)
    whom = f"影响范围：{told.affected}。" if told.affected else ""
    return (
        f"因计划作业，{told.site}的{names}将于 {start} 至 {end} 暂停使用。{whom}作业内容：{told.work}。"
        f"恢复前请关闭不应自行启动的用电、用水设备。最迟 {end} 恢复；如需延长，将另行通知。"
    )


def _name(names: Mapping[str, str], language: str) -> str:
    return names.get(language) or next(iter(names.values()), "")


def _when(at: EpochMs, zone: str) -> str:
    return f"{from_ms(at).astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"
