"""outbox → uplink: how long to wait after a failure (pure; the jitter is an argument)."""

from __future__ import annotations

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0


def wait_s(failures: int, jitter: float, retry_after_s: float | None = None) -> float:
    """Seconds until the next try after so many failures in a row (1 for the first).

    Doubles from one second to a minute. ``jitter`` from 0 to 1 spreads it over its upper half, so that gateways which
    lost the cloud together do not come back together. ``Retry-After`` is obeyed, up to an hour, and spread upwards.
    """
    if retry_after_s is not None:
        return min(max(retry_after_s, 0.0), 3600.0) * (1 + 0.1 * jitter)
    longest: float = min(FIRST_WAIT_S * 2 ** min(failures - 1, 16), LONGEST_WAIT_S)
    return longest / 2 + longest / 2 * jitter
