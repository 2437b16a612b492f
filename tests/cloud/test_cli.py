"""``plantroom-cloud`` as a user meets it: one clear message and an exit code, never a traceback."""

import asyncio
import json
import resource
import socket
from pathlib import Path

import pytest

from cloud import cli
from cloud.storage import tables as t
from cloud.storage.session import Database, open_database
from contract.conventions import Exit
from tests.support.databases import database_url
from tests.support.desk import HOUR, START, announcement, desk, raised, rows


class Console:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self.monkeypatch, self.capsys, self.folder = monkeypatch, capsys, folder
        self.out = self.err = ""

    def use(self, url: str) -> None:
        self.monkeypatch.setenv("PLANTROOM_DATABASE_URL", url)

    def run(self, *words: str) -> int:
        self.monkeypatch.setattr("sys.argv", ["plantroom-cloud", *words, "--data", str(self.folder)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        self.out, self.err = self.capsys.readouterr()
        assert "Traceback" not in self.err
        return int(end.value.code or 0)


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Console:
    for name in ("PLANTROOM_DATABASE_URL", "PLANTROOM_TELEMETRY_URL", "PLANTROOM_DATA"):
        monkeypatch.delenv(name, raising=False)
    return Console(monkeypatch, capsys, tmp_path / "data")


def test_a_gateway_is_added_listed_and_revoked(console: Console) -> None:
    assert console.run("gateway", "add", "gw_1", "--site", "riverside", "--json") == Exit.DONE
    told = json.loads(console.out)
    assert (told["gateway"], told["site"], len(told["code"])) == ("gw_1", "riverside", 19)
    assert console.run("gateway", "add", "gw_1", "--site", "elsewhere") == Exit.FINDING
    assert "belongs to site riverside" in console.err
    assert console.run("gateway", "revoke", "gw_1") == Exit.DONE
    assert console.run("gateway", "list") == Exit.DONE
    assert console.out == "gw_1  site riverside  revoked  last heard never\n"
    assert console.run("gateway", "revoke", "gw_9") == Exit.FINDING
    assert "there is no gateway gw_9" in console.err


def test_an_id_that_is_none_is_refused_before_anything_is_written(console: Console) -> None:
    assert console.run("gateway", "add", "GW 1", "--site", "riverside") == Exit.MISCONFIGURED
    assert "use small letters, digits and _" in console.err
    assert not console.folder.exists()


def test_a_user_gets_the_password_from_a_file_and_none_by_default(console: Console, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("correct horse battery\n")
    secret = ("--password-file", str(tmp_path / "secret"))
    assert console.run("user", "add", "anna", "--role", "engineer", *secret, "--json") == Exit.DONE
    assert json.loads(console.out) == {"user": "anna", "role": "engineer"}
    assert console.run("user", "add", "anna", *secret) == Exit.FINDING
    assert "there is a user anna already. choose another name" in console.err
    assert console.run("user", "add", "ben", "--role", "boss", *secret) == Exit.MISCONFIGURED
    assert "boss" in console.err
    assert console.run("user", "add", "ben", "--password-file", str(tmp_path / "nowhere")) == Exit.MISCONFIGURED


def test_a_user_without_a_password_gets_a_one_time_sign_in(console: Console) -> None:
    assert console.run("user", "add", "anna", "--sign-in-code", "--json") == Exit.DONE
    assert len(json.loads(console.out)["code"]) > 30
    (user,) = asyncio.run(users(console.folder))
    assert user["password_hash"] is None


async def users(folder: Path) -> list[dict[str, object]]:
    database = open_database(f"sqlite:///{folder / 'cloud.db'}")
    found = await rows(database, t.app_user)
    await database.close()
    return found


def test_migrating_says_which_schema_there_is(console: Console) -> None:
    assert console.run("migrate", "--json") == Exit.DONE
    assert set(json.loads(console.out)) == {"revision"}


def test_the_sum_of_a_ticket_is_explained_in_the_sites_time(console: Console) -> None:
    async def prepare() -> None:
        console.folder.mkdir()
        async with desk(console.folder) as d:
            await (await d.gateway()).tell(announcement(), raised(START))
            await d.tick(3 * HOUR)
            async with d.database.write() as connection:
                await connection.exec_driver_sql(
                    "CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) NOT NULL)"
                )

    asyncio.run(prepare())
    console.use(asyncio.run(database_url(console.folder / "cloud.db")))
    console.monkeypatch.setattr("cloud.server.migrate", _no_migration)
    assert console.run("sla", "explain", "T-000001") == Exit.DONE
    assert console.out.startswith("T-000001, times of Asia/Shanghai\n\nresponse: breached, late by ")
    assert "target 2:00:00 (m-2.3.3-2h), due Sat 21 Nov 2026 17:00:00" in console.out
    assert console.run("sla", "explain", "T-000001", "--json") == Exit.DONE
    assert [clock["clock"] for clock in json.loads(console.out)["clocks"]] == ["response", "resolution"]
    assert console.run("sla", "explain", "T-000099") == Exit.FINDING
    assert console.run("sla", "explain", "99") == Exit.FINDING
    assert "such as T-000123" in console.err


async def _no_migration(_database: object) -> str:
    return "as made by the test"


def test_a_wrong_configuration_file_stops_the_start_with_every_finding(console: Console, tmp_path: Path) -> None:
    file = tmp_path / "cloud.yaml"
    file.write_text("prot: 1\nport: 99999\n")
    assert console.run("serve", "--config", str(file)) == Exit.MISCONFIGURED
    assert [line.removeprefix(f"{file}:").split(":")[0] for line in console.err.splitlines()] == ["1", "2"]
    assert console.run("serve", "--config", str(tmp_path / "nowhere.yaml")) == Exit.MISCONFIGURED
    assert "there is no such file" in console.err


def test_a_data_folder_that_cannot_be_is_one_message(console: Console, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    console.folder = tmp_path / "file" / "data"
    assert console.run("migrate") == Exit.MISCONFIGURED
    assert "Choose another folder" in console.err


def test_a_file_that_is_no_database_is_one_message(console: Console) -> None:
    console.folder.mkdir()
    (console.folder / "cloud.db").write_text("this is no database, it is a poem of more than a hundred bytes " * 4)
    assert console.run("migrate") == Exit.MISCONFIGURED
    assert "file is not a database. stop the cloud and put a backup in its place" in console.err


def test_a_database_that_does_not_answer_now_is_one_message_and_may_be_tried_again(console: Console) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    console.use(f"postgresql://plantroom:secret@127.0.0.1:{port}/plantroom")
    assert console.run("serve", "--port", "0") == Exit.FINDING
    (line,) = console.err.splitlines()
    assert "Look whether its server runs" in line
    assert "secret" not in line


def test_a_full_disk_is_one_message_and_may_be_tried_again(console: Console) -> None:
    assert console.run("migrate") == Exit.DONE
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        for command in (["serve", "--port", "0"], ["gateway", "add", "gw_1", "--site", "riverside"]):
            assert console.run(*command) == Exit.FINDING
            (line,) = console.err.splitlines()
            assert "cloud.db cannot be used: disk I/O error. Look whether" in line
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


def test_a_port_in_use_is_one_message(console: Console) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert console.run("serve", "--port", str(port)) == Exit.MISCONFIGURED
    assert console.err == (
        f"port: port {port} on 127.0.0.1 cannot be used: Address already in use. "
        "Stop what uses it, or choose another with --port (0 takes a free one)\n"
    )


def test_a_word_that_is_no_command_is_the_users_mistake(console: Console) -> None:
    assert console.run("sreve") == Exit.MISCONFIGURED


def test_a_known_gateway_gets_a_code_for_a_new_credential(console: Console) -> None:
    console.run("gateway", "add", "gw_1", "--site", "riverside")
    assert console.run("gateway", "rotate", "gw_1", "--json") == Exit.DONE
    assert len(json.loads(console.out)["code"]) == 19
    assert console.run("gateway", "rotate", "gw_9") == Exit.FINDING
    console.run("gateway", "revoke", "gw_1")
    assert console.run("gateway", "rotate", "gw_1") == Exit.FINDING
    assert "plantroom-cloud gateway add gw_1 --site riverside" in console.err


def test_what_was_set_aside_is_listed_and_tried_again_once_it_is_mended(console: Console) -> None:
    async def prepare() -> None:
        console.folder.mkdir()
        async with desk(console.folder) as d:
            gateway = await d.gateway()
            await gateway.tell(announcement(), b'{"type":"LiftMood"}', raised(START, equipment="feeder_9"))
            await mend(d.database)

    async def mend(database: Database) -> None:
        async with database.write() as connection:
            await connection.exec_driver_sql(
                "CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) NOT NULL)"
            )
            wrong = {"gateway_id": "gw_1", "epoch": 3, "lane": "events", "seq": 7, "received_at": START}
            status = b'{"type":"GatewayStatus","at":"2026-11-21T07:00:00.000Z","version":"9","outbox_events":0,"outbox_samples":0}'
            await connection.execute(
                t.quarantine.insert().values(**wrong, reason="was not understood then", body=status)
            )

    asyncio.run(prepare())
    console.use(asyncio.run(database_url(console.folder / "cloud.db")))
    console.monkeypatch.setattr("cloud.server.migrate", _no_migration)
    assert console.run("quarantine", "list", "--json") == Exit.DONE
    told = [json.loads(line) for line in console.out.splitlines()]
    assert [(row["gateway"], row["seq"], row["lane"]) for row in told] == [("gw_1", 7, "events"), ("gw_1", 2, "events")]
    assert console.run("quarantine", "list", "--gateway", "gw_2") == Exit.DONE
    assert console.out == ""
    assert console.run("quarantine", "replay", "1", "2") == Exit.FINDING
    assert [line.split("  ")[1][:7] for line in console.out.splitlines()] == ["Invalid", "applied"]
    assert console.run("quarantine", "replay", "2") == Exit.FINDING
    assert "there is no quarantined record 2" in console.err
