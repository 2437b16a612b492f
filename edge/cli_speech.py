"""How the commands speak: one message per mistake, the right exit code, never a traceback."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from contract.conventions import Exit, json_line
from device_profiles.library import Finding, LibraryError
from edge.errors import Misconfigured, Rejected, Transient

SiteArgument = Annotated[Path, typer.Argument(metavar="SITE", help="The site file, such as site.yaml.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@contextmanager
def speaking(*, as_json: bool = False) -> Iterator[None]:
    """Turn every foreseen failure into messages and an exit code; with ``as_json`` the findings are one object, too."""
    try:
        yield
    except (Misconfigured, LibraryError) as error:
        if as_json:
            put_json({"errors": [asdict(finding) for finding in error.findings]})
        fail(error.findings)
    except (Transient, Rejected) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(Exit.FINDING) from None
    except KeyboardInterrupt:
        raise typer.Exit(Exit.INTERRUPTED) from None


def fail(findings: Iterable[Finding]) -> NoReturn:
    """Print findings and leave as misconfigured."""
    for finding in findings:
        typer.echo(str(finding), err=True)
    raise typer.Exit(Exit.MISCONFIGURED) from None


def put_json(row: object) -> None:
    """One object on one line of standard output, in UTF-8 whatever the terminal's own encoding."""
    text = json_line(row)
    typer.echo(text.encode("utf-8", "backslashreplace"))
