"""status page: what the gateway knows → HTML (pure). Every value is escaped; there is no inline script and no inline style."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from zoneinfo import ZoneInfo

from contract.conventions import from_ms, parse_instant
from contract.messages import DeviceHealth, Severity
from edge.acquire.health import Malformed, show_payload
from edge.page.words import Language, word
from edge.rules.engine import ActiveAlarm

SHAPES = {
    "life_safety": "M5 .8h6L15.2 5v6L11 15.2H5L.8 11V5z",
    "critical": "M8 .4 15.6 8 8 15.6.4 8z",
    "major": "M8 1 15.4 14.6H.6z",
    "minor": "M8 15 .6 1.4h14.8z",
    "advisory": "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1z",
}
"""The same shapes as the cloud's pages: a reader without colour loses nothing."""


@dataclass(frozen=True, slots=True)
class View:
    """Everything the page shows, read at one instant."""

    gateway: str
    site: str
    zone: str
    now_ms: int
    names: dict[str, tuple[str, str]]
    """Equipment id to its name in English and Chinese."""
    alarms: Sequence[ActiveAlarm]
    devices: Sequence[DeviceHealth]
    cloud: str | None
    is_up: bool
    link_reason: str
    last_receipt_ms: int | None
    events: int
    samples: int
    oldest_ms: int | None
    is_disk_well: bool
    returned: Sequence[ActiveAlarm] = ()
    """Cleared, and nobody has acknowledged them."""
    storms: Sequence[tuple[str, int, int]] = ()
    """Kind of each running storm, when it began (epoch ms) and how often its members were raised."""
    mistakes: Sequence[str] = ()
    """What is wrong with the site file as it is on the disk; the one that runs is an older one."""
    unreadable: Sequence[tuple[str, Malformed]] = ()
    """Messages that could not be read, with the device (or bus) they came from, newest first."""
    unreadable_total: int = 0
    refused: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Device to its points that it refuses to tell."""


def page(view: View, language: Language) -> str:
    """The whole page; ``live`` is what the script renews."""
    other = "zh" if language == "en" else "en"
    return _document(
        language, f"{view.site}: {word('title', language)} {view.gateway}",
        f'<header><h1>{escape(view.site)}</h1><p>{word("title", language)} {escape(view.gateway)}</p>'
        f'<nav><button id="sounder" data-on="{word("sounder_ready", language)}" data-mute="{word("mute", language)}" '
        f'data-muted="{word("muted", language)}" data-zone="{escape(view.zone)}">{word("sound_on", language)}</button>'
        f'<a href="/language/{other}" lang="{other}">{word("language", language)}</a></nav></header>'
        f'<p id="lost" role="alert" hidden>{word("lost", language)}</p>'
        f'<main id="live" aria-live="polite">{live(view, language)}</main>'
        '<script src="/static/status.js" defer></script>',
    )  # fmt: skip


def live(view: View, language: Language) -> str:
    """The part that changes."""
    sounding = [alarm for alarm in view.alarms if not alarm.silenced_by and not alarm.is_acknowledged]
    loudest = max((alarm.severity for alarm in sounding), key=lambda one: one.rank, default=None)
    newest = max((alarm.raised_ms for alarm in sounding), default=0)
    return (
        f'<div id="sound" data-loudest="{loudest or ""}" data-newest="{newest}"></div>'
        f"{_mistakes(view, language)}{_alarms(view, language)}{_delivery(view, language)}{_devices(view, language)}"
        f"{_unreadable(view, language)}"
    )


def sign_in(language: Language, problem: str = "") -> str:
    """The door."""
    told = f'<p role="alert">{word(problem, language)}</p>' if problem else ""
    return _document(
        language, word("sign_in", language),
        f'<main class="door"><h1>{word("sign_in", language)}</h1>{told}<form method="post" action="/sign-in">'
        f'<label>{word("password", language)} <input type="password" name="password" autocomplete="current-password" '
        f'required autofocus></label><button>{word("sign_in", language)}</button></form></main>',
    )  # fmt: skip


def _document(language: Language, title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="{"zh-CN" if language == "zh" else "en"}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title><link rel="icon" href="/static/favicon.svg"><link rel="stylesheet" href="/static/status.css"></head>'
        f"<body>{body}</body></html>"
    )


def _mark(severity: Severity, language: Language) -> str:
    path = SHAPES[severity.value]
    return (
        f'<span class="sev {severity.value}"><svg viewBox="0 0 16 16" aria-hidden="true"><path d="{path}"/></svg>'
        f"{word(severity.value, language)}</span>"
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], language: Language) -> str:
    head = "".join(f'<th scope="col">{word(key, language)}</th>' for key in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _alarms(view: View, language: Language) -> str:
    title = f"{word('active_alarms', language)} <b>{len(view.alarms)}</b>"
    storms = "".join(f"<li>{_storm(one, view, language)}</li>" for one in view.storms)
    told = f'<ul class="storms">{storms}</ul>' if storms else ""
    if not view.alarms:
        active = f'<section><h2>{title}</h2>{told}<p class="calm">{word("no_alarms", language)}</p></section>'
    else:
        rows = [_alarm_row(one, view, language) for one in view.alarms]
        active = f"<section><h2>{title}</h2>{told}{_table([*_HEADS, 'since'], rows, language)}</section>"
    if not view.returned:
        return active
    rows = [_alarm_row(one, view, language) for one in view.returned]
    return f"{active}<section><h2>{word('returned', language)} <b>{len(rows)}</b></h2>{_table([*_HEADS, 'cleared'], rows, language)}</section>"


_HEADS = ("severity", "equipment", "alarm")


def _alarm_row(alarm: ActiveAlarm, view: View, language: Language) -> list[str]:
    name = view.names.get(alarm.equipment, (alarm.equipment, alarm.equipment))[language == "zh"]
    text = alarm.name.zh if language == "zh" else alarm.name.en
    reason = word("storm", language) if alarm.silenced_by == "storm" else alarm.silenced_by
    notes = [f"{word('silent', language)} ({reason})"] if alarm.silenced_by else []
    notes.append(word("acknowledged" if alarm.is_acknowledged else "unacknowledged", language))
    what = " ".join(escape(part) for part in (text, alarm.instance) if part)
    at_ms = alarm.began_ms if alarm.returned_ms is None else alarm.returned_ms
    note = f" <small>{escape(', '.join(notes))}</small>"
    return [_mark(alarm.severity, language), escape(name), what + note, _clock(at_ms, view)]


def _storm(storm: tuple[str, int, int], view: View, language: Language) -> str:
    kind, began_ms, raises = storm
    return f"{word(kind, language)}: {raises} {word('raises', language)} {_clock(began_ms, view)}"


def _mistakes(view: View, language: Language) -> str:
    if not view.mistakes:
        return ""
    rows = "".join(f"<li>{escape(one)}</li>" for one in view.mistakes)
    return f'<section class="bad"><h2>{word("site_file_refused", language)}</h2><ul>{rows}</ul></section>'


def _delivery(view: View, language: Language) -> str:
    state = "alone" if view.cloud is None else "reachable" if view.is_up else "unreachable"
    reason = f" <small>{escape(view.link_reason)}</small>" if view.link_reason and not view.is_up else ""
    facts = [
        ("cloud", word(state, language) + reason),
        ("last_receipt", _clock(view.last_receipt_ms, view)),
        ("waiting_events", str(view.events)),
        ("waiting_samples", str(view.samples)),
        ("oldest", _clock(view.oldest_ms, view)),
        ("disk", word("disk_well" if view.is_disk_well else "disk_failing", language)),
    ]
    rows = "".join(f"<dt>{word(key, language)}</dt><dd>{value}</dd>" for key, value in facts)
    bad = "" if view.is_disk_well and (view.is_up or view.cloud is None) else ' class="bad"'
    return f"<section{bad}><h2>{word('delivery', language)}</h2><dl>{rows}</dl></section>"


def _devices(view: View, language: Language) -> str:
    rows = []
    for device in view.devices:
        state = "silent_device" if device.state == "silent" else device.state
        last_ms = None if device.last_ok_at is None else _ms(device.last_ok_at)
        rows.append(
            [
                escape(device.device), f'<span class="state {device.state}">{word(state, language)}</span>',
                f"{device.answered_share:.0%}", _clock(last_ms, view), _trouble(device, view, language),
            ]
        )  # fmt: skip
    heads = ["device", "state", "answered", "last_answer", "last_error"]
    return f"<section><h2>{word('devices', language)}</h2>{_table(heads, rows, language)}</section>"


def _trouble(device: DeviceHealth, view: View, language: Language) -> str:
    """Why it does not answer, and which points it refuses."""
    refused = ", ".join(view.refused.get(device.device, ()))
    told = [
        device.last_error if device.state != "ok" else "",
        f"{word('refuses', language)}: {refused}" if refused else "",
    ]
    return "<br>".join(escape(one) for one in told if one)


def _unreadable(view: View, language: Language) -> str:
    if not view.unreadable:
        return ""
    rows = [
        [
            escape(device),
            _clock(one.at_ms, view),
            escape(one.topic),
            escape(one.reason),
            escape(show_payload(one.payload)),
        ]
        for device, one in view.unreadable
    ]
    heads = ["device", "received", "topic", "last_error", "payload"]
    title = f"{word('unreadable', language)} <b>{view.unreadable_total}</b>"
    return f"<section><h2>{title}</h2>{_table(heads, rows, language)}</section>"


def _ms(instant: str) -> int:
    return int(parse_instant(instant).timestamp() * 1000)


def _clock(at_ms: int | None, view: View) -> str:
    """An instant in the site's own time; the day is shown when it is not today."""
    if not at_ms:
        return "–"
    zone = ZoneInfo(view.zone)
    at: datetime = from_ms(at_ms).astimezone(zone)
    is_today = at.date() == from_ms(view.now_ms).astimezone(zone).date()
    return f'<time datetime="{at.isoformat()}">{at:%H:%M:%S}</time>' if is_today else (
        f'<time datetime="{at.isoformat()}">{at:%Y-%m-%d %H:%M}</time>'
    )  # fmt: skip
