"""A bar on a terminal for long runs; silence where nobody looks."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self, TextIO

_WIDTH = 30


class Progress:
    """``[██████        ] 12/54 faults`` on standard error, rewritten in place."""

    def __init__(self, whole: int, what: str, stream: TextIO | None = None) -> None:
        self._whole, self._what, self._done = max(whole, 1), what, 0
        self._stream = stream or sys.stderr
        self._is_shown = self._stream.isatty()

    def __enter__(self) -> Self:
        self.advance(0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def advance(self, by: int = 1, note: str = "") -> None:
        """So much more is done."""
        self._done += by
        if self._is_shown:
            full = round(_WIDTH * min(self._done / self._whole, 1.0))
            bar = "█" * full + " " * (_WIDTH - full)
            self._stream.write(f"\r\x1b[K[{bar}] {self._done}/{self._whole} {self._what} {note}")
            self._stream.flush()

    def clear(self) -> None:
        """Take the bar away, so that a line may be written."""
        if self._is_shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
