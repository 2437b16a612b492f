"""The library's figures with the site file's on top: limits, rules, names (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from device_profiles.schema import EquipmentClass, Limit, PeriodicTest, Rule, Text, parse_duration_ms
from edge.site import LimitValue, StormFigures
from edge.site_file import RuleSection, StormsSection, TestSection

MS_PER_UNIT = {"s": 1000, "min": 60_000, "h": 3_600_000}


def in_unit(value: float | str, limit: Limit) -> float:
    """A figure of the site file in the limit's own unit; a time may be written ``90s``. Raises ValueError."""
    if isinstance(value, str) and limit.unit not in MS_PER_UNIT:
        msg = f"{value!r} is not a number"
        raise ValueError(msg)
    figure = parse_duration_ms(value) / MS_PER_UNIT[limit.unit] if isinstance(value, str) else float(value)
    if wrong := limit.mistake(figure):
        raise ValueError(wrong)
    return figure


def delay_mistake(of: EquipmentClass, rule: Rule, key: str, delay: int | str) -> str:
    """Why a site may not give a rule of the class this delay; empty when it may."""
    if isinstance(delay, str):
        unit = of.limits[delay].unit
        if unit not in MS_PER_UNIT:
            return f"limit {delay} is in {unit or 'no unit'}, which is no time"
    if key == "on_delay" and rule.emergency and not rule.on_delay and delay:
        return "an alarm button, a trapped bit and a fire wait for nothing"
    written = getattr(rule, key)
    if not isinstance(written, str) or delay == written:
        return ""
    limit = of.limits[written]
    other = of.limits[delay] if isinstance(delay, str) else None
    ms = other.value * MS_PER_UNIT[other.unit] if other else float(delay)
    return limit.mistake(ms / MS_PER_UNIT[limit.unit])


def source_of(limit: Limit) -> str:
    if limit.clause:
        return f"clause:{limit.clause}"
    return limit.source or "unverified"


def limits_of(of: EquipmentClass, figures: Mapping[str, float | str]) -> dict[str, LimitValue]:
    found = {name: LimitValue(name, limit.value, limit, source_of(limit)) for name, limit in of.limits.items()}
    for name, value in figures.items():
        if name in of.limits:
            try:
                figure = in_unit(value, of.limits[name])
            except ValueError:
                continue  # already a finding
            found[name] = LimitValue(name, figure, of.limits[name], "site file", "site_file")
    return found


def rules_of(of: EquipmentClass, roles: set[str], settings: Sequence[Mapping[str, RuleSection]]) -> dict[str, Rule]:
    found: dict[str, Rule] = {}
    for name, rule in of.rules.items():
        if rule.roles and not roles & set(rule.roles):
            continue
        changes: dict[str, object] = {}
        for setting in settings:
            changes |= (
                {key: getattr(setting[name], key) for key in setting[name].model_fields_set} if name in setting else {}
            )
        if changes.pop("enabled", True):
            found[name] = rule.model_copy(update=changes) if changes else rule
    return found


def tests_of(
    of: EquipmentClass, roles: set[str], settings: Sequence[Mapping[str, TestSection]]
) -> dict[str, PeriodicTest]:
    """The class's tests that bind these roles, as this site wants them."""
    found: dict[str, PeriodicTest] = {}
    for name, test in of.tests.items():
        if test.roles and not roles & set(test.roles):
            continue
        changes: dict[str, object] = {}
        for setting in settings:
            changes |= setting[name].model_dump(exclude_unset=True) if name in setting else {}
        if changes.pop("enabled", True):
            found[name] = test.model_copy(update=changes) if changes else test
    return found


def name_of(written: Text | str | None, of: EquipmentClass, equipment_id: str) -> Text:
    if isinstance(written, Text):
        return written
    if written:
        return Text(en=written, zh=written)
    number = equipment_id.rpartition("_")[2]
    tail = f" {number}" if number.isdigit() else f" ({equipment_id})"
    return Text(en=of.name.en + tail, zh=of.name.zh + tail)


def storms_of(section: StormsSection) -> StormFigures:
    chattering, flood = section.chattering, section.flood
    return StormFigures(chattering.cycles, chattering.within, flood.more_than, flood.within, flood.ends_below)
