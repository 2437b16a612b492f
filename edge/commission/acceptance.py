"""What a commissioning engineer found, point by point: kept between sittings, and in the end a sheet that can be verified.

A sheet is JSON. Its digest is SHA-256 over the canonical form of its content; its signature HMAC-SHA256 with a key that
only the gateway (or whoever keeps the key file) has. The HTML page beside it shows the same and nothing else.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from pathlib import Path
from typing import Any, Literal

from contract.messages import Value
from edge.commission.reading import Row, show_value
from edge.site import Device, Site

FORMAT = 1
Verdict = Literal["agrees", "differs", "noted", "skipped"]
_CONTEXT = b"plantroom acceptance sheet 1\n"
_WORDS = {"agrees": "agrees / 相符", "differs": "differs / 不符", "noted": "noted / 备注", "skipped": "open / 未核对"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One point as it was read and what the engineer said of it."""

    point: str
    """``device/point``."""
    equipment: str
    target: str
    wire: str
    words: tuple[int, ...]
    value: Value
    unit: str
    quality: str
    cause: str
    verdict: Verdict
    shown: str
    """What the local display showed, as typed."""
    note: str
    at: str


@dataclass(slots=True)
class Progress:
    """What has been answered so far, by point path. ``plan`` is the digest of what each point is read from."""

    engineer: str = ""
    begun: str = ""
    entries: dict[str, Entry] = field(default_factory=dict)
    plans: dict[str, str] = field(default_factory=dict)

    def answer(self, entry: Entry, plan: str) -> None:
        self.entries[entry.point], self.plans[entry.point] = entry, plan

    def is_answered(self, path: str, plan: str) -> bool:
        """A point that is now read in another way is to be looked at again; so is one that was skipped."""
        entry = self.entries.get(path)
        return entry is not None and entry.verdict != "skipped" and self.plans.get(path) == plan

    def save(self, file: Path) -> None:
        """Whole or not at all. Raises OSError."""
        part = file.with_name(f".{file.name}.part")
        part.write_text(json.dumps(asdict(self), ensure_ascii=False, indent=1), encoding="utf-8")
        part.replace(file)


