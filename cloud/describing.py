"""HTTP → people who write programs: the OpenAPI document, with every answer that a call can give and the role it needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts

from cloud.errors import PROBLEM_SCHEMA
from cloud.people.access import COOKIE, signed_in
from cloud.tickets.ticket import Role

PROBLEM: Final = "application/problem+json"
_PROBLEMS: Final[Mapping[int, str]] = {
    400: "Cannot be read",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    409: "Conflict",
    422: "Invalid",
    503: "The database does not answer, or its disk is full: try again after `Retry-After` seconds",
}


def problem_answer(words: str) -> dict[str, Any]:
    """A refusal in the document; what it looks like is the schema ``Problem``."""
    return {"description": words, "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}}


REFUSALS: Final[dict[int | str, dict[str, Any]]] = {code: problem_answer(words) for code, words in _PROBLEMS.items()}
"""What every call can answer besides what it is for."""


def needs(role: Role) -> dict[int | str, dict[str, Any]]:
    """The 403 of a call whose service asks for a role, for ``responses=``; a call that ``require``s one says so by itself."""
    return {403: problem_answer(_who(role))}


def _who(least: Role) -> str:
    return f"Not allowed: this needs one of the roles {', '.join(role for role in Role if role.rank >= least.rank)}"


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document with the problem document that every refusal is, and who may call what."""
    if app.openapi_schema is None:
        found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        found["components"]["schemas"]["Problem"] = PROBLEM_SCHEMA
        found["components"]["securitySchemes"] = {
            "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
            "gateway": {"type": "http", "scheme": "bearer", "description": "A gateway's own credential"},
        }
        for route in iter_route_contexts(app.routes):
            for method in route.methods or ():
                call = found["paths"].get(route.path_format, {}).get(method.lower())
                if call is not None and (dependant := getattr(route, "dependant", None)) is not None:
                    _say_who(call, dependant)
        found["paths"]["/api/v1/ingest"]["post"]["security"] = [{"gateway": []}]
        app.openapi_schema = found
    return app.openapi_schema


def _say_who(call: dict[str, Any], dependant: Dependant) -> None:
    """Which credentials a call asks for, and what its 403 means."""
    asked = list(_calls(dependant))
    call["security"] = [{"session": []}] if signed_in in asked else []
    roles = [role for one in asked if (role := getattr(one, "role", None)) is not None]
    least = max(roles, key=lambda role: role.rank, default=None)
    if least is not None:
        call["responses"]["403"]["description"] = _who(least)


def _calls(dependant: Dependant) -> Iterator[Any]:
    for one in dependant.dependencies:
        yield one.call
        yield from _calls(one)
