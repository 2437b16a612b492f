"""The process, not the flow: a gateway runs for weeks beside other programs, in little memory and with few pauses."""

from __future__ import annotations

import contextlib
import ctypes
import gc

SETTLE_S = 5.0
"""When a gateway has announced itself and read its devices once, what is alive stays alive."""
GIVE_BACK_EVERY_S = 60.0
COLLECT_AFTER = 50_000
"""Nearly everything here is freed by its last reference; Python's usual 700 costs a tenth of the time for nothing."""
ARENAS, MMAP_FROM = -8, -3
"""``M_ARENA_MAX`` and ``M_MMAP_THRESHOLD`` of glibc's ``mallopt``."""
LARGE_BYTES = 256 * 1024


def spare() -> None:
    """Before anything is loaded: few collections, one heap for all threads, and large blocks go back as soon as they are free.

    Left alone, glibc keeps a heap a thread, and keeps what a large block needed once. Another C library is left as it is.
    """
    gc.set_threshold(COLLECT_AFTER, 20, 20)
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(ARENAS, 1)
        libc.mallopt(MMAP_FROM, LARGE_BYTES)


def settle() -> None:
    """Leave out of garbage collection what will live as long as the process, and give back what the start freed."""
    gc.collect()
    gc.freeze()
    give_back()


def give_back() -> None:
    """What glibc keeps free goes back to the system; another C library is left as it is."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
