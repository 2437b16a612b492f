"""The process, not the flow: what the start left behind is given back, so that weeks of work need little memory."""

from __future__ import annotations

import contextlib
import ctypes
import gc

SETTLE_S = 5.0
"""When a gateway has announced itself and read its devices once, what is alive stays alive."""


def settle() -> None:
    """Leave out of garbage collection what will live as long as the process, and free memory to the system.

    glibc keeps what a start freed; a C library without ``malloc_trim`` is left as it is.
    """
    gc.collect()
    gc.freeze()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
