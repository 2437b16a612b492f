"""``plantroom-edge import``: the point table that integrators exchange → a site file and library entries."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from device_profiles import library as shelf
from device_profiles.library import Finding
from device_profiles.schema import check_identifier
from edge.cli_bus import wrong
from edge.cli_scan import Bar
from edge.cli_speech import Json, fail, put_json, speaking
from edge.commission.importing import Imported, import_rows
from edge.commission.sheet import read_table
from edge.commission.template import write_template
from edge.config import load_site
from edge.plans import plan_site

MODELS = "devices"
"""The site's own library folder beside the site file."""


def import_(  # noqa: PLR0917 - options, each by its name
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="The point table, .xlsx or .csv.")],
    out: Annotated[Path, typer.Option(help="Folder to write site.yaml and the models into.")] = Path("site"),
    site_id: Annotated[str, typer.Option("--site", help="Id of the site.")] = "site",
    name: Annotated[str, typer.Option(help="Name of the site.")] = "",
    zone: Annotated[str, typer.Option(help="Its time zone.")] = "Asia/Shanghai",
    gateway: Annotated[str, typer.Option(help="Id of the gateway.")] = "gw_1",
    template: Annotated[
        bool, typer.Option("--template", help="Write an example table instead, to be filled in.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Write over what is in the folder.")] = False,
    as_json: Json = False,
) -> None:
    """Turn a point table into a site file and library entries, or list every mistake with its sheet and row."""
    with speaking():
        if template:
            _write_template(table, replace=replace)
            return
        if (out / "site.yaml").exists() and not replace:
            raise wrong(f"{out / 'site.yaml'} exists already", "Name another --out folder, or say --replace")
        for option, word in (("--site", site_id), ("--gateway", gateway)):
            _check_id(option, word)
        bar = Bar()
        bar.tell(0, 3, f"reading {table.name}")
        rows = read_table(table)
        bar.tell(1, 3, f"checking {len(rows)} rows")
        made, findings = import_rows(rows, shelf.load())
        if findings:
            bar.end()
            fail(findings)
        bar.tell(2, 3, "writing")
        head = {"id": site_id, "name": name or site_id, "zone": zone}
        site = _write(made, out, head, gateway)
        plan_site(load_site(site))
        bar.tell(3, 3, f"{len(rows)} rows taken")
        bar.end()
    told = {
        "site_file": str(site), "equipment": len(made.equipment), "devices": len(made.devices),
        "buses": len(made.buses), "points": made.points, "models": sorted(made.models),
    }  # fmt: skip
    if as_json:
        put_json(told)
        return
    typer.echo(f"{site}: {told['equipment']} equipment, {told['devices']} devices, {told['points']} points, it can run")
    for model in sorted(made.models):
        typer.echo(f"  model of its own: {model} (status unverified until somebody compares it with the display)")


def _check_id(option: str, word: str) -> None:
    try:
        check_identifier(word)
    except ValueError as error:
        raise wrong(f"{option}: {error}", "") from None


def _write_template(path: Path, *, replace: bool) -> None:
    if path.exists() and not replace:
        raise wrong(f"{path} exists already", "Name another file, or say --replace")
    if path.suffix.lower() not in (".xlsx", ".csv"):
        raise wrong(f"{path} is no table", "Name a file that ends in .xlsx or .csv")
    try:
        write_template(path)
    except OSError as error:
        fail([Finding(str(path), 0, "", f"cannot be written: {error.strerror}", "Name another file")])
    typer.echo(f"{path} is written: replace its rows with your own, then plantroom-edge import {path}", err=True)


def _write(made: Imported, out: Path, head: Mapping[str, Any], gateway: str) -> Path:
    site = out / "site.yaml"
    try:
        for model_id, model in made.models.items():
            folder = out / MODELS / "models" / model["equipment_class"]
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{model_id}.yaml").write_text(model_text(model), encoding="utf-8")
        out.mkdir(parents=True, exist_ok=True)
        site.write_text(site_text(made, head, gateway), encoding="utf-8")
    except OSError as error:
        fail([Finding(str(out), 0, "", f"cannot be written: {error.strerror}", "Name another --out folder")])
    return site


def _flow(value: object) -> str:
    """One value on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, sort_keys=False, width=10**6)
    return text.removesuffix("\n").removesuffix("\n...")


def site_text(made: Imported, head: Mapping[str, Any], gateway: str) -> str:
    """The site file, one line a thing."""
    lines = [f"site: {_flow(dict(head))}", f"gateway: {{id: {gateway}}}  # add cloud: https://… to deliver"]
    lines += [f"library: {MODELS}"] if made.models else []
    for section, rows in (("equipment", made.equipment), ("buses", made.buses), ("devices", made.devices)):
        lines += [f"{section}:", *(f"  - {_flow(row)}" for row in rows)]
    return "\n".join(lines) + "\n"


def model_text(model: Mapping[str, Any]) -> str:
    """A model file, one line a register."""
    lines = [f"{key}: {_flow(value)}" for key, value in model.items() if key != "registers"]
    registers = [f"  {name}: {_flow(mapping)}" for name, mapping in model["registers"].items()]
    return "\n".join([*lines, "registers:", *registers]) + "\n"
