"""``plantroom-edge rules``: why a rule stands where it stands, and what recorded samples would have raised."""

from __future__ import annotations

import typer

rules = typer.Typer(no_args_is_help=True, help="Explain a rule, or run recorded samples through the rules.")
