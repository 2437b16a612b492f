"""Tickets: what is needed and how it stands, as a sentence in both languages: a refusal, a page and a paper say the same (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cloud.tickets.work_proof import Asked, Bound, Reading

Both = Mapping[str, str]
NOTHING: Final[Both] = {"en": "", "zh": ""}
_PHOTO: Final[Mapping[str, Both]] = {
    "fault": {"en": "Photo of the fault", "zh": "故障照片"},
    "repair": {"en": "Photo after the repair", "zh": "修复后照片"},
}
_PERMITTED: Final = {"<": "≥", "<=": ">", ">": "≤", ">=": "<"}
_WHY: Final[Mapping[str, Both]] = {
    "": NOTHING,
    "no_limit": {"en": "no limit is set here", "zh": "未设限值"},
    "no_data": {"en": "nothing was read", "zh": "无读数"},
    "gap": {"en": "not read without a break", "zh": "读数中断"},
    "quality": {"en": "not read well", "zh": "读数质量不足"},
    "outside": {"en": "outside its limit", "zh": "超出限值"},
    "short": {"en": "not within for long enough", "zh": "达标时间不足"},
    "history_away": {"en": "the history does not answer", "zh": "历史数据无响应"},
    "not_asked": {"en": "not known", "zh": "无法判断"},
}


def photo_words(what: str, count: int) -> tuple[Both, Both]:
    """What a photo must show, and how many there are."""
    return _PHOTO[what], {"en": str(count), "zh": f"{count} 张"} if count else NOTHING


def note_words(told: Both) -> Both:
    """What must be written down."""
    return {"en": f"Note: {told['en']}", "zh": f"记录：{told['zh']}"}


def reading_words(asked: Asked) -> Both:
    """``Power factor ≥ 0.9 for 15 min``."""
    limits = {language: _limits(asked, language) for language in ("en", "zh")}
    minutes = _minutes(asked.lasting_ms)
    return {
        "en": f"{asked.name['en']} {limits['en']} for {minutes} min",
        "zh": f"{asked.name['zh']} {limits['zh']}，持续 {minutes} 分钟",
    }


def reading_detail(asked: Asked, seen: Reading | Mapping[str, Any] | None) -> Both:
    """How a reading stands: a kept one by its facts, a live one by what it shows or what stands in its way."""
    if seen is None:
        return _WHY["not_asked"]
    if isinstance(seen, Reading):
        return _live(asked, seen)
    if seen.get("by"):
        figure, by = f"{seen['value']:.{asked.digits}f}{_unit(asked)}", f"{seen['by']}, {seen['instrument']}"
        return {"en": f"{figure}, by hand: {by}", "zh": f"{figure}，人工测量：{by}"}
    reach = f"{seen['lowest']:.{asked.digits}f} … {seen['highest']:.{asked.digits}f}{_unit(asked)}"
    return {"en": f"{reach}, {seen['samples']} samples", "zh": f"{reach}，{seen['samples']} 个样本"}


def _live(asked: Asked, seen: Reading) -> Both:
    if seen.verdict == "within" and seen.lowest is not None and seen.highest is not None:
        return reading_detail(asked, {"lowest": seen.lowest, "highest": seen.highest, "samples": seen.samples})
    figure = "" if seen.value is None else f"{seen.value:.{asked.digits}f}{_unit(asked)}"
    if seen.verdict == "waiting" and seen.since is not None:
        so_far = _minutes(seen.until - seen.since)
        wanted = _minutes(asked.lasting_ms)
        return {"en": f"{figure}, {so_far} of {wanted} min so far", "zh": f"{figure}，已达标 {so_far}/{wanted} 分钟"}
    why = _WHY[seen.why]
    return {
        "en": f"{figure}, {why['en']}" if figure else why["en"],
        "zh": f"{figure}，{why['zh']}" if figure else why["zh"],
    }


def _limits(asked: Asked, language: str) -> str:
    joint = " and " if language == "en" else "且 "
    return joint.join(_limit(bound, asked) for bound in asked.bounds) or _WHY["no_limit"][language]


def _limit(bound: Bound, asked: Asked) -> str:
    return f"{_PERMITTED[bound.op]} {bound.value:g}{_unit(asked)}"


def _unit(asked: Asked) -> str:
    return f" {asked.unit}" if asked.unit else ""


def _minutes(ms: int) -> str:
    return f"{ms / 60_000:.0f}" if ms >= 60_000 else f"{ms / 60_000:.1f}"
