"""What is InfluxDB's own: refused samples, credentials, TLS, retention, and the newer write interface."""

import asyncio
import contextlib
import gzip
import json
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cloud.errors import Refused
from cloud.telemetry.influx import InfluxStore
from cloud.telemetry.store import Away, Row, Sample
from simulators.broker import free_port
from tests.support.servers import influxdb, running, victoria_metrics
from tests.support.system_packages import require

START = 1_795_000_000_000


async def until_it_answers(address: str, verify: ssl.SSLContext | bool = True) -> None:
    async with httpx.AsyncClient(trust_env=False, verify=verify) as client, asyncio.timeout(20):
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if (await client.get(address)).is_success:
                    return
            await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with influxdb(tmp_path_factory.mktemp("influx")) as address:
        asyncio.run(until_it_answers(address.replace("influxdb", "http") + "/ping"))
        yield address


def flow(number: int, value: float | None = None) -> Row:
    return Row(
        "demo", "pump_1", "flow", Sample(START + number, float(number) if value is None else value, "good", "none")
    )


async def test_a_sample_the_server_refuses_is_parked_and_all_others_are_kept(influxd: str) -> None:
    store = InfluxStore(f"{influxd}/conflicts")
    await store.open()
    async with httpx.AsyncClient(trust_env=False) as client:  # somebody else's text where our number belongs
        line = f'sample,equipment=pump_1,point=odd,site=demo value="text" {START}'
        url = influxd.replace("influxdb", "http") + "/write"
        assert (await client.post(url, params={"db": "conflicts", "precision": "ms"}, content=line)).is_success
    odd = [Row("demo", "pump_1", "odd", Sample(START + n, 1.0, "good", "none")) for n in (2, 3)]
    good = [Row("demo", "pump_1", "state", Sample(START + n, "auto", "good", "none")) for n in range(300)]
    parked = await store.write([*good[:100], odd[0], *good[100:250], odd[1], *good[250:]])
    assert [one.row for one in parked] == odd
    assert all("field type conflict" in one.reason for one in parked)
    assert len(await store.samples("demo", "pump_1", "state", START, START + 1000, 1000)) == 300
    health = await store.health()
    assert (health.is_ok, health.detail) == (True, "2 samples refused")
    await store.close()


