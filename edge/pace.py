"""Beside every arrow of the edge: how often it looks where nobody wakes it, and how long it may wait to save.

A gateway on real time keeps the usual pace. A run in virtual time jumps over idle time: there a longer pace is what makes
a year fit into minutes, at the price of seeing later what time alone changes.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """All in milliseconds."""

    tick_ms: int = 1_000
    """Windows, silent devices and running tests are looked at this often; what is due at a known instant is done then."""
    commit_ms: int = 1_000
    """Samples are committed at least this often: a kill costs no more."""
    windows_ms: int = 30_000
    """How much of a window, and of the samples of a running test, a kill can cost."""
    status_ms: int = 30_000
    """Between two statuses of the gateway."""
    gather_ms: int = 0
    """How long the cycle waits for more after the first sample of a turn."""
    keeps_samples: bool = True
    """Whether samples go to the cloud. Judged they are in any case, and evidence is an event."""


USUAL = Pace()
