"""``plantroom-cloud history``: out into a file, back into a store, and every mistake with its line."""

import asyncio
import csv
import gzip
import io
import json
import random
import sys
from pathlib import Path

import pytest

from cloud import cli
from cloud.telemetry.embedded import EmbeddedStore
from cloud.telemetry.store import Row, Sample
from contract.conventions import Exit, instant_ms
from contract.messages import Value

START = instant_ms("2026-11-01T00:00:00.000Z")
HEADER = "site,equipment,point,at,kind,value,quality,cause\n"
LINE = "riverside,pump_1,flow,2026-11-01T00:00:00.000Z,number,{},good,none\n"


class Console:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self.monkeypatch, self.capsys, self.folder = monkeypatch, capsys, folder
        self.out = self.err = ""

    def run(self, *words: str, data: str = "data") -> int:
        self.monkeypatch.setattr("sys.argv", ["plantroom-cloud", "history", *words, "--data", str(self.folder / data)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        self.out, self.err = self.capsys.readouterr()
        assert "Traceback" not in self.err
        return int(end.value.code or 0)


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Console:
    for name in ("PLANTROOM_TELEMETRY_URL", "PLANTROOM_TELEMETRY_URL_FILE", "PLANTROOM_DATA"):
        monkeypatch.delenv(name, raising=False)
    return Console(monkeypatch, capsys, tmp_path)


def history() -> list[Row]:
    rng = random.Random(4)
    odd: list[tuple[Value, str, str]] = [
        (None, "bad", "no_response"), (9e9, "bad", "out_of_range"), (0.1 + 0.2, "uncertain", "stale"),
        (True, "good", "none"), (False, "good", "none"), ('hand, "2"\nnext', "good", "none"), ("", "good", "none"),
    ]  # fmt: skip
    rows = []
    for point in ("flow", "state"):
        for n in range(700):
            value, quality, cause = rng.choice(odd) if n % 9 == 0 else (round(rng.gauss(5, 1), 3), "good", "none")
            rows.append(
                Row(
                    "riverside", "pump_1", point, Sample(START + n * 30_000 + rng.randrange(999), value, quality, cause)
                )
            )
    return [*rows, Row("lakeside", "lift_1", "speed", Sample(START, 1.75, "good", "none"))]


async def fill(folder: Path, rows: list[Row]) -> None:
    folder.mkdir(exist_ok=True)
    store = EmbeddedStore(folder / "telemetry.db", is_inline=True)
    await store.open()
    await store.write(rows)
    await store.seal()
    await store.close()


async def contents(folder: Path) -> list[Row]:
    store = EmbeddedStore(folder / "telemetry.db", is_inline=True)
    await store.open()
    found = [
        Row(*one.key, sample) for one in await store.held() for sample in await store.samples(*one.key, 0, 2**62, 10**6)
    ]
    await store.close()
    return found


def in_order(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row.site, row.equipment, row.point, row.sample.at_ms))


@pytest.mark.parametrize("name", ["all.csv", "all.csv.gz", "all.parquet"])
def test_what_is_exported_and_imported_is_the_same_history(console: Console, tmp_path: Path, name: str) -> None:
    asyncio.run(fill(tmp_path / "data", history()))
    file = str(tmp_path / name)
    assert console.run("export", file, "--json") == Exit.DONE
    assert json.loads(console.out) == {"file": file, "samples": 1401, "points": 3}
    for _ in range(2):  # a second time changes nothing
        assert console.run("import", file, data="other") == Exit.DONE
        assert console.out == f"1401 samples of {file} are in history.\n"
    found = asyncio.run(contents(tmp_path / "other"))
    assert found == in_order(history())
    assert [type(row.sample.value) for row in found] == [type(row.sample.value) for row in in_order(history())]
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted(["data", "other", name])


def test_an_export_takes_only_what_was_asked_for(console: Console, tmp_path: Path) -> None:
    asyncio.run(fill(tmp_path / "data", history()))
    file = tmp_path / "some.csv"
    span = ("--from", "2026-11-01T01:00:00Z", "--to", "2026-11-01T02:00:00Z")
    assert console.run("export", str(file), "--site", "river*", "--point", "flow", *span) == Exit.DONE
    assert file.read_text().startswith(HEADER)
    with file.open(newline="") as text:
        lines = list(csv.DictReader(text))
    assert (len(lines), {line["point"] for line in lines}) == (120, {"flow"})
    assert (lines[0]["at"][:16], lines[-1]["at"][:16]) == ("2026-11-01T01:00", "2026-11-01T01:59")
    assert console.run("export", "-", "--equipment", "lift_1") == Exit.DONE
    assert console.out == HEADER + "lakeside,lift_1,speed,2026-11-01T00:00:00.000Z,number,1.75,good,none\n"
    assert console.run("export", str(tmp_path / "none.parquet"), "--site", "nowhere") == Exit.DONE
    assert console.run("import", str(tmp_path / "none.parquet"), data="other") == Exit.DONE
    assert "0 samples" in console.out


def test_standard_input_is_read_and_may_be_put_under_another_site(console: Console, tmp_path: Path) -> None:
    text = HEADER + LINE.format("2.5")
    console.monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert console.run("import", "-", "--site", "hillside") == Exit.DONE
    (row,) = asyncio.run(contents(tmp_path / "data"))
    assert (row.site, row.sample) == ("hillside", Sample(START, 2.5, "good", "none"))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("Pump 1,pump_1,flow,2026-11-01T00:00:00Z,number,1,good,none", "site: "),
        ("riverside,pump_1,flow,yesterday,number,1,good,none", "at: "),
        ("riverside,pump_1,flow,2026-11-01T00:00:00Z,number,12;5,good,none", "value: could not convert"),
        ("riverside,pump_1,flow,2026-11-01T00:00:00Z,number,nan,good,none", "no finite number"),
        ("riverside,pump_1,flow,2026-11-01T00:00:00Z,bit,yes,good,none", "is no bit: write 0 or 1"),
        ("riverside,pump_1,flow,2026-11-01T00:00:00Z,real,1,good,none", "kind 'real' is none of number, bit"),
        ("riverside,pump_1,flow,2026-11-01T00:00:00Z,number,1,fine,none", "'fine' is none of good, uncertain, bad"),
        ("riverside,pump_1", "point: "),
    ],
)
def test_a_line_that_is_wrong_is_named_and_nothing_of_its_file_is_taken(
    console: Console, tmp_path: Path, line: str, told: str
) -> None:
    file = tmp_path / "wrong.csv"
    file.write_text(HEADER + LINE.format(1) + line + "\n" + LINE.format(2))
    assert console.run("import", str(file)) == Exit.MISCONFIGURED
    assert f"{file}:3: " in console.err
    assert told in console.err
    assert not (tmp_path / "data").exists()


