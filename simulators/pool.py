"""Work spread over processes, answers as they come: for acceptance tests and searches that use every core."""

from __future__ import annotations

import logging
import multiprocessing
import multiprocessing.process
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import TypeVar

import structlog

A = TypeVar("A")
B = TypeVar("B")


def quiet() -> None:
    """A worker says nothing and ends at Ctrl-C without a word."""
    if (parent := multiprocessing.parent_process()) is not None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        threading.Thread(target=_end_with, args=(parent,), daemon=True, name="parent").start()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


@contextmanager
def silenced() -> Iterator[None]:
    """Nothing but disasters is logged within; afterwards all is as it was."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)


def _end_with(parent: multiprocessing.process.BaseProcess) -> None:
    """No worker outlives who asked for its work, however that ended."""
    parent.join()
    os._exit(signal.SIGTERM + 128)


def cores() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def spread(work: Callable[[A], B], items: Sequence[A], jobs: int) -> Iterator[tuple[A, B]]:
    """Each item with its answer, in the order in which they are done. An error of the work is raised here."""
    if jobs <= 1 or len(items) == 1:
        yield from ((item, work(item)) for item in items)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(items)), mp_context=context, initializer=quiet) as pool:
        waiting: dict[Future[B], A] = {pool.submit(work, item): item for item in items}
        try:
            for done in as_completed(waiting):
                yield waiting[done], done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
