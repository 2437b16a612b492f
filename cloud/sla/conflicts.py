"""Tickets → sla: where the users' documents disagree about a service time, which figure is shipped, and why (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Conflict:
    """Clauses that cannot all hold, what they say, and what the shipped policy does about it."""

    clauses: tuple[str, ...]
    says: Mapping[str, str]
    chosen: Mapping[str, str]


CONFLICTS: Mapping[str, Conflict] = MappingProxyType(
    {
        "sla_order": Conflict(
            ("m-3.1-gen", "m-3.1-major", "m-3.1-urgent", "m-1.1.2-resp", "m-2.3.3-2h", "m-4.1-2h"),
            {
                "en": "Manual 3.1 answers a general problem in 2 h, a major one in 4 h, a major urgent one in 1 h; 1.1.2 and 2.3.3 promise 2 h for every call and every fault.",
                "zh": "手册 3.1 规定一般问题 2 小时、重大问题 4 小时、重大紧急 1 小时响应；1.1.2 和 2.3.3 规定所有服务和设备故障 2 小时响应。",
            },
            {
                "en": "Every equipment fault is answered in 2 h, an urgent one in 1 h; the 4 h bind only major problems that are not equipment faults.",
                "zh": "设备故障一律 2 小时响应，紧急 1 小时；4 小时只用于非设备故障的重大问题。",
            },
        ),
        "minor_repair": Conflict(
            ("g-4.1.2-sameday", "m-2.3.3-48h", "m-1.1.2-resp"),
            {
                "en": "Small repairs are done the same day (measures 4.1.2), equipment faults within 48 h (manual 2.3.3).",
                "zh": "小修当日完成（措施 4.1.2），设备故障 48 小时内修复（手册 2.3.3）。",
            },
            {
                "en": "A general request is a small repair and ends with its day; an equipment fault has 48 h.",
                "zh": "一般报修按小修当日完成；设备故障 48 小时。",
            },
        ),
        "complaint_time": Conflict(
            ("m-1.1.2-complaint", "m-2.1.3-24", "m-2.1.3-72", "p1-5-6b", "g-4.5"),
            {
                "en": 'Complaints: "not below 48 h" (1.1.2), answer in 24 h and settlement in 72 h (2.1.3), at once (measures 1); special requests in 24 h (4.5).',
                "zh": "投诉：“不低于 48 小时”（1.1.2）、24 小时响应 72 小时办结（2.1.3）、第一时间反馈（措施一）；特约服务 24 小时答复（4.5）。",
            },
            {
                "en": "24 h for the answer and 72 h for the settlement; 48 h as a minimum makes no sense and is not used.",
                "zh": "响应 24 小时、办结 72 小时；“不低于 48 小时”不成限期，不采用。",
            },
        ),
        "interruption": Conflict(
            ("m-4.3-gen-2h", "m-4.3-gen-48h", "m-4.3-mid-24h", "m-4.3-maj-48h", "m-2.3.3-48h", "m-4.3-3lvl", "m-3.3-class"),
            {
                "en": "Interruptions: general 2 h basic service and 48 h repair, larger 24 h first handling without a repair time, major 48 h repair. The levels are named unlike those of 3.1 and 3.3.",
                "zh": "中断：一般 2 小时恢复基本服务、48 小时修复；较大 24 小时初步处置，未定修复时限；重大 48 小时彻底修复。等级名称与 3.1、3.3 不同。",
            },
            {
                "en": "General is priority general, larger is major, major is urgent. A larger one has the 48 h of any equipment fault for its repair.",
                "zh": "一般对应一般，较大对应重大，重大对应紧急；较大中断的修复按设备故障 48 小时。",
            },
        ),
    }
)  # fmt: skip
