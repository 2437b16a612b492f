"""Every arrow of the edge fails in one of three ways, named by what the caller can do about it."""

from __future__ import annotations

from collections.abc import Sequence

from device_profiles.library import Finding


class EdgeError(Exception):
    """Root of the edge's own errors."""


class Transient(EdgeError):
    """Try again later: a line that is down, a cloud that is busy, a locked file."""


class Rejected(EdgeError):
    """Never try the same again: quarantine it with this reason and go on."""


class Misconfigured(EdgeError):
    """Do not start. ``findings`` holds every mistake at once, each with file, line, path and remedy."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("\n".join(str(finding) for finding in findings))
        self.findings = tuple(findings)
