"""Before every arrow of the cloud: ``cloud.yaml``, environment and options become one checked configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cloud.errors import Misconfigured
from cloud.sla.calendar import CalendarError
from cloud.sla.plan import CalendarPlan
from cloud.sla.policy import SHIPPED, Grant, Policy, Target
from cloud.storage.files import FilesAt
from cloud.storage.session import database_url
from cloud.telemetry.keeping import Keeping
from contract.conventions import data_directory
from device_profiles.reading import Finding, LibraryError, LineMap, finding, load_yaml, validate
from device_profiles.schema import ClauseId, DurationMs

_DAY_MS = 86_400_000
_FILES = ("files_url", "files_endpoint", "files_region", "files_access_key", "files_secret_key")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TargetLine(_Strict):
    """One target of a site's own policy. It replaces the shipped one of the same clock and conditions.

    With a calendar ``within`` is working time; ``working_days`` instead of it are whole working days, 0 for the end of the same day.
    """

    clock: Literal["response", "arrival", "service", "resolution"]
    within: DurationMs | None = Field(default=None, gt=0)
    working_days: int | None = Field(default=None, ge=0, le=366)
    end_of_day: bool = False
    kind: Literal["", "fault", "test", "maintenance", "request", "complaint", "inspection", "outage"] = ""
    category: Literal["", "special", "objection", "interruption"] = ""
    system: str = ""
    site: str = ""
    priority: Literal["general", "major", "urgent", "life_safety"] | None = None
    emergency: Literal["", "entrapment", "fire"] = ""
    clause: ClauseId | Literal[""] = ""
    source: str = ""
    calendar: str = ""

    @model_validator(mode="after")
    def check(self) -> Self:
        """One figure, and a calendar for days."""
        if (self.within is None) == (self.working_days is None):
            raise ValueError("write either within, such as 2h, or working_days, such as 1")
        if self.working_days is not None and not self.calendar:
            raise ValueError("working_days need a calendar, such as office")
        if self.end_of_day and self.working_days is None:
            raise ValueError("end_of_day goes with working_days")
        if self.working_days is not None and (self.priority == "life_safety" or self.emergency):
            raise ValueError("life safety knows no calendar; write within")
        return self


class HistoryLine(_Strict):
    """How long some points are kept: ``raw`` as they were, then as sums over ``step`` until ``keep``."""

    points: str = Field(pattern=r"^[a-z0-9_*?\[\]]+/[a-z0-9_*?\[\]]+$")
    """``equipment/point``, with ``*`` for any."""
    keep: DurationMs = Field(gt=0)
    raw: DurationMs | None = Field(default=None, gt=0)
    step: DurationMs | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def check(self) -> Self:
        """Both or neither, and in order."""
        if (self.raw is None) != (self.step is None):
            raise ValueError(
                "raw and step belong together: raw 90d, step 5min keeps 90 days as read, then one sum for 5 minutes"
            )
        if self.raw is not None and self.step is not None and not self.step <= self.raw <= self.keep:
            raise ValueError("step must not be longer than raw, and raw not longer than keep")
        return self


class CloudFile(_Strict):
    """``cloud.yaml``. Every key may be left out."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65_535)
    database_url: str = ""
    database_url_file: str = ""
    telemetry_url: str = ""
    telemetry_url_file: str = ""
    files_url: str = ""
    """Where photos are kept: a folder, or ``s3://BUCKET/PREFIX``. Left out: ``files`` in the data folder."""
    files_endpoint: str = ""
    files_region: str = ""
    files_access_key_file: str = ""
    files_secret_key_file: str = ""
    public_url: str = ""
    """What people type to get here, when a proxy stands before it."""
    history: DurationMs = 400 * _DAY_MS
    """How long samples are kept where no line of ``history_rules`` says otherwise."""
    history_rules: list[HistoryLine] = []
    history_backlog_mb: int = Field(default=2048, ge=1)
    """How much may wait for a history store that is away; beyond it the oldest samples go."""
    reopen_window: DurationMs = 3 * _DAY_MS
    targets: list[TargetLine] = []
    calendars: dict[str, dict[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class Config:
    """What a process of the cloud needs to know before it starts."""

    data: Path
    database_url: str
    telemetry_url: str = ""
    host: str = "127.0.0.1"
    port: int = 8080
    public_url: str = ""
    history_ms: int = 400 * _DAY_MS
    history_rules: tuple[Keeping, ...] = ()
    history_backlog_bytes: int = 2 * 2**30
    policy: Policy = SHIPPED
    files: FilesAt | None = None
    """Where photos are kept; None: in the data folder."""

    @property
    def files_at(self) -> FilesAt:
        return self.files or FilesAt(str(self.data / "files"))

    @property
    def longest_history_ms(self) -> int:
        """No sample is asked to be kept longer."""
        return max([self.history_ms, *(rule.keep_ms for rule in self.history_rules)])

    @property
    def telemetry_path(self) -> Path:
        """The embedded history store's file."""
        return self.data / "telemetry.db"


def load_config(
    environment: Mapping[str, str],
    file: Path | None = None,
    data: Path | None = None,
    *,
    host: str | None = None,
    port: int | None = None,
) -> Config:
    """Read ``cloud.yaml`` (if any), then the environment (``PLANTROOM_DATABASE_URL`` …), then options; the last wins.

    Raises Misconfigured with every finding at once.
    """
    folder = data_directory(data)
    told, lines = _read(file)
    urls = {name: _url(name, told, environment, file) for name in ("database_url", "telemetry_url", *_FILES)}
    findings = [*_wrong_urls(urls), *_wrong_calendars(told, lines, file), *_unknown_calendars(told, lines, file)]
    files = FilesAt(**{name.removeprefix("files_"): urls[name] for name in _FILES}) if urls["files_url"] else None
    if wrong := files.mistake() if files else "":
        findings.append(Finding("", 0, "files_url", wrong, "See docs/evidence.md"))
    if findings:
        raise Misconfigured(findings)
    return Config(
        data=folder,
        database_url=urls["database_url"] or f"sqlite:///{folder / 'cloud.db'}",
        telemetry_url=urls["telemetry_url"],
        host=host or told.host,
        port=told.port if port is None else port,
        public_url=told.public_url,
        history_ms=told.history,
        history_rules=tuple(
            Keeping(line.points, line.keep, line.raw or 0, line.step or 0) for line in told.history_rules
        ),
        history_backlog_bytes=told.history_backlog_mb * 2**20,
        policy=_policy(told),
        files=files,
    )


def _read(file: Path | None) -> tuple[CloudFile, LineMap]:
    if file is None:
        return CloudFile(), LineMap()
    try:
        data, lines = load_yaml(file)
    except LibraryError as error:
        raise Misconfigured(error.findings) from error
    told, findings = validate(CloudFile, data or {}, lines, file)
    if told is None:
        raise Misconfigured(sorted(findings))
    return told, lines


def _url(name: str, told: CloudFile, environment: Mapping[str, str], file: Path | None) -> str:
    """The address, or what the file named beside it says: secrets come from files."""
    variable = f"PLANTROOM_{name.upper()}"
    if value := environment.get(variable):
        return value
    if secret := environment.get(f"{variable}_FILE"):
        return _secret(f"{variable}_FILE", Path(secret))
    if secret := getattr(told, f"{name}_file", ""):
        return _secret(f"{name}_file", (file or Path()).parent / secret)
    return str(getattr(told, name, ""))


def _secret(name: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        found = Finding(str(path), 0, name, f"cannot be read: {reason}", "Check the path and its rights")
        raise Misconfigured([found]) from error


def _wrong_urls(urls: Mapping[str, str]) -> Iterator[Finding]:
    if urls["database_url"]:
        try:
            database_url(urls["database_url"])
        except ValueError as error:
            yield Finding("", 0, "database_url", str(error), "Write sqlite:///FILE or postgresql://HOST/NAME")


def _wrong_calendars(told: CloudFile, lines: LineMap, file: Path | None) -> Iterator[Finding]:
    for name, data in told.calendars.items():
        try:
            _plan(name, data).calendar("UTC")
        except (CalendarError, AttributeError, TypeError, ValueError) as error:
            yield finding(
                file or "", lines, ("calendars", name), str(error), "See docs/targets.md for the shape of a calendar"
            )


def _unknown_calendars(told: CloudFile, lines: LineMap, file: Path | None) -> Iterator[Finding]:
    for index, line in enumerate(told.targets):
        if line.calendar and line.calendar not in {**SHIPPED.plans, **told.calendars}:
            known = ", ".join({**SHIPPED.plans, **told.calendars})
            path = ("targets", index, "calendar")
            yield finding(file or "", lines, path, f"there is no calendar {line.calendar}", f"Known here: {known}")


def _policy(told: CloudFile) -> Policy:
    """The shipped targets with a site's own in their place."""
    own = [_grant(line) for line in told.targets]
    replaced = {(grant.target.clock, grant.conditions) for grant in own}
    kept = [g for g in SHIPPED.grants if (g.target.clock, g.conditions) not in replaced]
    return Policy(
        version=f"{SHIPPED.version}+site" if own else SHIPPED.version,
        grants=(*own, *kept),
        plans={**SHIPPED.plans, **{name: _plan(name, data) for name, data in told.calendars.items()}},
        reopen_window=timedelta(milliseconds=told.reopen_window),
    )


def _plan(name: str, data: Mapping[str, Any]) -> CalendarPlan:
    """A calendar of the file; ``country`` and ``subdivision`` name whose public holidays are copied, ``confirmed`` which years."""
    own = ("country", "subdivision", "confirmed")
    hours = {key: value for key, value in data.items() if key not in own}
    years = tuple(sorted(int(year) for year in data.get("confirmed", ())))
    country, subdivision = (str(data.get(key, "")).upper() for key in own[:2])
    plan = CalendarPlan(name, hours, country, subdivision, confirmed=years)
    return CalendarPlan.of_json(plan.as_json())  # dates become text, as in the database


def _grant(line: TargetLine) -> Grant:
    is_life_safety = line.priority == "life_safety" or bool(line.emergency)
    days = line.working_days
    length = timedelta(days=days) if days is not None else timedelta(milliseconds=line.within or 0)
    target = Target(
        line.clock,
        length,
        line.clause,
        line.source or "cloud.yaml",
        "" if is_life_safety else line.calendar,  # life safety knows none
        is_pausing=line.clock == "resolution" and not is_life_safety,
        is_days=days is not None,
        is_end_of_day=days is not None and (line.end_of_day or days == 0),
    )
    return Grant(target, line.priority, line.emergency, line.kind, line.category, line.system, line.site)
