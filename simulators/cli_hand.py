"""``plantroom-sim inject``, ``clear`` and ``faults``: a hand on a running plant, from the console."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import Annotated, Any, NoReturn

import typer

from contract.conventions import Exit, json_line
from device_profiles.schema import parse_duration_ms
from simulators.control import CONTROL_PORT, ControlError, command

Target = Annotated[
    str, typer.Argument(help="Equipment, a device, a sensor (DEVICE/POINT) or a bus of the running plant.")
]
Port = Annotated[int, typer.Option(help="Port of the plant's control, as it told.")]


def inject(
    target: Target,
    fault: Annotated[str, typer.Argument(help="A fault of its class; silent, slow …; stuck, drift …; cut.")],
    *,
    lasts: Annotated[str | None, typer.Option("--for", help="Put it right after so long: 10min, 1h.")] = None,
    onset: Annotated[str | None, typer.Option(help="Let it grow over so long instead of at once.")] = None,
    control: Port = CONTROL_PORT,
    is_clear: Annotated[bool, typer.Option("--clear", help="Repair it instead, as `clear` does.")] = False,
) -> None:
    """Cause a fault in a running simulated plant: of equipment, of a device, of a sensor, or a cut line."""
    if is_clear:
        clear(target, fault, control=control)
        return
    wish: dict[str, Any] = {"do": "inject", "target": target, "fault": fault}
    wish |= {"for_s": _seconds("--for", lasts)} if lasts else {}
    wish |= {"onset_s": _seconds("--onset", onset)} if onset else {}
    typer.echo(json_line({**wish, "at_ms": _ask(control, wish)["at_ms"]}))


def clear(
    target: Target,
    fault: Annotated[str, typer.Argument(help="What to repair; everything that is wrong with it without this.")] = "",
    *,
    control: Port = CONTROL_PORT,
) -> None:
    """Put right what is wrong with a target of a running simulated plant."""
    wish = {"do": "clear", "target": target, "fault": fault}
    typer.echo(json_line({**wish, "at_ms": _ask(control, wish)["at_ms"]}))


def faults(
    target: Annotated[str, typer.Argument(help="Only this equipment, device or bus.")] = "",
    *,
    control: Port = CONTROL_PORT,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """List what can go wrong in a running simulated plant, and what is wrong now (marked *)."""
    state = _ask(control, {"do": "state"})
    if as_json:
        sys.stdout.write(json_line({key: value for key, value in state.items() if key != "ok"}) + "\n")
        return
    lines = _lines(state, target)
    if not lines:
        _fail(
            f"this plant has no {target}; it has {', '.join([*state['equipment'], *state['devices'], *state['lines']])}"
        )
    for line in lines:
        typer.echo(line)


def _lines(state: Mapping[str, Any], target: str) -> list[str]:
    wrong: dict[str, list[str]] = {}
    for one in state["wrong"]:
        wrong.setdefault(one["target"], []).append(one["fault"])
    kinds = (("equipment", "equipment"), ("device", "devices"), ("line", "lines"))
    found = [
        f"{kind} {name}: " + ", ".join(f"{fault}{'*' if fault in wrong.get(name, ()) else ''}" for fault in known)
        for kind, section in kinds
        for name, known in state[section].items()
        if target in ("", name)
    ]
    sensors = [
        f"sensor {name}/POINT: {', '.join(state['lies'])}; POINT is one of {', '.join(points)}"
        for name, points in state["sensors"].items()
        if target == name
    ]
    lying = [f"sensor {name}: {', '.join(kinds)}*" for name, kinds in wrong.items() if "/" in name and not target]
    return [*found, *sensors, *lying]


def _seconds(option: str, text: str) -> float:
    try:
        return parse_duration_ms(text) / 1000
    except ValueError as error:
        _fail(f"{option}: {error}", Exit.MISCONFIGURED)


def _ask(port: int, wish: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return asyncio.run(command(port, wish))
    except ControlError as error:
        _fail(str(error))


def _fail(text: str, code: Exit = Exit.FINDING) -> NoReturn:
    typer.echo(f"plantroom-sim: {text}", err=True)
    raise typer.Exit(code)
