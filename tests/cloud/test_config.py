from datetime import timedelta
from pathlib import Path

import pytest

from cloud.config import load_config
from cloud.errors import Misconfigured


def written(folder: Path, text: str) -> Path:
    file = folder / "cloud.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def findings(file: Path, environment: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(Misconfigured) as wrong:
        load_config(environment or {}, file)
    return [f"{one.line}: {one.path}: {one.message}" for one in wrong.value.findings]


def test_without_any_file_the_shipped_policy_and_a_database_in_the_data_folder_are_used(tmp_path: Path) -> None:
    config = load_config({}, data=tmp_path)
    assert (config.host, config.port, config.database_url) == ("127.0.0.1", 8080, f"sqlite:///{tmp_path}/cloud.db")
    assert config.policy.version == "shipped-1"


def test_environment_wins_over_the_file_and_options_over_both(tmp_path: Path) -> None:
    file = written(tmp_path, "port: 9000\ndatabase_url: sqlite:///here.db\n")
    config = load_config({"PLANTROOM_DATABASE_URL": "postgresql://db/desk"}, file, tmp_path, port=9001)
    assert (config.port, config.database_url) == (9001, "postgresql://db/desk")
    assert load_config({}, file, tmp_path).port == 9000


def test_a_secret_address_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("postgresql://u:p@db/desk\n")
    file = written(tmp_path, "database_url_file: secret\n")
    assert load_config({}, file, tmp_path).database_url == "postgresql://u:p@db/desk"
    assert load_config({"PLANTROOM_DATABASE_URL_FILE": str(tmp_path / "secret")}, None, tmp_path).database_url == (
        "postgresql://u:p@db/desk"
    )
    with pytest.raises(Misconfigured, match="database_url_file: cannot be read"):
        load_config({}, written(tmp_path, "database_url_file: nowhere\n"))


def test_a_sites_own_target_replaces_the_shipped_one_and_the_others_stay(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "targets:\n"
        "  - {clock: arrival, within: 20min, emergency: entrapment, source: contract with the lift firm}\n"
        "  - {clock: resolution, within: 8h, calendar: day_shift}\n"
        "calendars:\n"
        "  day_shift: {tz: Asia/Shanghai, week: {mon: [['08:00', '18:00']]}}\n",
    )
    policy = load_config({}, file, tmp_path).policy
    by_clock = {target.clock: target for target in policy.targets("life_safety", "entrapment")}
    assert by_clock["arrival"].target == timedelta(minutes=20)
    assert by_clock["resolution"].calendar == ""  # life safety knows no calendar
    plain = {target.clock: target for target in policy.targets("major")}
    assert (plain["resolution"].target, plain["resolution"].calendar) == (timedelta(hours=8), "day_shift")
    assert plain["response"].clause == "m-2.3.3-2h"
    assert policy.version == "shipped-1+site"


def test_every_mistake_is_named_with_its_line(tmp_path: Path) -> None:
    file = written(tmp_path, "prot: 9000\ntargets:\n  - {clock: respond, within: soon}\n")
    found = findings(file)
    assert [line.split(": ")[0] for line in found] == ["1", "3", "3"]
    assert "prot" in found[0]
    file = written(
        tmp_path,
        "database_url: mysql://db\ncalendars:\n  a: {tz: Mars/Olympus}\ntargets:\n"
        "  - {clock: response, within: 1h, calendar: b}\n",
    )
    assert findings(file) == [
        "0: database_url: mysql is not a database Plantroom knows; write sqlite:///FILE or postgresql://HOST/NAME",
        "3: calendars.a: tz: 'Mars/Olympus' is not an IANA zone; write one such as Asia/Shanghai",
        "5: targets[0].calendar: there is no calendar b",
    ]


def test_a_target_of_no_time_is_refused(tmp_path: Path) -> None:
    assert "targets[0].within" in findings(written(tmp_path, "targets: [{clock: response, within: 0s}]\n"))[0]


def test_an_empty_file_is_the_shipped_configuration(tmp_path: Path) -> None:
    assert load_config({}, written(tmp_path, "# nothing yet\n"), tmp_path).port == 8080


def test_each_kind_of_point_may_be_kept_longer_or_coarser(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "history: 100d\nhistory_backlog_mb: 5\nhistory_rules:\n"
        '  - {points: "*/energy", keep: 3650d}\n  - {points: "lift_*/speed", keep: 200d, raw: 30d, step: 5min}\n',
    )
    config = load_config({}, file, tmp_path)
    day = 86_400_000
    assert [(rule.points, rule.keep_ms, rule.raw_ms, rule.step_ms) for rule in config.history_rules] == [
        ("*/energy", 3650 * day, 0, 0), ("lift_*/speed", 200 * day, 30 * day, 300_000),
    ]  # fmt: skip
    assert (config.history_ms, config.longest_history_ms, config.history_backlog_bytes) == (
        100 * day,
        3650 * day,
        5 * 2**20,
    )


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{points: energy, keep: 1d}", "points"),
        ('{points: "*/energy"}', "keep"),
        ('{points: "*/energy", keep: 1d, raw: 1h}', "raw and step belong together"),
        ('{points: "*/energy", keep: 1d, raw: 2d, step: 5min}', "raw not longer than keep"),
        ('{points: "*/energy", keep: 10d, raw: 5min, step: 1h}', "step must not be longer than raw"),
    ],
)
def test_a_rule_of_history_that_makes_no_sense_is_named_with_its_line(tmp_path: Path, line: str, told: str) -> None:
    (found,) = findings(written(tmp_path, f"host: here\nhistory_rules:\n  - {line}\n"))
    assert found.startswith("3: history_rules")
    assert told in found


def test_targets_of_the_file_name_kinds_sites_and_working_days_and_its_calendars_a_country(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "targets:\n"
        "  - {clock: resolution, working_days: 2, end_of_day: true, calendar: depot, kind: request, site: riverside}\n"
        "  - {clock: response, within: 30min, kind: fault, system: lifts}\n"
        "calendars:\n"
        "  depot: {country: cn, confirmed: [2026], week: {mon: [['22:00', '06:00']]}, dates: {2026-02-14: [['09:00', '18:00']]}}\n",
    )
    policy = load_config({}, file, tmp_path).policy
    request = {one.clock: one for one in policy.targets("major", kind="request", site="riverside")}
    assert (request["resolution"].target, request["resolution"].is_end_of_day) == (timedelta(days=2), True)
    lift = {one.clock: one for one in policy.targets("major", kind="fault", system="lifts")}
    assert lift["response"].target == timedelta(minutes=30)
    depot = policy.plans["depot"]
    assert (depot.country, depot.confirmed, list(depot.hours["dates"])) == ("CN", (2026,), ["2026-02-14"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{clock: response}", "either within"),
        ("{clock: response, within: 1h, working_days: 1}", "either within"),
        ("{clock: response, working_days: 1}", "need a calendar"),
        (
            "{clock: response, working_days: 1, calendar: office, priority: life_safety}",
            "life safety knows no calendar",
        ),
    ],
)
def test_a_target_that_contradicts_itself_is_named(tmp_path: Path, line: str, message: str) -> None:
    assert message in findings(written(tmp_path, f"targets: [{line}]\n"))[0]
