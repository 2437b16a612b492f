"""``plantroom-cloud grafana``: data source and dashboards for Grafana, from the equipment classes."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import typer

from cloud.cli_shared import ConfigFile, Data, Json, settings_of, tell
from cloud.errors import Misconfigured
from device_profiles.reading import Finding

Folder = Annotated[Path, typer.Argument(help="Grafana's provisioning folder, for instance /etc/grafana/provisioning")]
_WHY = "Grafana reads a server, and history is in the embedded store"
_REMEDY = "set telemetry_url to InfluxDB or VictoriaMetrics (docs/history.md); plantroom-cloud history export and import move what is there"


def grafana(
    folder: Folder,
    language: Annotated[Literal["en", "zh", "both"], typer.Option(help="Of titles and names")] = "both",
    library: Annotated[
        list[Path] | None, typer.Option(help="Folder with classes of your own; as in the site file")
    ] = None,
    plantroom: Annotated[
        str, typer.Option(help="Address of the dashboard, for the ways back; default public_url")
    ] = "",
    secret_file: Annotated[
        str, typer.Option(help="File, as Grafana sees it, that holds the server's token or password")
    ] = "",
    data: Data = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Write Grafana's data source and a dashboard for every equipment class; again after each release or new class."""
    from cloud.grafana.boards import TONGUES
    from cloud.grafana.files import SECRET, Wanted, files
    from cloud.telemetry.address import parse_address
    from device_profiles.library import LibraryError, load

    _check_address(plantroom)
    settings = settings_of(data, config)
    if not settings.telemetry_url:
        raise Misconfigured([Finding("cloud.yaml", 0, "telemetry_url", _WHY, _REMEDY)])
    address = parse_address(settings.telemetry_url)
    home = (plantroom or settings.public_url or f"http://{settings.host}:{settings.port}").rstrip("/")
    try:
        shelf = load(library or [])
    except LibraryError as error:
        raise Misconfigured(error.findings) from error
    made = list(
        files(
            shelf, Wanted(address, folder.absolute(), TONGUES if language == "both" else [language], home, secret_file)
        )
    )
    try:
        _write(folder, made)
    except OSError as error:
        remedy = "Name a folder that this user may write, and look at its free space"
        raise Misconfigured([Finding(str(folder), 0, "", f"cannot be written: {error.strerror}", remedy)]) from error
    boards = sum(name.startswith("plantroom/") for name, _ in made)
    secret = (
        f" Give Grafana the server's token or password as {SECRET}."
        if address.authorization and not secret_file
        else ""
    )
    words = f"{boards} dashboards and a data source are in {folder}; Grafana reads them when it starts.{secret}"
    tell({"folder": str(folder), "dashboards": boards, "source": address.kind}, words, is_json=as_json)


def _check_address(text: str) -> None:
    parts = urlsplit(text)
    if text and not (parts.scheme in {"http", "https"} and parts.hostname):
        remedy = "Write it as a browser would: https://desk.example"
        raise Misconfigured([Finding("", 0, "--plantroom", f"{text!r} is no address of a page", remedy)])


def _write(folder: Path, made: Iterable[tuple[str, str]]) -> None:
    """Raises OSError."""
    shutil.rmtree(folder / "plantroom", ignore_errors=True)  # a class that is gone has no dashboard
    for name, text in made:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
