"""The demo from a command: set up, run, told; every mistake as a text with its exit code."""

from __future__ import annotations

import asyncio
import os
import sys

from contract.conventions import Exit
from simulators.demo import run_demo
from simulators.demo_lines import language_of
from simulators.demo_setup import DemoMisconfigured, Options, prepare
from simulators.demo_teller import Teller
from simulators.processes import ProcessFailed


class DemoFailed(Exception):
    """It could not start or could not go on. The text is for the user."""

    def __init__(self, text: str, code: Exit) -> None:
        super().__init__(text)
        self.code = code


def serve_demo(options: Options) -> Exit:
    """Run everything until its time is up or Ctrl-C. Raises DemoFailed."""
    try:
        setup = prepare(options)
    except DemoMisconfigured as error:
        raise DemoFailed(str(error), Exit.MISCONFIGURED) from error
    stream = sys.stderr if options.is_json else sys.stdout
    teller = Teller(setup.site, language_of(os.environ), stream, sys.stdout if options.is_json else None)
    try:
        return asyncio.run(run_demo(options, setup, teller))
    except ProcessFailed as error:
        raise DemoFailed(f"{error}\n  The logs are kept in {setup.logs}.", Exit.FINDING) from error
