"""What goes wrong in the cloud, by what the caller can do about it. Rendered as RFC 9457 problem documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from device_profiles.reading import Finding

_FINDING_FIELDS = {"file": "string", "line": "integer", "path": "string", "message": "string", "remedy": "string"}
PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457: what is wrong (title, code), what to do (remedy), and every error with its place.",
    "properties": {
        "type": {"type": "string", "examples": ["urn:plantroom:problem:state"]},
        "title": {"type": "string", "examples": ["T-000123 is closed: arrive does not apply"]},
        "status": {"type": "integer", "examples": [409]},
        "code": {"type": "string", "examples": ["state"]},
        "remedy": {"type": "string", "examples": ["possible now: reopen, note"]},
        "errors": {
            "type": "array",
            "items": {"type": "object", "properties": {name: {"type": kind} for name, kind in _FINDING_FIELDS.items()}},
        },
    },
    "required": ["type", "title", "status", "code", "remedy", "errors"],
}
"""How a refusal looks, for the OpenAPI document."""


class Refused(Exception):
    """A request that is wrong and will stay wrong until the caller changes it (or, for 503, waits)."""

    def __init__(self, status: int, code: str, message: str, remedy: str = "", errors: Sequence[Finding] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.remedy = remedy
        self.errors = tuple(errors)

    def problem(self) -> dict[str, Any]:
        """The body of ``application/problem+json``: title, status, code, remedy and every error with its place."""
        return {
            "type": f"urn:plantroom:problem:{self.code}",
            "title": self.message,
            "status": self.status,
            "code": self.code,
            "remedy": self.remedy,
            "errors": [
                {"file": e.file, "line": e.line, "path": e.path, "message": e.message, "remedy": e.remedy}
                for e in self.errors
            ],
        }


class Misconfigured(Exception):
    """The process must not start: every finding at once."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("\n".join(str(finding) for finding in findings))
        self.findings = tuple(findings)


def not_found(what: str, name: str) -> Refused:
    return Refused(404, "not_found", f"there is no {what} {name}", "check the name in the list")


def conflict(code: str, message: str, remedy: str) -> Refused:
    return Refused(409, code, message, remedy)


def invalid(path: str, message: str, remedy: str) -> Refused:
    return Refused(422, "invalid", message, remedy, (Finding("", 0, path, message, remedy),))
