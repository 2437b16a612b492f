"""status page: every word it shows, in both languages."""

from __future__ import annotations

from typing import Literal

Language = Literal["en", "zh"]

WORDS: dict[str, tuple[str, str]] = {
    "title": ("Gateway", "网关"),
    "active_alarms": ("Active alarms", "当前报警"),
    "no_alarms": ("No active alarm", "当前无报警"),
    "silent": ("silent by design", "已按设计抑制"),
    "acknowledged": ("acknowledged", "已确认"),
    "unacknowledged": ("not acknowledged", "未确认"),
    "returned": ("Cleared, not acknowledged", "已恢复未确认"),
    "cleared": ("Cleared", "恢复"),
    "storm": ("part of a storm", "报警风暴"),
    "flood": ("Flood of alarms", "报警泛滥"),
    "chattering": ("An alarm keeps coming and going", "报警反复出现"),
    "raises": ("alarms raised since", "次报警，始于"),
    "equipment": ("Equipment", "设备"),
    "alarm": ("Alarm", "报警"),
    "since": ("Since", "开始"),
    "severity": ("Severity", "级别"),
    "life_safety": ("life safety", "人身安全"),
    "critical": ("critical", "严重"),
    "major": ("major", "重要"),
    "minor": ("minor", "次要"),
    "advisory": ("advisory", "提示"),
    "devices": ("Devices", "采集设备"),
    "device": ("Device", "采集设备"),
    "state": ("State", "状态"),
    "answered": ("Answered, last minute", "近一分钟应答率"),
    "last_answer": ("Last answer", "最近应答"),
    "last_error": ("Last error", "最近错误"),
    "refuses": ("refuses to tell", "拒绝读取的测点"),
    "ok": ("ok", "正常"),
    "degraded": ("degraded", "不稳定"),
    "silent_device": ("silent", "无应答"),
    "not_connected": ("not connected", "未连接"),
    "not_yet": ("not read yet", "尚未读取"),
    "unreadable": ("Messages that could not be read", "无法解析的报文"),
    "received": ("Received", "接收时间"),
    "topic": ("Topic", "主题"),
    "payload": ("Message", "报文"),
    "site_file_refused": (
        "The changed site file was refused: the gateway runs on as before",
        "新的站点文件有误，未采用：网关继续按原配置运行",
    ),
    "delivery": ("Delivery to the cloud", "上传"),
    "cloud": ("Cloud", "云端"),
    "reachable": ("reachable", "已连通"),
    "unreachable": ("not reachable: alarms and samples are kept here", "未连通：报警和数据保存在本机"),
    "alone": ("none: this gateway works alone", "未配置：本机独立运行"),
    "last_receipt": ("Last receipt", "最近回执"),
    "waiting_events": ("Events waiting", "待传事件"),
    "waiting_samples": ("Sample groups waiting", "待传数据组"),
    "oldest": ("Oldest", "最早"),
    "disk": ("Disk", "磁盘"),
    "disk_well": ("written normally", "写入正常"),
    "disk_failing": ("cannot be written: nothing new is kept", "无法写入：新数据未保存"),
    "sound_on": ("Turn the sounder on", "开启声响"),
    "mute": ("Mute for 5 minutes", "静音 5 分钟"),
    "muted": ("Muted until", "静音至"),
    "sounder_ready": ("Sounder on", "声响已开启"),
    "lost": ("The gateway does not answer. What is shown may be old.", "网关无应答，显示内容可能已过时。"),
    "sign_in": ("Sign in", "登录"),
    "password": ("Password", "密码"),
    "wrong": ("That is not the password.", "密码不正确。"),
    "too_often": ("Too many tries. Wait a minute.", "尝试过多，请一分钟后再试。"),
    "language": ("中文", "English"),
    "days": ("d", "天"),
}


def word(key: str, language: Language) -> str:
    """One word or sentence."""
    return WORDS[key][0 if language == "en" else 1]
