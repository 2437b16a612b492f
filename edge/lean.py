"""Imported before everything else by the command line: a gateway runs for weeks, and what it never shows is never loaded.

Does something for ``plantroom-edge run`` only; the other commands live for seconds.
"""

from __future__ import annotations

import os
import sys

from edge.memory import spare


def keep_rich_out() -> None:
    """structlog, httpx and typer load ``rich`` where they find it: 8 MB for coloured tracebacks that a gateway never shows."""
    os.environ["TYPER_USE_RICH"] = "0"
    if "rich" not in sys.modules:
        sys.modules["rich"] = None  # type: ignore[assignment] # Python's own way to say that there is none


IS_GATEWAY = sys.argv[1:2] == ["run"]

if IS_GATEWAY:
    spare()
    keep_rich_out()
