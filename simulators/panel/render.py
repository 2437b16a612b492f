"""view → HTML (pure). Every value is escaped; no inline script, no inline style; everything is a link or a form."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from zoneinfo import ZoneInfo

from contract.conventions import EpochMs, from_ms
from simulators import sensors
from simulators.control import CUT, HOW, Hand, Wrong
from simulators.panel.view import MOST_ROWS, Reader, Shown, fault_name, figure, found, name_of, points, serving
from simulators.panel.words import word
from simulators.site import SimulatedDevice, SimulatedEquipment

_LASTING = (("", "until_repaired"), ("60", "min_1"), ("600", "min_10"), ("3600", "h_1"))
_ONSET = (("", "at_once"), ("300", "min_5"), ("3600", "h_1"))
_MARK = '<svg class="mark" viewBox="0 0 16 16" aria-hidden="true"><path d="M8 1 15.4 14.6H.6z"/></svg>'
_TEXT_FAULTS = ("stuck", "dropout", "sentinel")


def index(hand: Hand, reader: Reader) -> str:
    """All equipment, what is wrong, and the lines."""
    body = (
        f'<div id="live">{_wrong_card(hand, hand.wrong(), reader)}</div>' + _table(hand, reader) + _lines(hand, reader)
    )
    return _document(hand.plant.site.id, body, reader, here="/")


def equipment(hand: Hand, one: SimulatedEquipment, reader: Reader) -> str:
    """One piece of equipment: faults, values, devices."""
    title, subtitle = str(getattr(one.name, reader.language)), str(getattr(one.equipment_class.name, reader.language))
    body = (
        f'<p><a class="back" href="/">{_w("back", reader)}</a></p><h2 class="name">{escape(title)} <small>{escape(subtitle)}</small></h2>'
        + _cause_form(one, reader)
        + f'<div id="live">{live(hand, one, reader)}</div>'
        + "".join(_device(device, one, reader) for device in serving(hand, one.id))
    )
    return _document(title, body, reader, here=f"/equipment/{one.id}")


def live(hand: Hand, one: SimulatedEquipment, reader: Reader) -> str:
    """What changes by itself."""
    devices = serving(hand, one.id)
    near = {one.id, *(device.id for device in devices), *(device.bus for device in devices)}
    wrong = [it for it in hand.wrong() if it.target.partition("/")[0] in near]
    return _wrong_card(hand, wrong, reader) + _values(points(hand, one), reader)


def live_index(hand: Hand, reader: Reader) -> str:
    """What changes by itself on the first page."""
    return _wrong_card(hand, hand.wrong(), reader)


def message(title: str, text: str, reader: Reader) -> str:
    """A page that only says something."""
    return _document(title, f'<p class="card">{escape(text)}</p>', reader, here="/")


# --- parts --------------------------------------------------------------------------------------------------------


def _w(key: str, reader: Reader) -> str:
    return escape(word(key, reader.language))


def _clock(at_ms: EpochMs, reader: Reader) -> str:
    local: datetime = from_ms(at_ms).astimezone(ZoneInfo(reader.zone))
    return f'<time datetime="{from_ms(at_ms).isoformat()}">{local:%H:%M:%S}</time>'


def _wrong_card(hand: Hand, wrong: Sequence[Wrong], reader: Reader) -> str:
    head = f'<header><h2>{_w("wrong_now", reader)}</h2><span class="end">{len(wrong)}</span></header>'
    if not wrong:
        return f'<section class="card" role="status">{head}<p>{_w("all_well", reader)}</p></section>'
    rows = "".join(_wrong_row(hand, one, reader) for one in wrong)
    everything = _form("/repair-all", reader, "", _button("repair_all", reader)) if len(wrong) > 1 else ""
    return f'<section class="card broken" role="status">{head}<ul>{rows}</ul>{everything}</section>'


def _wrong_row(hand: Hand, one: Wrong, reader: Reader) -> str:
    until = f", {_w('until', reader)} {_clock(one.until_ms, reader)}" if one.until_ms else ""
    what = escape(fault_name(hand, one, reader.language))
    fields = _hidden("target", one.target) + _hidden("fault", one.fault)
    label = "restore" if one.kind == "line" else "repair"
    return (
        f"<li>{_MARK}<div><b>{escape(name_of(hand, one.target, reader.language))}</b>: {what}"
        f"<small>{_w('since', reader)} {_clock(one.since_ms, reader)}{until}</small></div>"
        f"{_form('/repair', reader, fields, _button(label, reader))}</li>"
    )


def _table(hand: Hand, reader: Reader) -> str:
    chosen = list(found(hand, reader.query))
    broken = {one.target for one in hand.wrong()}
    rows = "".join(_row(hand, one, reader, is_broken=one.id in broken) for one in chosen[:MOST_ROWS])
    find = (
        f'<form class="find" method="get" action="/" role="search"><label>{_w("name_or_id", reader)} '
        f'<input name="q" value="{escape(reader.query)}"></label>{_button("find", reader)}</form>'
    )
    empty = "" if rows else f"<p>{_w('none_found', reader)}</p>"
    head = "".join(f'<th scope="col">{_w(key, reader)}</th>' for key in ("equipment", "class", "values"))
    return (
        f'<section class="card"><header><h2>{_w("equipment", reader)}</h2><span class="end">{len(chosen)}</span></header>'
        f"{find}{empty}<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></section>"
    )


def _row(hand: Hand, one: SimulatedEquipment, reader: Reader, *, is_broken: bool) -> str:
    of, truth = one.equipment_class, hand.plant.values(one.id)
    main = of.main_points or list(of.points)[:2]
    shown = "".join(
        f"<span class='fact'>{escape(getattr(of.points[name].name, reader.language))} <b>{escape(figure(truth.get(name), of.points[name], reader.language))}</b></span>"
        for name in main
    )
    mark = f"{_MARK}<span class='vh'>{_w('wrong_now', reader)}</span>" if is_broken else ""
    name = escape(getattr(one.name, reader.language))
    return (
        f'<tr><th scope="row">{mark}<a href="/equipment/{escape(one.id)}">{name}</a> <small>{escape(one.id)}</small></th>'
        f"<td>{escape(getattr(of.name, reader.language))}</td><td>{shown}</td></tr>"
    )


def _lines(hand: Hand, reader: Reader) -> str:
    cut = {one.target for one in hand.wrong() if one.kind == "line"}
    rows = "".join(_line(hand, bus, reader, is_cut=bus in cut) for bus in hand.plant.site.buses)
    return (
        f'<section class="card"><header><h2>{_w("lines", reader)}</h2></header><ul class="lines">{rows}</ul></section>'
    )


def _line(hand: Hand, bus: str, reader: Reader, *, is_cut: bool) -> str:
    count = len(hand.plant.site.on_bus(bus))
    fields = _hidden("target", bus) + _hidden("fault", CUT)
    act = (
        _form("/repair", reader, fields, _button("restore", reader))
        if is_cut
        else _form("/cause", reader, fields, _button("cut", reader))
    )
    state = f"{_MARK} {_w('is_cut', reader)}" if is_cut else _w("is_up", reader)
    return f"<li><div><b>{escape(bus)}</b> <small>{count} {_w('devices', reader)}, {state}</small></div>{act}</li>"


def _values(shown: Iterable[Shown], reader: Reader) -> str:
    rows = "".join(_value(one, reader) for one in shown)
    head = "".join(f'<th scope="col">{_w(key, reader)}</th>' for key in ("point", "is_true", "shows"))
    return (
        f'<section class="card"><header><h2>{_w("values", reader)}</h2><span class="end">{_w("as_of", reader)} {_clock(reader.now_ms, reader)} '
        f'<a href="">{_w("refresh", reader)}</a></span></header>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></section>"
    )


def _value(one: Shown, reader: Reader) -> str:
    name = escape(getattr(one.of.name, reader.language))
    true = escape(figure(one.true, one.of, reader.language))
    shows = (
        f"{escape(figure(one.shows, one.of, reader.language))} <small>{escape(one.device)}</small>"
        if one.device
        else "–"
    )
    differs = f' <span class="differs">{_MARK}{_w("differs", reader)}</span>' if one.differs else ""
    return f'<tr><th scope="row">{name} <small>{escape(one.point)}</small></th><td>{true}</td><td>{shows}{differs}</td></tr>'


def _cause_form(one: SimulatedEquipment, reader: Reader) -> str:
    faults = one.equipment_class.faults
    head = f"<header><h2>{_w('faults', reader)}</h2></header>"
    if not faults:
        return f'<section class="card">{head}<p>{_w("no_faults", reader)}</p></section>'
    options = [(name, str(getattr(of.name, reader.language))) for name, of in faults.items()]
    inside = (
        _hidden("target", one.id) + _select("fault", "fault", options, reader)
        + _select("for_s", "lasts", _told(_LASTING, reader), reader) + _select("onset_s", "grows", _told(_ONSET, reader), reader)
    )  # fmt: skip
    return f'<section class="card">{head}{_form("/cause", reader, inside, _button("cause", reader, is_first=True), "wide")}</section>'


def _device(device: SimulatedDevice, one: SimulatedEquipment, reader: Reader) -> str:
    lasts = _select("for_s", "lasts", _told(_LASTING, reader), reader)
    how = [(name, word(name, reader.language)) for name in HOW]
    answers = _hidden("target", device.id) + _select("fault", "answers_how", how, reader) + lasts
    sensors_of = [
        (f"{device.id}/{point}", str(getattr(one.equipment_class.points[name].name, reader.language)))
        for point, (owner, name) in device.sources.items()
        if owner == one.id
    ]
    lies = [(name, word(name, reader.language)) for name in sensors.KINDS if name != "swap"]
    lying = _select("target", "sensor", sensors_of, reader) + _select("fault", "shows", lies, reader) + lasts
    place = f"{escape(device.model.id)}, {escape(device.bus)} {escape(str(device.address))}"
    return (
        f'<section class="card"><header><h2>{_w("device", reader)} {escape(device.id)}</h2><span class="end">{place}</span></header>'
        f"{_form('/cause', reader, answers, _button('misbehave', reader), 'wide')}"
        f"{_form('/cause', reader, lying, _button('lie', reader), 'wide')}</section>"
    )


def _told(options: Iterable[tuple[str, str]], reader: Reader) -> list[tuple[str, str]]:
    return [(value, word(key, reader.language)) for value, key in options]


def _select(name: str, label: str, options: Iterable[tuple[str, str]], reader: Reader) -> str:
    inside = "".join(f'<option value="{escape(value)}">{escape(text)}</option>' for value, text in options)
    return f'<label>{_w(label, reader)} <select name="{name}">{inside}</select></label>'


def _hidden(name: str, value: str) -> str:
    return f'<input type="hidden" name="{name}" value="{escape(value)}">'


def _button(key: str, reader: Reader, *, is_first: bool = False) -> str:
    return f"<button{' class=pri' if is_first else ''}>{_w(key, reader)}</button>"


def _form(action: str, reader: Reader, inside: str, button: str, kind: str = "") -> str:
    return f'<form method="post" action="{action}" class="act {kind}">{_hidden("token", reader.token)}{inside}{button}</form>'


def _document(title: str, body: str, reader: Reader, *, here: str) -> str:
    other = "zh" if reader.language == "en" else "en"
    theme = f' data-theme="{reader.theme}"' if reader.theme in ("light", "dark") else ""
    themes = "".join(
        f'<a href="/theme/{one}?to={escape(here)}">{_w(f"theme_{one}", reader)}</a>'
        for one in ("light", "dark")
        if one != reader.theme
    )
    problem = (
        f'<p class="card problem" role="alert"><b>{_w("problem", reader)}</b> {escape(reader.problem)}</p>'
        if reader.problem
        else ""
    )
    back = escape(here)
    return (
        f'<!doctype html><html lang="{reader.language}"{theme}><head><meta charset="utf-8"><title>{escape(title)} · {_w("title", reader)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="/static/panel.css">'
        '<link rel="icon" href="/static/panel.svg" type="image/svg+xml"><script src="/static/panel.js" defer></script></head><body>'
        f'<a class="skip" href="#main">{_w("skip", reader)}</a>'
        f'<header class="top"><h1><a href="/">{_w("title", reader)}</a></h1><nav>'
        f'<a href="/language/{other}?to={back}" lang="{other}">{_w("language", reader)}</a>'
        f"{themes}</nav></header>"
        f'<main id="main" tabindex="-1"><p class="about">{_w("about", reader)}</p>{problem}{body}</main></body></html>'
    )