async def test_what_is_older_than_the_retention_is_forgotten_and_holds_up_nothing(influxd: str) -> None:
    store = InfluxStore(f"{influxd}/short", history_ms=36 * 3_600_000)
    await store.open()
    old = [Row("demo", "pump_1", "flow", Sample(1_000_000_000_000 + n, 1.0, "good", "none")) for n in range(3)]
    assert not await store.write(old)
    assert "older than its retention" in (await store.health()).detail
    async with httpx.AsyncClient(trust_env=False) as client:
        query = {"q": 'SHOW RETENTION POLICIES ON "short"'}
        answer = (await client.get(influxd.replace("influxdb", "http") + "/query", params=query)).json()
    assert answer["results"][0]["series"][0]["values"][0][:2] == ["autogen", "36h0m0s"]
    await store.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that signs itself, with its key in one file."""
    folder = tmp_path_factory.mktemp("tls")
    command = [
        require("openssl"),
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=127.0.0.1",
    ]
    command += [
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        str(folder / "key.pem"),
        "-out",
        str(folder / "ca.pem"),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "ca.pem"


async def test_a_private_server_is_trusted_by_its_own_authority_and_no_other(tmp_path: Path, certificate: Path) -> None:
    key = certificate.with_name("key.pem")
    tls = f'https-enabled = true\nhttps-certificate = "{certificate}"\nhttps-private-key = "{key}"'
    with influxdb(tmp_path / "influx", tls) as plain:
        address = plain.replace("influxdb", "influxdb+https")
        context = ssl.create_default_context(cafile=certificate)
        await until_it_answers(plain.replace("influxdb", "https") + "/ping", context)
        store = InfluxStore(f"{address}/history?ca={certificate}")
        await store.open()
        assert not await store.write([flow(1)])
        assert (await store.latest("demo", "pump_1"))["flow"].value == 1.0
        await store.close()
        stranger = InfluxStore(f"{address}/history")
        with pytest.raises(Away, match="CERTIFICATE_VERIFY_FAILED"):
            await stranger.write([flow(1)])
        await stranger.close()


def test_an_authority_that_cannot_be_read_is_named() -> None:
    with pytest.raises(ValueError, match=r"nowhere\.pem"):
        InfluxStore("influxdb+https://h/db?ca=nowhere.pem")


async def test_a_second_server_takes_the_lines_of_the_newer_interface(tmp_path: Path) -> None:
    port = free_port()
    program = require("victoria-metrics")
    command = [program, f"-httpListenAddr=127.0.0.1:{port}", f"-storageDataPath={tmp_path}", "-retentionPeriod=100y"]
    with running(command, port):
        await until_it_answers(f"http://127.0.0.1:{port}/health")
        store = InfluxStore(f"influxdb://token@127.0.0.1:{port}/plantroom/history")
        assert not await store.write(
            [Row("demo", "pump_1", "on", Sample(START + n, n % 3 == 0, "good", "none")) for n in range(9)]
        )
        await store.close()
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.get(f"http://127.0.0.1:{port}/internal/force_flush")
            query = {"match[]": 'sample_value{point="on"}'}
            export = await client.get(f"http://127.0.0.1:{port}/api/v1/export", params=query)
        assert export.json()["values"] == [1, 0, 0, 1, 0, 0, 1, 0, 0]


def fake(*answers: httpx.Response | Exception) -> tuple[InfluxStore, list[httpx.Request]]:
    """A server of the newer interface that gives these answers in turn."""
    left, asked = list(answers), list[httpx.Request]()

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        given = left.pop(0)
        if isinstance(given, Exception):
            raise given
        return given

    url = "influxdb://secret@history.example/plantroom/history"
    return InfluxStore(url, transport=httpx.MockTransport(answer)), asked


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.Response(401), httpx.Response(404),
        httpx.Response(429), httpx.Response(500), httpx.Response(503),
    ],
)  # fmt: skip
async def test_a_server_that_cannot_take_samples_now_is_away_and_nothing_is_parked(
    trouble: httpx.Response | Exception,
) -> None:
    store, asked = fake(trouble, httpx.Response(204))
    with pytest.raises(Away):
        await store.write([flow(n) for n in range(3)])
    assert not await store.write([flow(n) for n in range(3)])
    assert asked[0].content == asked[1].content
    assert asked[0].headers["Authorization"] == "Token secret"
    assert dict(asked[0].url.params) == {"org": "plantroom", "bucket": "history", "precision": "ms"}
    assert gzip.decompress(asked[0].content).decode().count("\n") == 2


async def test_a_batch_that_is_too_large_is_sent_in_halves() -> None:
    store, asked = fake(httpx.Response(413), httpx.Response(204), httpx.Response(204))
    assert not await store.write([flow(n) for n in range(4)])
    assert [gzip.decompress(one.content).decode().count("\n") + 1 for one in asked] == [4, 2, 2]


async def test_a_question_to_a_server_that_is_away_is_refused_and_not_answered_with_nothing() -> None:
    store, _ = fake(httpx.ConnectError("refused"), httpx.Response(500), httpx.Response(200, text="<html>"))
    for _ in range(3):
        with pytest.raises(Refused) as refused:
            await store.latest("demo", "pump_1")
        assert (refused.value.status, refused.value.code) == (503, "history_unavailable")


async def test_a_newer_server_is_told_what_to_forget_and_one_that_knows_no_deletion_is_left_alone() -> None:
    store, asked = fake(httpx.Response(204), httpx.Response(404))
    await store.delete_before(START, [("demo", 'pump "1"', "flow")])
    await store.delete_before(START)
    assert (asked[0].url.path, asked[0].url.params["bucket"]) == ("/api/v2/delete", "history")
    told = json.loads(asked[0].content)
    assert told["stop"] == "2026-11-18T11:06:40.000Z"
    assert told["predicate"] == '_measurement="sample" AND site="demo" AND equipment="pump \\"1\\"" AND point="flow"'


async def test_an_older_server_that_refuses_a_deletion_says_so(influxd: str) -> None:
    store = InfluxStore(f"{influxd}/never_made")
    with pytest.raises(Refused, match="history store"):
        await store.delete_before(START)
    await store.close()


async def test_what_is_written_by_the_newer_interface_is_there_on_a_real_server_that_speaks_it(tmp_path: Path) -> None:
    """VictoriaMetrics takes InfluxDB 2's write call, compressed and with its token, and tells its samples one by one."""
    with victoria_metrics(tmp_path) as address:
        server = address.removeprefix("victoriametrics://")
        await until_it_answers(f"http://{server}/ping")
        store = InfluxStore(f"influxdb://secret@{server}/plantroom/history")
        assert not await store.write([flow(number, 20.5 + number) for number in range(3)])
        await store.close()
        async with httpx.AsyncClient(trust_env=False) as client:
            (await client.get(f"http://{server}/internal/force_flush")).raise_for_status()
            told = await client.get(f"http://{server}/api/v1/export", params={"match[]": '{point="flow"}'})
    found = [json.loads(line) for line in told.text.splitlines()]
    kept = [dict(zip(one["timestamps"], one["values"], strict=True)) for one in found]
    assert {START: 20.5, START + 1: 21.5, START + 2: 22.5} in kept
    assert {(one["metric"]["site"], one["metric"]["equipment"]) for one in found} == {("demo", "pump_1")}
