"""Before telemetry: one ``TELEMETRY_URL`` says which server keeps history, and how it is spoken to (pure).

=============================================== =====================================================================
``influxdb://TOKEN@HOST:8086/ORG/BUCKET``        InfluxDB 2.x, and 3 Core behind its 2.x write path
``influxdb://USER:PASSWORD@HOST:8086/DATABASE``  InfluxDB 1.x; user and password may be left out
``victoriametrics://HOST:8428``                  VictoriaMetrics, single node
``victoriametrics://INSERT:8480/TENANT?select=SELECT:8481`` VictoriaMetrics cluster; without ``select`` one proxy serves both
=============================================== =====================================================================

``+https`` behind the scheme (``influxdb+https://``) is TLS; ``?ca=FILE`` names the certificate authority of a private server.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

_PORTS = {"influxdb": 8086, "victoriametrics": 8428}
_CLUSTER_PORT = 8480
_OPTIONS = {"influxdb": {"ca"}, "victoriametrics": {"ca", "select"}}
WRITTEN_AS = (
    "write influxdb://TOKEN@HOST:8086/ORG/BUCKET, influxdb://USER:PASSWORD@HOST:8086/DATABASE for 1.x, "
    "victoriametrics://HOST:8428, or victoriametrics://INSERT:8480/TENANT?select=SELECT:8481 for a cluster"
)


@dataclass(frozen=True, slots=True)
class Address:
    """A server: where it is written, where it is asked, who asks. ``org`` is empty for InfluxDB 1.x."""

    kind: Literal["influxdb", "victoriametrics"]
    write: str
    ask: str
    delete: str
    flush: str = ""
    parameters: Mapping[str, str] | None = None
    """Of every write."""
    org: str = ""
    bucket: str = ""
    authorization: str = ""
    ca: str = ""

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": self.authorization} if self.authorization else {}


def parse_address(url: str) -> Address:
    """See the head of this file. Raises ValueError with what to write instead."""
    try:
        parts = urlsplit(url)
        kind, _, transport = parts.scheme.partition("+")
        options = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        is_known = kind in _PORTS and transport in ("", "http", "https") and parts.hostname
        if not is_known or parts.fragment or set(options) - _OPTIONS[kind]:
            raise ValueError(WRITTEN_AS)
        return (_influx if kind == "influxdb" else _victoria)(parts, transport or "http", options)
    except ValueError as error:
        raise ValueError(WRITTEN_AS) from error


def _influx(parts: SplitResult, transport: str, options: Mapping[str, str]) -> Address:
    names = [unquote(name) for name in parts.path.split("/") if name]
    if len(names) not in (1, 2):
        raise ValueError(WRITTEN_AS)
    base = f"{transport}://{_host(parts)}:{parts.port or _PORTS['influxdb']}"
    org, bucket = ("", *names)[-2:]
    write, parameters = f"{base}/write", {"db": bucket, "precision": "ms"}
    if org:
        write, parameters = f"{base}/api/v2/write", {"org": org, "bucket": bucket, "precision": "ms"}
    return Address(
        "influxdb", write, f"{base}/query", f"{base}/api/v2/delete" if org else f"{base}/query", parameters=parameters,
        org=org, bucket=bucket, authorization=_authorization(parts, "Token"), ca=options.get("ca", ""),
    )  # fmt: skip


def _victoria(parts: SplitResult, transport: str, options: Mapping[str, str]) -> Address:
    tenant = parts.path.strip("/")
    who = {"authorization": _authorization(parts, "Bearer"), "ca": options.get("ca", "")}
    if not tenant:
        if "select" in options:
            raise ValueError(WRITTEN_AS)
        base = f"{transport}://{_host(parts)}:{parts.port or _PORTS['victoriametrics']}"
        return Address("victoriametrics", f"{base}/write", base, f"{base}/api/v1/admin/tsdb/delete_series",
                       f"{base}/internal/force_merge", {"precision": "ms"}, **who)  # fmt: skip
    if not all(part.isdigit() for part in tenant.split(":")) or tenant.count(":") > 1:
        raise ValueError(WRITTEN_AS)
    insert = f"{transport}://{_host(parts)}:{parts.port or _CLUSTER_PORT}"
    select = f"{transport}://{options['select']}" if options.get("select") else insert
    return Address(
        "victoriametrics", f"{insert}/insert/{tenant}/influx/write", f"{select}/select/{tenant}/prometheus",
        f"{select}/delete/{tenant}/prometheus/api/v1/admin/tsdb/delete_series", "", {"precision": "ms"}, **who,
    )  # fmt: skip


def _host(parts: SplitResult) -> str:
    name = parts.hostname or ""
    return f"[{name}]" if ":" in name else name


def _authorization(parts: SplitResult, scheme: str) -> str:
    """A name alone is a token; a name with a password is both."""
    name, password = unquote(parts.username or ""), unquote(parts.password or "")
    if password:
        return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()
    return f"{scheme} {name}" if name else ""