def load_progress(file: Path) -> Progress:
    """What an earlier sitting left; empty when there was none. Raises OSError, or ValueError for another file's content."""
    if not file.exists():
        return Progress()
    saved = json.loads(file.read_text(encoding="utf-8"))
    try:
        entries = {path: Entry(**{**entry, "words": tuple(entry["words"])}) for path, entry in saved["entries"].items()}
        return Progress(str(saved["engineer"]), str(saved["begun"]), entries, dict(saved["plans"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"is no progress of an acceptance: {error}") from error


def plan_of(device: Device, point: str) -> str:
    """What a point's value depends on in the site file and the library, in short."""
    binding = next(one for one in device.bindings if one.device_point == point)
    told = f"{device.model.id} {device.bus} {device.address} {binding.equipment} {binding.point_id} {binding.mapping!r}"
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def entry_of(row: Row, verdict: Verdict, shown: str, note: str, at: str) -> Entry:
    """What was read, with what was said of it."""
    return Entry(
        f"{row.device}/{row.point}", row.equipment, row.target, row.where, row.words, row.value, row.unit, row.quality,
        row.cause, verdict, shown, note, at,
    )  # fmt: skip


def agreement(row: Row, shown: str, tolerance: float) -> Verdict:
    """Whether what the display shows is what was read: numbers within the tolerance (a share), words as they are."""
    if row.value is None:
        return "differs"
    if isinstance(row.value, (bool, str)):
        return "agrees" if shown.strip().lower() == show_value(row.value).lower() else "differs"
    try:
        number = float(shown.replace(",", "."))
    except ValueError:
        return "differs"
    return "agrees" if abs(number - row.value) <= tolerance * max(abs(row.value), abs(number)) else "differs"


# --- the sheet ----------------------------------------------------------------------------------------------------


def sheet_of(site: Site, progress: Progress, open_points: Sequence[str], ended: str, version: str) -> dict[str, Any]:
    """The content that is signed."""
    entries = [asdict(entry) | {"words": list(entry.words)} for entry in progress.entries.values()]
    return {
        "format": FORMAT, "site": site.id, "site_name": site.name, "gateway": site.gateway.id, "version": version,
        "engineer": progress.engineer, "begun": progress.begun, "ended": ended,
        "devices": {
            one.id: {"model": one.model.id, "status": one.model.status, "bus": one.bus.id, "address": str(one.address)}
            for one in site.devices
        },
        "entries": entries, "open": list(open_points),
    }  # fmt: skip


def canonical(content: Mapping[str, Any]) -> bytes:
    """The bytes that are digested: sorted keys, no spaces, UTF-8."""
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def sign(content: Mapping[str, Any], key: bytes | None, signer: str) -> dict[str, Any]:
    """The sheet with its digest and, given a key, its signature."""
    body = canonical(content)
    signature = None
    if key is not None:
        value = hmac.new(key, _CONTEXT + signer.encode() + b"\n" + body, hashlib.sha256).hexdigest()
        signature = {"method": "hmac-sha256", "by": signer, "value": value}
    return {"sheet": dict(content), "sha256": hashlib.sha256(body).hexdigest(), "signature": signature}


def verify(signed: object, key: bytes | None) -> tuple[bool, str]:
    """Whether a sheet is as it was signed, and the finding in words. Without a key only the digest can be checked."""
    if not isinstance(signed, dict) or not isinstance(signed.get("sheet"), dict):
        return False, "is no acceptance sheet"
    content, signature = signed["sheet"], signed.get("signature")
    if hashlib.sha256(canonical(content)).hexdigest() != signed.get("sha256"):
        return False, "was changed after it was written: the digest does not match"
    if not isinstance(signature, dict):
        return False, "carries no signature; only its digest matches"
    if key is None:
        return False, f"matches its digest; its signature by {signature.get('by')} needs the key to be checked"
    again = sign(content, key, str(signature.get("by")))["signature"]
    if not hmac.compare_digest(str(again["value"]), str(signature.get("value"))):
        return False, "is not signed with this key"
    return (
        True,
        f"is as {signature.get('by')} signed it: {len(content.get('entries', []))} points, {len(content.get('open', []))} open",
    )


def page(signed: Mapping[str, Any]) -> str:
    """The sheet as a page to print and to sign by hand."""
    sheet = signed["sheet"]
    counts = {key: sum(one["verdict"] == key for one in sheet["entries"]) for key in _WORDS}
    head = {
        "Site / 项目": f"{sheet['site_name']} ({sheet['site']})", "Gateway / 网关": sheet["gateway"],
        "Engineer / 调试人": sheet["engineer"], "Begun / 开始": sheet["begun"], "Ended / 结束": sheet["ended"],
        "Result / 结果": ", ".join(f"{counts[key]} {_WORDS[key]}" for key in _WORDS if counts[key])
        + (f"; {len(sheet['open'])} not looked at / 未核对" if sheet["open"] else ""),
    }  # fmt: skip
    facts = "".join(f"<dt>{escape(key)}</dt><dd>{escape(str(value))}</dd>" for key, value in head.items())
    rows = "".join(_row(one) for one in sheet["entries"])
    signature = signed["signature"]
    by = f"{signature['method']} by {signature['by']}: {signature['value']}" if signature else "not signed / 未签名"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Acceptance sheet / 点位验收表</title><style>'
        "body{font:14px/1.4 sans-serif;margin:2em}table{border-collapse:collapse;width:100%}td,th{border:1px solid #888;"
        "padding:.2em .4em;text-align:left}dt{float:left;width:14em;clear:left}.differs{background:#fdd}code{word-break:break-all}"
        "footer{margin-top:2em}@media print{tr{break-inside:avoid}}</style></head><body>"
        f"<h1>Acceptance sheet / 点位验收表</h1><dl>{facts}</dl><table><thead><tr><th>Point / 点位<th>Equipment / 设备"
        "<th>Wire / 寄存器<th>Words<th>Read / 读数<th>Display / 就地显示<th>Result / 结果<th>Note / 备注<th>Time (UTC)</tr></thead>"
        f"<tbody>{rows}</tbody></table><footer><p>SHA-256 <code>{escape(signed['sha256'])}</code></p><p><code>{escape(by)}</code></p>"
        "<p>Signed / 签字: ____________________ &nbsp; Date / 日期: ____________</p></footer></body></html>\n"
    )


def _row(one: Mapping[str, Any]) -> str:
    read = (
        f"{show_value(one['value'])} {one['unit']}" if one["quality"] == "good" else f"{one['quality']}: {one['cause']}"
    )
    words = " ".join(f"{word:04X}" for word in one["words"])
    said = [
        one["point"], f"{one['equipment']}/{one['target']}", one["wire"], words, read, one["shown"],
        _WORDS[one["verdict"]], one["note"], one["at"],
    ]  # fmt: skip
    return f'<tr class="{one["verdict"]}">' + "".join(f"<td>{escape(str(cell))}</td>" for cell in said) + "</tr>"
