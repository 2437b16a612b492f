"""What the demo tells: lines for a person in English or Chinese, and one object for a program (pure)."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from contract.conventions import format_instant
from simulators.demo_setup import Setup
from simulators.scenario import Expectation, SeenTicket, Verdict, latency_ms, percentiles
from simulators.site import SimulatedSite

Language = Literal["en", "zh"]

_TEXTS: Mapping[str, Mapping[Language, str]] = {
    "preparing": {"en": "Starting …", "zh": "正在启动 …"},
    "running": {"en": "Plantroom demo is running: {seconds:.0f} s to start", "zh": "Plantroom 演示已启动，用时 {seconds:.0f} 秒"},
    "plant": {
        "en": "simulated plant  {equipment} pieces of equipment, {devices} devices on {buses} buses",
        "zh": "模拟设备    {equipment} 台设备，{devices} 个装置，{buses} 条总线",
    },
    "broker": {"en": "broker           {kind} on port {port}", "zh": "消息代理    {kind}，端口 {port}"},
    "gateway": {"en": "gateway          {id}, status page http://127.0.0.1:{port}/", "zh": "网关        {id}，状态页 http://127.0.0.1:{port}/"},
    "cloud": {"en": "cloud            {address}", "zh": "云端        {address}"},
    "data": {"en": "data             {folder}", "zh": "数据        {folder}"},
    "dashboard": {"en": "Dashboard:        {address}", "zh": "看板：      {address}"},
    "sign_in": {"en": "One-time sign-in: {link}", "zh": "一次性登录：{link}"},
    "panel": {"en": "Control panel:    {address}", "zh": "控制面板：  {address}"},
    "inject": {
        "en": "By hand:          plantroom-sim inject {equipment} {fault} --control {port}",
        "zh": "手动注入：  plantroom-sim inject {equipment} {fault} --control {port}",
    },
    "stop": {"en": "Ctrl-C stops everything.", "zh": "按 Ctrl-C 停止全部。"},
    "waiting": {"en": "waiting for its ticket", "zh": "等待工单"},
    "known": {"en": "already on {ticket}", "zh": "已在 {ticket} 中"},
    "unexpected": {"en": "unexpected ticket", "zh": "意外工单"},
    "missing": {"en": "no ticket came", "zh": "没有生成工单"},
    "repaired": {"en": "repaired", "zh": "已修复"},
    "stopping": {"en": "Stopping …", "zh": "正在停止 …"},
    "stopped": {"en": "Stopped. Nothing is left running.", "zh": "已全部停止。"},
    "summary": {
        "en": "{faults} faults, {tickets} tickets, {missing} missing, {unexpected} unexpected; "
        "fault to ticket p50 {p50} ms, p99 {p99} ms",
        "zh": "{faults} 个故障，{tickets} 张工单，缺少 {missing}，意外 {unexpected}；故障到工单 p50 {p50} ms，p99 {p99} ms",
    },
    "priority_general": {"en": "general", "zh": "一般"},
    "priority_major": {"en": "major", "zh": "重大"},
    "priority_urgent": {"en": "urgent", "zh": "紧急"},
    "priority_life_safety": {"en": "life safety", "zh": "人身安全"},
}  # fmt: skip


def language_of(environment: Mapping[str, str]) -> Language:
    """The language of the terminal: Chinese where its locale says so, English otherwise."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environment.get(name):
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"


def say(key: str, language: Language, **figures: object) -> str:
    """One text of the demo."""
    return _TEXTS[key][language].format(**figures)


@dataclass(frozen=True, slots=True)
class FaultLine:
    """One injected fault on its way to its ticket."""

    at: str
    """Local time of day, ``HH:MM:SS``."""
    equipment: str
    fault: str
    outcome: str


def fault_line(line: FaultLine, columns: int) -> str:
    """``08:30:05  Incomer 1 · Capacitor stages drop out → T-000001 …``, cut to the terminal."""
    text = f"{line.at}  {_padded(f'{line.equipment} · {line.fault}', min(46, columns // 2))} → {line.outcome}"
    return _cut(text, columns)


def source_lines(setup: Setup, link: str, seconds: float, language: Language, panel: str = "") -> list[str]:
    """What runs and where, the dashboard and the one-time sign-in."""
    site = setup.site
    return [
        say("running", language, seconds=seconds),
        "  " + say("plant", language, equipment=len(site.equipment), devices=len(site.devices), buses=len(site.buses)),
        "  " + say("broker", language, kind=setup.broker_kind, port=setup.ports.broker),
        "  " + say("gateway", language, id=setup.gateway_id, port=setup.ports.status),
        "  " + say("cloud", language, address=setup.address),
        "  " + say("data", language, folder=setup.folder),
        "",
        say("dashboard", language, address=setup.address),
        say("sign_in", language, link=link),
        *([say("panel", language, address=panel)] if panel else []),
        say("inject", language, **_example(site), port=setup.control_port),
        say("stop", language),
        "",
    ]


def _example(site: SimulatedSite) -> Mapping[str, str]:
    """A fault that somebody could cause by hand here."""
    for name, of in site.equipment.items():
        for fault in of.equipment_class.faults:
            return {"equipment": name, "fault": fault}
    return {"equipment": "EQUIPMENT", "fault": "FAULT"}


def describe_fault(expected: Expectation, site: SimulatedSite, language: Language) -> str:
    """The fault's name in the class."""
    return str(getattr(site.equipment[expected.equipment].equipment_class.faults[expected.fault].name, language))


def describe_ticket(expected: Expectation, ticket: SeenTicket, site: SimulatedSite, language: Language) -> str:
    """``T-000001 major · Power factor low · h-5.3.1-pf · 0.8 s``."""
    rule = site.equipment[ticket.equipment].equipment_class.rules[ticket.rule]
    seconds = latency_ms(expected, ticket) / 1000
    priority = say(f"priority_{ticket.priority}", language)
    return f"{ticket.id} {priority} · {getattr(rule.name, language)} · {ticket.clause} · {seconds:.1f} s"


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _padded(text: str, columns: int) -> str:
    return text + " " * max(columns - _width(text), 0)


def _cut(text: str, columns: int) -> str:
    if _width(text) <= columns:
        return text
    while text and _width(text) > columns - 1:
        text = text[:-1]
    return text + "…"


def as_object(expected: Sequence[Expectation], tickets: Sequence[SeenTicket], verdict: Verdict) -> dict[str, Any]:
    """What ``--json`` prints."""
    return {
        "faults": [_fault_object(one) for one in expected],
        "tickets": [_ticket_object(ticket) for ticket in tickets],
        "missing": [_fault_object(one) for one in verdict.missing],
        "unexpected": [_ticket_object(ticket) for ticket in verdict.unexpected],
        "fault_to_ticket_ms": dict(percentiles(verdict.latency_ms)),
    }


def _fault_object(expected: Expectation) -> dict[str, Any]:
    return {
        "equipment": expected.equipment,
        "fault": expected.fault,
        "rule": expected.rule,
        "injected_at": format_instant(expected.injected_ms),
    }


def _ticket_object(ticket: SeenTicket) -> dict[str, Any]:
    return {name: value for name, value in asdict(ticket).items() if name != "received_ms"}
