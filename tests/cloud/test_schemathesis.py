"""The API as its own OpenAPI document describes it, and as it does not: every answer is one that the document tells of.

Schemathesis makes the requests: every boundary of every parameter and body, and whatever else its fuzzing thinks of, half of
them about things that are there. They go to the whole application, by everybody who may stand before it.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy, one_of
from requests.exceptions import InvalidURL
from schemathesis import Case as AnyCase
from schemathesis import GenerationMode
from schemathesis.config import GenerationConfig, SchemathesisConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.api_world import BASE, KNOWN, ROLES, World, open_world

CHECKS: list[Any] = [
    status_code_conformance, content_type_conformance, response_schema_conformance,
    response_headers_conformance,
]  # fmt: skip
Case = AnyCase[Any]
CALLERS = ("nobody", "gateway", *ROLES)
MODES = list(GenerationMode)
SEED = 20261121
NASTY: tuple[Any, ...] = (
    "\x00", "\ud800", "\U0010ffff\u202e", "' OR 1=1 --", "../../etc/passwd", "%", "x" * 5_000, "", " ", "1" * 400, "-1", "nan",
    "9223372036854775808", "2026-02-30", "9999-12-31T23:59:59.999Z", "0000-00-00T00:00:00.000Z", None, True, -1, 10**30, 1e308,
    float("nan"), [], {}, ["\x00"], {"": "\ud800"},
)  # fmt: skip
RAW = (b"\xff\xfe", b'{"', b"[" * 5_000, b'{"a": 1e999}', b"\x1f\x8b\x00", b'"\\ud800"', b"")
JSON = "application/json"


@dataclass
class Judge:
    """Sends cases and keeps what was wrong with the answers, once a kind."""

    world: World
    wrong: dict[tuple[str, int, str], str] = field(default_factory=dict)
    sent: int = 0

    def send(self, case: Case, caller: str, **changes: Any) -> None:
        """Send a case, its request changed before by ``changes``, and look at the answer."""
        try:
            prepared = requests.Request(**{**options_of(case), **changes}).prepare()
        except (InvalidURL, UnicodeEncodeError):
            return  # cannot be sent by anybody who speaks HTTP
        answer = self.world.send(prepared, caller)
        self.sent += 1
        told = f"{caller} {prepared.method} {prepared.url!r:.300} {prepared.body!r:.300}\n  {answer.text:.300}"
        label, status = case.operation.label, answer.status_code
        if status >= 500:
            self.wrong.setdefault((label, status, ""), f"{label}: {status}\n  {told}\n  {self.world.failure}")
            return
        try:
            case.validate_response(answer, checks=CHECKS)
        except FailureGroup as group:
            for failure in group.exceptions:
                self.wrong.setdefault((label, status, type(failure).__name__), f"{label}: {failure!s:.600}\n  {told}")

    def verdict(self) -> None:
        assert not self.wrong, f"{len(self.wrong)} of {self.sent}:\n" + "\n".join(self.wrong.values())


def options_of(case: Case) -> dict[str, Any]:
    """What ``requests`` sends for a case; the credentials come from the world."""
    options: dict[str, Any] = case.as_transport_kwargs(base_url=BASE)
    return {name: value for name, value in options.items() if name != "auth"}


def operations(world: World) -> Iterator[Any]:
    """Every call of the document."""
    config = SchemathesisConfig.from_dict({"generation": {"with-security-parameters": False}})
    schema = schemathesis.openapi.from_dict(world.document, config=config)
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        yield found.ok()


def boundaries(operation: Any) -> list[Case]:
    """The cases at and beyond every bound that the document sets, the same ones every time."""
    config = GenerationConfig(with_security_parameters=False)
    cases: Iterator[Case] = operation.schema.iter_coverage_cases(
        operation, generation_modes=MODES, generation_config=config
    )
    return list(cases)


def spread(cases: Sequence[Case], most: int) -> list[Case]:
    """At most so many, from all parts of a list."""
    step = max(1, -(-len(cases) // most))
    return [*cases[::step]]


def about_what_is_there(case: Case) -> Case:
    """The same case with the names of things that exist, where its address or its query names some."""
    for place in (case.path_parameters, case.query):
        for name in place or {}:
            if name in KNOWN:
                place[name] = KNOWN[name]
    return case


def fuzz(judge: Judge, operation: Any, callers: Sequence[str], examples: int) -> None:
    """What fuzzing thinks of, the same each time; the callers take turns."""
    strategy: SearchStrategy[Case] = one_of([operation.as_strategy(generation_mode=mode) for mode in MODES])
    turn = cycle(callers)
    parity = cycle((False, True))

    @seed(SEED)
    @settings(
        max_examples=examples, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )  # fmt: skip
    @given(case=strategy)
    def run(case: Case) -> None:
        judge.send(about_what_is_there(case) if next(parity) else case, next(turn))

    run()


def go_through(world: World, *, most: int, examples: int, is_everybody: bool) -> Judge:
    """Boundaries as an administrator and in turn as each caller (or as everybody), then fuzzing."""
    judge = Judge(world)
    turn = cycle(CALLERS)
    for operation in operations(world):
        for number, case in enumerate(spread(boundaries(operation), most)):
            shown = about_what_is_there(case) if number % 2 else case
            for caller in CALLERS if is_everybody else ("admin", next(turn)):
                judge.send(shown, caller)
        fuzz(judge, operation, CALLERS, examples)
    return judge


@pytest.mark.timeout(240)
def test_every_answer_to_a_made_up_request_is_a_documented_one(tmp_path: Path) -> None:
    with open_world(tmp_path) as world:
        judge = go_through(world, most=6, examples=3, is_everybody=False)
    assert judge.sent > 500
    judge.verdict()


@pytest.mark.proof
@pytest.mark.timeout(1800)
def test_everybody_sends_every_boundary_and_sixty_inventions_of_each_call(tmp_path: Path) -> None:
    with open_world(tmp_path) as world:
        judge = go_through(world, most=10_000, examples=60, is_everybody=True)
    assert judge.sent > 10_000
    judge.verdict()


def good_case(operation: Any) -> Case:
    """A case that the document allows, about things that exist."""
    config = GenerationConfig(with_security_parameters=False)
    found = operation.schema.iter_coverage_cases(
        operation, generation_modes=[GenerationMode.POSITIVE], generation_config=config
    )
    case: Case = next(found)
    return about_what_is_there(case)


def be_hostile(world: World, every: int) -> Judge:
    """Every so many-th of all hostile changes; which ones differs from call to call."""
    judge = Judge(world)
    for number, operation in enumerate(operations(world)):
        case = good_case(operation)
        for changes in islice(hostile_changes(operation, case), number % every, None, every):
            judge.send(case, "admin", **changes)
    assert unreadable(world) == []
    return judge


def unreadable(world: World) -> list[str]:
    """Lists that an administrator cannot read any more: something was let in that nobody can be shown."""
    found = []
    for operation in operations(world):
        is_list = operation.method == "get" and not operation.path_parameters
        if is_list and not any(parameter.is_required for parameter in operation.query):
            prepared = requests.Request("GET", f"{BASE}{operation.path}").prepare()
            found += [operation.label] if world.send(prepared, "admin").status_code != 200 else []
    return found


@pytest.mark.timeout(240)
def test_no_hostile_value_is_more_than_a_refusal(tmp_path: Path) -> None:
    """Null bytes, lone surrogates, numbers beyond every column, over-long names, bytes that are no text."""
    with open_world(tmp_path) as world:
        judge = be_hostile(world, 9)
    assert judge.sent > 300
    judge.verdict()


@pytest.mark.proof
@pytest.mark.timeout(1800)
def test_no_hostile_value_anywhere_is_more_than_a_refusal(tmp_path: Path) -> None:
    with open_world(tmp_path) as world:
        judge = be_hostile(world, 1)
    assert judge.sent > 1500
    judge.verdict()


def hostile_changes(operation: Any, case: Case) -> Iterator[dict[str, Any]]:
    """What to change of a good request, one thing at a time."""
    body: Any = case.body
    is_json = isinstance(body, dict) and case.media_type == JSON
    for raw in RAW if operation.body else ():
        yield {"data": raw, "json": None, "files": None, "headers": {"Content-Type": JSON}}
    for hostile in NASTY:
        for name in body if is_json else ():
            yield {"data": json.dumps({**body, name: hostile}), "json": None, "headers": {"Content-Type": JSON}}
        for parameter in operation.query:
            yield {"params": f"{parameter.name}={written(hostile)}"}
        yield from in_path(operation, hostile)


def in_path(operation: Any, hostile: Any) -> Iterator[dict[str, Any]]:
    names = [parameter.name for parameter in operation.path_parameters]
    for name in names:
        values = {one: quote(str(KNOWN.get(one, "x")), safe="") for one in names} | {name: written(hostile) or "%20"}
        yield {"url": f"{BASE}{operation.path.format(**values)}"}


def written(hostile: Any) -> str:
    """As it stands in an address; bytes and a lone surrogate as what UTF-8 forbids."""
    if isinstance(hostile, bytes):
        return quote(hostile, safe="")
    text = hostile if isinstance(hostile, str) else json.dumps(hostile)
    return quote(text.encode(errors="surrogatepass"), safe="")


def test_every_call_says_what_it_is_for_and_who_may(tmp_path: Path) -> None:
    with open_world(tmp_path) as world:
        paths = world.document["paths"]
    silent = [
        f"{method} {path}: {what}"
        for path, calls in paths.items()
        for method, call in calls.items()
        for what in unsaid(method, call)
    ]
    assert silent == []


def unsaid(method: str, call: Any) -> Iterator[str]:
    """What the document leaves out of a call."""
    if not call.get("summary") or not call.get("tags"):
        yield "summary or tags"
    if lacking := {"400", "401", "403", "404", "409", "422", "503"} - set(call["responses"]):
        yield f"answers {lacking}"
    told = call["responses"]["403"]["description"]
    if method != "get" and call["security"] == [{"session": []}] and not any(role in told for role in ROLES):
        yield "which role it needs"


def test_a_role_that_the_document_does_not_name_is_refused(tmp_path: Path) -> None:
    """What the document says of a role is what happens."""
    with open_world(tmp_path) as world:
        for operation in operations(world):
            told = world.document["paths"][operation.path][operation.method]["responses"]["403"]["description"]
            if "this needs one of the roles" not in told:
                continue
            least = next(role for role in ROLES if role in told.rpartition("roles ")[2].split(", "))
            for role in islice(ROLES, ROLES.index(least)):
                prepared = requests.Request(**options_of(good_case(operation))).prepare()
                assert 400 <= world.send(prepared, role).status_code < 500, f"{role} {operation.label}"
