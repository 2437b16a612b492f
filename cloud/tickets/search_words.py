"""Text → the words by which tickets are found, and a question → what both databases look up (pure).

Latin letters and digits make words, folded to small letters without accents; Chinese, Japanese and Korean letters count each by itself and with their right neighbour.
Both databases are given ready words, so that a search finds the same on either.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

LONGEST: Final = 40
"""Letters of a word that count."""
MOST_WORDS: Final = 12
"""Words of a question that count."""
SHORTEST_PREFIX: Final = 2
_CJK: Final = ((0x3040, 0x30FF), (0x3400, 0x9FFF), (0xAC00, 0xD7AF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))


@dataclass(frozen=True, slots=True)
class Run:
    """Letters that belong together: a word, or a stretch of Chinese. ``text`` is folded; the places are the original's."""

    text: str
    start: int
    end: int
    is_cjk: bool


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked: every word must be there. ``prefixes`` are beginnings of words."""

    words: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    """Stretches of Chinese as they were written, for marking."""

    def __bool__(self) -> bool:
        return bool(self.words or self.prefixes)

    def for_sqlite(self) -> str:
        """As FTS5 wants it. Words hold letters and digits only, so nothing needs escaping."""
        return " AND ".join([*(f'"{word}"' for word in self.words), *(f'"{word}" *' for word in self.prefixes)])

    def for_postgresql(self) -> str:
        """As ``tsquery`` wants it."""
        return " & ".join([*(f"'{word}'" for word in self.words), *(f"'{word}':*" for word in self.prefixes)])


@lru_cache(maxsize=8192)
def _fold(letter: str) -> str:
    """Small, without accents, full-width as half-width; empty for what is no letter and no digit."""
    if _is_cjk(letter):  # one letter stays one, so that places in a stretch are places in the text
        same = unicodedata.normalize("NFKC", letter)
        return same if len(same) == 1 and same.isalnum() else letter if letter.isalnum() else ""
    parts = unicodedata.normalize("NFKD", letter).casefold()
    return "".join(part for part in parts if part.isalnum())


@lru_cache(maxsize=8192)
def _is_cjk(letter: str) -> bool:
    code = ord(letter)
    return any(low <= code <= high for low, high in _CJK)


def runs(text: str) -> Iterator[Run]:
    """Words and stretches of Chinese in their order."""
    found: list[str] = []
    start, was_cjk = 0, False
    for place, letter in enumerate(text):
        folded, is_cjk = _fold(letter), _is_cjk(letter)
        if not folded and unicodedata.combining(letter):
            continue
        if found and (not folded or is_cjk != was_cjk):
            yield Run("".join(found), start, place, was_cjk)
            found = []
        if folded:
            start, was_cjk = (start if found else place), is_cjk
            found.append(folded)
    if found:
        yield Run("".join(found), start, len(text), was_cjk)


_COMMON: Final = re.compile(r"[\x00-\x7f\u4e00-\u9fff：，。、（）]*")
_COMMON_RUNS: Final = re.compile(r"([a-z0-9]+)|([\u4e00-\u9fff]+)")
"""Of letters that are their own fold, as nearly every text has no others: found without looking at each."""


def words(texts: Iterable[str]) -> list[str]:
    """Every word of these texts once, in a fixed order."""
    return sorted(set[str]().union(*map(_words, texts)))


@lru_cache(maxsize=8192)
def _words(text: str) -> frozenset[str]:
    """The words of one text; tickets share most of theirs: clauses, rules, names of sites and machines."""
    found: set[str] = set()
    if _COMMON.fullmatch(text):
        for plain, cjk in _COMMON_RUNS.findall(text.lower()):
            found.update(_of_cjk(cjk) if cjk else (plain[:LONGEST],))
    else:
        for run in runs(text):
            found.update(_of_cjk(run.text) if run.is_cjk else (run.text[:LONGEST],))
    return frozenset(found)


@lru_cache(maxsize=8192)
def known_words(*texts: str) -> frozenset[str]:
    """The words of texts that are asked for again and again: names, clauses, titles."""
    return frozenset(words(texts))


def _of_cjk(text: str) -> list[str]:
    return [*text, *(text[place : place + 2] for place in range(len(text) - 1))]


def ask(text: str) -> Question:
    """What to look up. A word with a letter in it may be the beginning of one; a number must be whole."""
    whole: dict[str, None] = {}
    beginnings: dict[str, None] = {}
    stretches = []
    for run in runs(text):
        if run.is_cjk:
            stretches.append(run.text)
            whole.update(dict.fromkeys(_of_cjk(run.text)[len(run.text) :] or [run.text]))
        elif len(run.text) >= SHORTEST_PREFIX and not run.text.isdecimal():
            beginnings[run.text[:LONGEST]] = None
        else:
            whole[run.text[:LONGEST]] = None
    return Question(tuple(whole)[:MOST_WORDS], tuple(beginnings)[:MOST_WORDS], tuple(stretches))


def marks(text: str, question: Question) -> list[tuple[int, int]]:
    """Where the question is found in a text: from, to, in order, apart from each other."""
    found = []
    for run in runs(text):
        if run.is_cjk:
            found += [(run.start + a, run.start + b) for a, b in _stretches(run.text, question.runs)]
        elif run.text in question.words or any(run.text.startswith(word) for word in question.prefixes):
            found.append((run.start, run.end))
    return found


def _stretches(text: str, wanted: Sequence[str]) -> list[tuple[int, int]]:
    hit = [False] * len(text)
    for one in wanted:
        place = text.find(one)
        while place >= 0:
            hit[place : place + len(one)] = [True] * len(one)
            place = text.find(one, place + 1)
    edges = [
        place for place in range(len(text) + 1) if (place < len(text) and hit[place]) != (place > 0 and hit[place - 1])
    ]
    return list(zip(edges[::2], edges[1::2], strict=True))


def segments(text: str, question: Question, around: int = 0) -> list[tuple[str, bool]]:
    """A text in pieces, each marked or not; with ``around`` only so many letters before and after the first mark."""
    found = marks(text, question)
    low, high = 0, len(text)
    if around and found:
        low, high = max(0, found[0][0] - around), min(len(text), found[0][1] + around)
    pieces, at = [("…", False)] if low else [], low
    for start, end in found:
        if start >= high:
            break
        pieces += [(text[at:start], False), (text[start : min(end, high)], True)]
        at = min(end, high)
    pieces += [(text[at:high], False), ("…" if high < len(text) else "", False)]
    return [piece for piece in pieces if piece[0]]