def test_of_many_mistakes_the_first_are_shown_and_all_are_counted(console: Console, tmp_path: Path) -> None:
    file = tmp_path / "wrong.csv"
    file.write_text(HEADER + "".join(LINE.format("x") for _ in range(50)))
    assert console.run("import", str(file)) == Exit.MISCONFIGURED
    assert console.err.count("could not convert") == 20
    assert "30 more mistakes" in console.err


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", b"when,what\n1,2\n", "a.csv:1: site,equipment,point,at,kind,value,quality,cause: is missing"),
        ("a.csv", b"", "is missing from the first line"),
        ("a.csv", HEADER.encode() + b"\xff\xfe\n", "cannot be read as CSV"),
        ("a.csv.gz", b"no gzip", "cannot be read as CSV"),
        ("a.csv.gz", gzip.compress(HEADER.encode() * 50, mtime=0)[:-20], "cannot be read as CSV"),
        ("a.parquet", b"PAR1 and nothing", "cannot be read as Parquet"),
        ("a.xlsx", b"", "End the name in .csv, .csv.gz, .parquet"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_refused_with_a_sentence(
    console: Console, tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(content)
    assert console.run("import", str(tmp_path / name)) == Exit.MISCONFIGURED
    assert told in console.err


def test_what_cannot_be_done_is_said_before_anything_is_begun(console: Console, tmp_path: Path) -> None:
    assert console.run("export", str(tmp_path / "x.csv")) == Exit.MISCONFIGURED
    assert "there is no history here" in console.err
    assert console.run("import", str(tmp_path / "nowhere.csv")) == Exit.MISCONFIGURED
    assert "is not there" in console.err
    asyncio.run(fill(tmp_path / "data", history()))
    assert console.run("export", str(tmp_path / "no" / "x.csv")) == Exit.MISCONFIGURED
    assert "cannot be written" in console.err
    assert console.run("export", "-", "--from", "soon") == Exit.MISCONFIGURED
    assert "'soon' is no instant" in console.err
    assert console.run("export", "-", "--from", "2026-11-02", "--to", "2026-11-01") == Exit.MISCONFIGURED
    assert "is not after --from" in console.err
    assert console.run("export", str(tmp_path / "x.csv")) == Exit.DONE
    assert console.run("import", str(tmp_path / "x.csv"), "--site", "项目/1") == Exit.MISCONFIGURED
    assert "--site: '项目/1' is not an id" in console.err


def test_stats_tell_every_point_and_compact_makes_the_file_smaller(console: Console, tmp_path: Path) -> None:
    asyncio.run(
        fill(
            tmp_path / "data",
            [*history(), *(Row("old", "x", "y", Sample(n * 1000, n / 7, "good", "none")) for n in range(30_000))],
        )
    )
    assert console.run("stats", "--json") == Exit.DONE
    told = [json.loads(line) for line in console.out.splitlines()]
    assert [(one["site"], one["samples"]) for one in told] == [
        ("lakeside", 1),
        ("old", 30_000),
        ("riverside", 700),
        ("riverside", 700),
    ]
    assert told[0]["from"] == told[0]["to"] == "2026-11-01T00:00:00.000Z"
    assert console.run("compact", "--json") == Exit.DONE
    sizes = json.loads(console.out)
    assert sizes["bytes_after"] < sizes["bytes_before"] / 2  # what was of 1970 is older than 400 days
    assert console.run("stats", "--site", "old") == Exit.DONE
    assert console.out == ""
    assert "0 samples of 0 points" in console.err


def test_a_terminal_sees_a_bar(console: Console, tmp_path: Path) -> None:
    asyncio.run(fill(tmp_path / "data", history()))
    console.monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert console.run("export", str(tmp_path / "all.csv")) == Exit.DONE
    assert "all.csv" in console.err
    assert "100%" in console.err
    assert console.run("import", str(tmp_path / "all.csv"), data="other") == Exit.DONE
    assert "1401/1401" in console.err


def test_a_server_that_is_away_is_told_of_with_what_to_do(console: Console, tmp_path: Path) -> None:
    console.monkeypatch.setenv("PLANTROOM_TELEMETRY_URL", "victoriametrics://127.0.0.1:9")
    assert console.run("stats") == Exit.FINDING
    assert "the history store does not answer" in console.err


def test_what_is_too_old_to_be_kept_is_told_of(console: Console, tmp_path: Path) -> None:
    file = tmp_path / "old.csv"
    file.write_text(HEADER + LINE.format(1).replace("2026", "2001"))
    assert console.run("import", str(file)) == Exit.DONE
    assert "1 of them are older than `history` in cloud.yaml keeps" in console.err
