"""Escalation → the people: what a message says, in the receiver's language (pure).

First line: what is wrong and where. Then why this person is told now, when it is due in the site's time, the clause, and where to act.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

LATE_S: Final = 60
"""A message this much after its instant says how late it is."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a message is made of. ``title`` in both languages; instants are aware."""

    ticket: str
    title: Mapping[str, str]
    equipment: str
    priority: str
    clock: str
    trigger: str
    repeat: int
    due: datetime | None
    """When the clock is due; None for an event or a held clock."""
    wanted: datetime
    """When the chain wanted this message."""
    now: datetime
    zone: str
    site: str
    clause: str
    link: str
    key: str
    is_past: bool = False
    is_possible_repeat: bool = False
    is_passed_on: bool = False
    share: float = 0.0


_EN: Final[Mapping[str, str]] = {
    "life_safety": "LIFE SAFETY", "urgent": "urgent", "major": "major", "general": "general",
    "response": "acknowledgement", "arrival": "arrival on site", "resolution": "resolution", "service": "restoring service",
    "opened": "Waits for {clock}.", "warned": "{share} of the time for {clock} is used.", "breached": "OVERDUE: {clock}.",
    "reopened": "The ticket was opened again.", "permit_ending": "The permit ends in half an hour.",
    "permit_overrun": "The permit has run out and the work is not finished.",
    "permit_unapplied": "The gateway has not taken the equipment out of service.", "event": "{clock}",
    "due": "Due {at} ({zone})", "late": "This message is {late} late: it was wanted at {at}.", "again": "Reminder {n}.",
    "past": "The fault began and ended while the gateway was cut off.", "passed": "Nobody before you could be told.",
    "repeat": "Sent again after an interruption: you may have it already.", "clause": "Clause {clause}",
    "equipment": "Equipment {equipment}, {site}", "ref": "Reference {key}", "h": "{h} h {m} min", "m": "{m} min",
    "test": "Test message", "test_body": "Plantroom can reach you here. Nobody needs to do anything.",
}  # fmt: skip
_ZH: Final[Mapping[str, str]] = {
    "life_safety": "人身安全", "urgent": "紧急", "major": "重大", "general": "一般",
    "response": "响应", "arrival": "到场", "resolution": "解决", "service": "恢复服务",
    "opened": "等待{clock}。", "warned": "{clock}时限已用 {share}。", "breached": "已超时：{clock}。",
    "reopened": "工单已重新打开。", "permit_ending": "作业许可将在半小时后到期。",
    "permit_overrun": "作业许可已到期，作业尚未结束。",
    "permit_unapplied": "网关尚未执行设备停用。", "event": "{clock}",
    "due": "应于 {at}（{zone}）", "late": "本消息延迟 {late}，原应于 {at} 发出。", "again": "第 {n} 次提醒。",
    "past": "故障在网关断线期间发生并已恢复。", "passed": "前面的人员均无法通知。",
    "repeat": "中断后重新发送，可能已经收到过。", "clause": "条款 {clause}",
    "equipment": "设备 {equipment}，{site}", "ref": "编号 {key}", "h": "{h} 小时 {m} 分", "m": "{m} 分",
    "test": "测试消息", "test_body": "Plantroom 可以在此通知你，无需任何操作。",
}  # fmt: skip


def _words(language: str) -> Mapping[str, str]:
    return _EN if language == "en" else _ZH


def title(facts: Facts, language: str) -> str:
    """One line, such as ``[urgent] T-000123 Lift 2: door does not close · OVERDUE: acknowledgement.``."""
    words = _words(language)
    other = next(iter(facts.title.values()), "")
    told = facts.title.get(language) or other
    return f"[{words[facts.priority]}] {facts.ticket} {told}" + (
        f" · {_why(facts, words)}" if facts.trigger != "opened" else ""
    )


def body(facts: Facts, language: str) -> str:
    """The message itself, one fact a line; the title stands above it."""
    words = _words(language)
    place = words["equipment"].format(equipment=facts.equipment, site=facts.site) if facts.equipment else facts.site
    lines = [_why(facts, words), place]
    if facts.due is not None:
        lines.append(words["due"].format(at=_local(facts.due, facts.zone), zone=facts.zone))
    if facts.clause:
        lines.append(words["clause"].format(clause=facts.clause))
    lines += _notes(facts, words)
    lines += [facts.link] if facts.link else []
    return "\n".join([*lines, words["ref"].format(key=facts.key[:12])])


def _why(facts: Facts, words: Mapping[str, str]) -> str:
    clock = words.get(facts.clock, facts.clock.replace("_", " "))
    name = facts.clock if facts.trigger == "event" and facts.clock in words else facts.trigger
    return words[name].format(clock=clock, share=f"{facts.share:.0%}")


def _notes(facts: Facts, words: Mapping[str, str]) -> list[str]:
    late = (facts.now - facts.wanted).total_seconds()
    return [
        text
        for is_so, text in (
            (facts.repeat > 0, words["again"].format(n=facts.repeat)),
            (facts.is_past, words["past"]),
            (facts.is_passed_on, words["passed"]),
            (late >= LATE_S, words["late"].format(late=_length(late, words), at=_local(facts.wanted, facts.zone))),
            (facts.is_possible_repeat, words["repeat"]),
        )
        if is_so
    ]


def _length(seconds: float, words: Mapping[str, str]) -> str:
    hours, minutes = divmod(int(seconds) // 60, 60)
    return words["h"].format(h=hours, m=f"{minutes:02d}") if hours else words["m"].format(m=minutes)


def _local(at: datetime, zone: str) -> str:
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"


def test_message(language: str) -> tuple[str, str]:
    """Title and body of the message that ``notify test`` sends."""
    words = _words(language)
    return f"Plantroom · {words['test']}", words["test_body"]
