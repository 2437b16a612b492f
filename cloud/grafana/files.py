"""Telemetry store → Grafana: the files that Grafana reads when it starts: a data source, its dashboards, where they lie (pure).

===================================== =========================================================================
``datasources/plantroom.yaml``        the server of history, read only, by the secret that Grafana is given
``dashboards/plantroom.yaml``         one folder of dashboards a language
``plantroom/LANGUAGE/ID.json``        the dashboards
===================================== =========================================================================

No secret is written: Grafana reads it from a file or from the variable ``PLANTROOM_TELEMETRY_SECRET`` when it starts.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Final

import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from cloud.grafana.boards import Boards, Settings, Tongue
from cloud.grafana.panels import SOURCE_UID, TYPES
from cloud.telemetry.address import Address
from device_profiles.library import Library

SECRET: Final = "PLANTROOM_TELEMETRY_SECRET"  # noqa: S105  the name of a variable
_FOLDERS: Final[dict[Tongue, str]] = {"en": "Plantroom", "zh": "Plantroom 中文"}
_QUERY: Final = "/query"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the files are made for. ``folder`` is where Grafana finds them, ``secret_file`` where it reads the server's secret."""

    address: Address
    folder: PurePath
    tongues: Sequence[Tongue]
    plantroom: str
    secret_file: str = ""


def files(library: Library, wanted: Wanted) -> Iterator[tuple[str, str]]:
    """Path below the folder → text, the same for the same library."""
    yield "datasources/plantroom.yaml", _yaml({"apiVersion": 1, "datasources": [_source(wanted)]})
    yield (
        "dashboards/plantroom.yaml",
        _yaml({"apiVersion": 1, "providers": [_provider(wanted, one) for one in wanted.tongues]}),
    )
    for tongue in wanted.tongues:
        for made in Boards(library, Settings(wanted.address.kind, tongue, wanted.plantroom)).all():
            body = _tidy(json.loads(json.dumps(made, cls=JSONEncoder)))
            name = body["uid"].removeprefix("plantroom-").removesuffix(f"-{tongue}")
            yield f"plantroom/{tongue}/{name}.json", json.dumps(body, ensure_ascii=False, indent=1) + "\n"


def _tidy(body: dict[str, Any]) -> dict[str, Any]:
    """Numbers its panels, and takes out what the builder says of every variable though it is true of intervals alone."""
    for number, panel in enumerate(body["panels"], 1):
        panel["id"] = number
    for variable in body["templating"]["list"]:
        for name in ("auto", "auto_min", "auto_count"):
            del variable[name]
    return body


def _source(wanted: Wanted) -> dict[str, Any]:
    address = wanted.address
    made: dict[str, Any] = {
        "name": "Plantroom", "uid": SOURCE_UID, "type": TYPES[address.kind], "access": "proxy", "isDefault": True, "editable": False,
        "url": address.ask.removesuffix(_QUERY), "jsonData": _options(address), "secureJsonData": {},
    }  # fmt: skip
    secret = f"$__file{{{wanted.secret_file}}}" if wanted.secret_file else f"${SECRET}"
    scheme, _, told = address.authorization.partition(" ")
    if scheme == "Basic":
        made |= {"basicAuth": True, "basicAuthUser": base64.b64decode(told).decode().partition(":")[0]}
        made["secureJsonData"]["basicAuthPassword"] = secret
    elif scheme:
        made["jsonData"]["httpHeaderName1"] = "Authorization"
        made["secureJsonData"]["httpHeaderValue1"] = f"{scheme} {secret}"
    if address.ca:
        made["jsonData"]["tlsAuthWithCACert"] = True
        made["secureJsonData"]["tlsCACert"] = f"$__file{{{address.ca}}}"
    return made


def _options(address: Address) -> dict[str, Any]:
    if address.kind == "influxdb":
        return {"version": "InfluxQL", "dbName": address.bucket, "httpMode": "GET", "timeInterval": "10s"}
    return {"httpMethod": "POST", "prometheusType": "Prometheus", "timeInterval": "10s"}


def _provider(wanted: Wanted, tongue: Tongue) -> dict[str, Any]:
    return {
        "name": f"plantroom-{tongue}", "orgId": 1, "folder": _FOLDERS[tongue], "folderUid": f"plantroom-{tongue}", "type": "file",
        "allowUiUpdates": False, "options": {"path": str(wanted.folder / "plantroom" / tongue)},
    }  # fmt: skip


def _yaml(body: dict[str, Any]) -> str:
    return yaml.safe_dump(body, allow_unicode=True, sort_keys=False)
