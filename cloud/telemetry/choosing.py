"""Before telemetry: the configuration says which store keeps history."""

from __future__ import annotations

from urllib.parse import urlsplit

from cloud.clock import Clock
from cloud.config import Config
from cloud.errors import Misconfigured
from cloud.telemetry.embedded import EmbeddedStore
from cloud.telemetry.influx import InfluxStore
from cloud.telemetry.store import Store
from cloud.telemetry.victoria import VictoriaStore
from device_profiles.reading import Finding


def choose_store(config: Config, clock: Clock) -> Store:
    """The store behind ``telemetry_url``; without one, the file beside the database. Raises Misconfigured."""
    url = config.telemetry_url
    if not url:
        return EmbeddedStore(config.telemetry_path)
    try:
        if urlsplit(url).scheme.startswith("victoriametrics"):
            return VictoriaStore(url, clock)
        return InfluxStore(url, config.longest_history_ms)
    except ValueError as error:
        remedy = "Leave telemetry_url out to use the embedded store"
        raise Misconfigured([Finding("", 0, "telemetry_url", str(error), remedy)]) from error
