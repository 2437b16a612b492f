"""HTTP → people who write programs: examples of the answers that are lists of rows."""

from __future__ import annotations

from typing import Any

_AT = "2026-11-21T07:20:00.301Z"
_EARLIER = "2026-11-21T07:05:00.123Z"

ALARM: dict[str, Any] = {
    "id": 12, "site": "riverside", "equipment": "incomer_1", "rule": "power_factor_low", "instance": "", "severity": "major",
    "clause": "h-5.3.1-pf", "state": "active", "ticket": "T-000123", "suppressed_by": "", "acknowledged_by": "",
    "because": [{"name": "power_factor", "value": 0.86, "unit": "", "quality": "good"}],
    "began_at": _EARLIER, "raised_at": _AT, "received_at": _AT, "cleared_at": None, "shelved_until": None, "acknowledged_at": None,
}  # fmt: skip
GATEWAY: dict[str, Any] = {
    "id": "gw_1", "site": "riverside", "version": "0.1.0", "interval_ms": 10_000, "clock_offset_ms": -2, "quarantined": 0,
    "is_enrolled": True, "last_seen_at": _AT, "offline_since": None, "revoked_at": None,
}  # fmt: skip
TRANSITION: dict[str, Any] = {
    "action": "start", "kinds": ["fault", "test", "maintenance", "request", "complaint", "inspection"],
    "from": ["acknowledged", "on_site"], "to": "in_progress", "role": "technician", "needs": [],
}  # fmt: skip
EQUIPMENT: dict[str, Any] = {
    "site": "riverside", "id": "incomer_1", "class": "lv_switchgear", "system": "power", "gateway": "gw_1", "has_telemetry": True,
    "name": {"en": "LV incomer 1", "zh": "低压进线1"}, "roles": ["compensated_incomer"], "place": "Substation", "serves": "tx_1",
    "ratings": {"rated_a": 1600}, "out_of_service": None,
}  # fmt: skip
QUARANTINED: dict[str, Any] = {
    "id": 3, "gateway": "gw_1", "epoch": 7, "lane": "events", "seq": 41, "reason": "no equipment incomer_9 at riverside",
    "received_at": _AT, "body": '{"type":"AlarmRaised","equipment":"incomer_9"}',
}  # fmt: skip
DIRECTIVE: dict[str, Any] = {
    "gateway": "gw_1", "applied": True, "answer": "", "id": "token", "kind": "shelve", "by": "chief", "equipment": "lift_1",
    "rule": "door_fault", "reason": "works until noon", "until": "2026-11-21T09:00:00.000Z",
    "created_at": _EARLIER, "sent_at": _AT, "applied_at": _AT,
}  # fmt: skip
CSV = {
    "requestBody": {
        "content": {
            "multipart/form-data": {
                "example": {
                    "file": "id,class,name_en,name_zh,place,serves\nfire_tank_1,pump,Fire water tank,消防水池,B2,\n"
                }
            }
        }
    }
}


def answers(example: Any) -> dict[int | str, dict[str, Any]]:  # noqa: ANN401
    """The answer 200 of a route, with this example."""
    return {200: {"content": {"application/json": {"example": example}}}}
