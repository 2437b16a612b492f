"""``plantroom-sim``: the demo, sites and scenarios against simulated devices, and a hand on running plant.

Only the module of the command that was asked for is loaded: half of them bring the whole product with them.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping

import typer

from contract.conventions import Exit

COMMANDS: Mapping[str, str] = {
    "demo": "cli_demo", "site": "cli_site", "run": "cli_run", "scenarios": "cli_run", "explore": "cli_explore",
    "plant": "cli_plant", "inject": "cli_hand", "clear": "cli_hand", "faults": "cli_hand", "record": "cli_record",
    "replay": "cli_record", "broker": "cli_broker",
}  # fmt: skip
"""Command to the module beside this one that has a function of its name, in the order of the help."""
_HIDDEN = ("broker",)


def main() -> None:
    """Entry point: every mistake of the user's ends in one message and an exit code, none in a traceback."""
    try:
        application(sys.argv[1] if len(sys.argv) > 1 else "")()
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)


def application(wanted: str = "") -> typer.Typer:
    """The commands: the wanted one alone, or all where it is none of them."""
    app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    app.callback()(_about)
    for name in [wanted] if wanted in COMMANDS else COMMANDS:
        function = getattr(importlib.import_module(f"simulators.{COMMANDS[name]}"), name)
        app.command(name, hidden=name in _HIDDEN)(function)
    return app


def _about() -> None:
    """Simulated plant: the demo, acceptance tests of site files, scenarios, exploration, and faults by hand."""
