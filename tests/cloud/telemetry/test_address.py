"""One address says which server keeps history, and how it is spoken to."""

import base64

import pytest

from cloud.telemetry.address import parse_address

BASIC = "Basic " + base64.b64encode(b"u:p").decode()


@pytest.mark.parametrize(
    ("url", "write", "ask", "names", "header"),
    [
        ("influxdb://tok@influxdb:8086/plantroom/history", "http://influxdb:8086/api/v2/write", "http://influxdb:8086/query", ("plantroom", "history"), "Token tok"),
        ("influxdb+https://t%2Fk@db.example/org/b", "https://db.example:8086/api/v2/write", "https://db.example:8086/query", ("org", "b"), "Token t/k"),
        ("influxdb://u:p@127.0.0.1:9000/history", "http://127.0.0.1:9000/write", "http://127.0.0.1:9000/query", ("", "history"), BASIC),
        ("influxdb://[::1]/history", "http://[::1]:8086/write", "http://[::1]:8086/query", ("", "history"), None),
    ],
)  # fmt: skip
def test_an_influxdb_is_known_by_its_organisation_and_bucket_or_its_database(
    url: str, write: str, ask: str, names: tuple[str, str], header: str | None
) -> None:
    address = parse_address(url)
    assert (address.write, address.ask, (address.org, address.bucket)) == (write, ask, names)
    assert address.headers.get("Authorization") == header


@pytest.mark.parametrize(
    ("url", "write", "ask", "delete", "header"),
    [
        ("victoriametrics://vm", "http://vm:8428/write", "http://vm:8428", "http://vm:8428/api/v1/admin/tsdb/delete_series", None),
        ("victoriametrics+https://tok@vm:443", "https://vm:443/write", "https://vm:443", "https://vm:443/api/v1/admin/tsdb/delete_series", "Bearer tok"),
        (
            "victoriametrics+http://u:p@insert/7:2?select=select:8481", "http://insert:8480/insert/7:2/influx/write",
            "http://select:8481/select/7:2/prometheus", "http://select:8481/delete/7:2/prometheus/api/v1/admin/tsdb/delete_series", BASIC,
        ),
        (
            "victoriametrics+https://proxy:8427/0", "https://proxy:8427/insert/0/influx/write",
            "https://proxy:8427/select/0/prometheus", "https://proxy:8427/delete/0/prometheus/api/v1/admin/tsdb/delete_series", None,
        ),
    ],
)  # fmt: skip
def test_a_victoriametrics_is_a_single_node_or_a_cluster_with_its_tenant(
    url: str, write: str, ask: str, delete: str, header: str | None
) -> None:
    address = parse_address(url)
    assert (address.write, address.ask, address.delete) == (write, ask, delete)
    assert address.headers.get("Authorization") == header


@pytest.mark.parametrize(
    "url",
    [
        "http://x/db", "influxdb://host", "influxdb:///db", "influxdb://h/a/b/c", "nonsense", "influxdb://h:port/db",
        "influxdb+ftp://h/db", "influxdb://h/db?selct=1", "victoriametrics://", "victoriametrics://h/name",
        "victoriametrics://h?select=h2", "victoriametrics://h/1:2:3",
    ],
)  # fmt: skip
def test_a_wrong_address_says_what_to_write(url: str) -> None:
    with pytest.raises(ValueError, match=r"influxdb://TOKEN@HOST.*victoriametrics://HOST"):
        parse_address(url)
