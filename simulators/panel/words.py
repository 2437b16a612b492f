"""control panel: every word it shows, in both languages."""

from __future__ import annotations

from typing import Literal

Language = Literal["en", "zh"]

_WORDS: dict[str, tuple[str, str]] = {
    "title": ("Simulated plant", "模拟设备"),
    "about": (
        "Faults caused here are those of a simulated plant. Nothing real is switched.",
        "此处造成的故障只作用于模拟设备，不会操作任何真实设备。",
    ),
    "skip": ("To the content", "跳到正文"),
    "wrong_now": ("Wrong now", "当前异常"),
    "all_well": ("Nothing is wrong. Faults caused here or on the console are listed in this place.", "当前无异常。此处或命令行造成的故障会列在这里。"),
    "repair": ("Repair", "修复"),
    "repair_all": ("Repair everything", "全部修复"),
    "since": ("since", "自"),
    "until": ("until", "至"),
    "equipment": ("Equipment", "设备"),
    "class": ("Class", "类别"),
    "values": ("Values", "数值"),
    "find": ("Find", "查找"),
    "name_or_id": ("Name or id", "名称或编号"),
    "none_found": ("No equipment has this in its name.", "没有名称包含该词的设备。"),
    "lines": ("Lines", "线路"),
    "line": ("Line", "线路"),
    "devices": ("Devices", "仪表/控制器"),
    "device": ("Device", "仪表/控制器"),
    "model": ("Model", "型号"),
    "cut": ("Cut", "切断"),
    "restore": ("Restore", "恢复"),
    "is_cut": ("cut", "已切断"),
    "is_up": ("up", "正常"),
    "faults": ("Faults", "故障"),
    "fault": ("Fault", "故障"),
    "cause": ("Cause", "造成故障"),
    "lasts": ("Lasts", "持续"),
    "grows": ("Grows over", "发展时间"),
    "until_repaired": ("until repaired", "直到修复"),
    "at_once": ("at once", "立即"),
    "min_1": ("1 min", "1 分钟"),
    "min_5": ("5 min", "5 分钟"),
    "min_10": ("10 min", "10 分钟"),
    "h_1": ("1 h", "1 小时"),
    "no_faults": ("This class knows no faults.", "该类别没有可造成的故障。"),
    "point": ("Point", "测点"),
    "is_true": ("True", "真值"),
    "shows": ("Device shows", "装置显示"),
    "differs": ("differs", "不一致"),
    "on": ("on", "是"),
    "off": ("off", "否"),
    "nothing": ("says nothing", "无值"),
    "answers_how": ("How it answers", "应答方式"),
    "misbehave": ("Let it", "设为"),
    "sensor": ("Sensor", "传感器"),
    "lie": ("Let it lie", "设为失真"),
    "as_of": ("Values of", "数值时间"),
    "refresh": ("Refresh", "刷新"),
    "back": ("All equipment", "全部设备"),
    "problem": ("That was not done", "未执行"),
    "not_found": ("There is no such page.", "没有此页面。"),
    "stranger": (
        "This request did not come from a page of this panel. Open the panel and press the button there.",
        "请求并非来自本面板的页面。请打开面板后再操作。",
    ),
    "language": ("中文", "English"),
    "theme_dark": ("Dark", "深色"),
    "theme_light": ("Light", "浅色"),
    "silent": ("silent", "无应答"),
    "slow": ("slow", "应答缓慢"),
    "late": ("late", "应答迟到"),
    "busy": ("busy", "忙"),
    "exception": ("refuses", "拒绝应答"),
    "garbage": ("garbles", "乱码"),
    "duplicate": ("answers twice", "重复应答"),
    "half_open": ("half open", "半开连接"),
    "wrong_device": ("answers as another device", "冒名应答"),
    "wrong_transaction": ("answers another question", "事务号错误"),
    "wrong_function": ("answers with another function", "功能码错误"),
    "wrong_length": ("answers too long or too short", "长度错误"),
    "wrong_crc": ("checksum wrong", "校验错误"),
    "truncated": ("stops in mid-answer", "应答截断"),
    "split": ("answers in pieces", "应答分段"),
    "noise": ("noise", "噪声"),
    "restart": ("restarts", "重启"),
    "resolution": ("coarse steps", "分辨率粗糙"),
    "drift": ("drifts", "漂移"),
    "stuck": ("stuck", "卡死"),
    "dropout": ("drops out", "间歇丢失"),
    "range_end": ("at its end of range", "超量程"),
    "nan": ("not a number", "非数值"),
    "sentinel": ("says not available", "报无效值"),
    "swap": ("swapped with another", "接线互换"),
}  # fmt: skip


def word(key: str, language: Language) -> str:
    """A word; the key itself where it is none (a name of a site's own library)."""
    found = _WORDS.get(key)
    return key if found is None else found[language == "zh"]


def keys() -> tuple[str, ...]:
    """Every key there is."""
    return tuple(_WORDS)
