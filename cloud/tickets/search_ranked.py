"""A question → tickets, best first. The database finds, Python ranks: the order is the same on both databases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.storage import tables as t
from cloud.tickets import search_pages
from cloud.tickets.search_filter import Wanted
from cloud.tickets.search_index import Document, documents
from cloud.tickets.search_pages import Count
from cloud.tickets.search_words import Question, known_words, segments
from contract.conventions import EpochMs

CANDIDATES: Final = 30
"""How many of the newest that have every word are ranked, of open ones and of all."""
WEIGHTS: Final[Mapping[str, int]] = {"number": 40, "title": 20, "equipment": 16, "description": 12, "cause": 10, "action": 10, "place": 8,
                                     "clause": 8, "reporter": 6, "contact": 6, "note": 5}  # fmt: skip
_OTHER, _OPEN, AROUND = 3, 15, 60


@dataclass(frozen=True, slots=True)
class Hit:
    """A ticket that was found: where it says so, in marked pieces."""

    number: int
    field: str
    pieces: tuple[tuple[str, bool], ...]


async def best(connection: AsyncConnection, question: Question, now: EpochMs, most: int) -> tuple[list[Hit], Count]:
    """The best of the newest tickets with every word of the question, open ones first among equals; how many there are."""
    found: dict[int, None] = {}
    for is_open in (True, None):
        page = await search_pages.page(connection, Wanted(is_open=is_open, question=question), now, CANDIDATES)
        found |= dict.fromkeys(page.numbers)
    total = await search_pages.count(connection, Wanted(question=question), now, 1000)
    open_ones = set(await _open(connection, list(found)))
    scored = [
        (score(one, question) + _OPEN * (one.number in open_ones), one)
        for one in await documents(connection, list(found))
    ]
    scored.sort(key=lambda pair: (-pair[0], -pair[1].number))
    return [hit(one, question) for _, one in scored[:most]], total


async def _open(connection: AsyncConnection, numbers: list[int]) -> list[int]:
    query = select(t.ticket.c.id).where(t.ticket.c.id.in_(numbers), t.ticket.c.closed_at.is_(None))
    return list((await connection.execute(query)).scalars())


def score(document: Document, question: Question) -> int:
    """Each word of the question counts by the best field in which it stands; whole words count more than beginnings."""
    weights: dict[str, int] = {}
    for field, text in document.fields:
        weight = WEIGHTS.get(field, _OTHER)
        for word in known_words(text):
            weights[word] = max(weights.get(word, 0), weight)
    whole = sum(2 * weights.get(word, 0) for word in question.words)
    begun = [max((weight * (2 if word == one else 1) for word, weight in weights.items() if word.startswith(one)), default=0)
             for one in question.prefixes]  # fmt: skip
    return whole + sum(begun)


def hit(document: Document, question: Question) -> Hit:
    """The field that tells best why it was found, besides title and number, which are shown anyway."""
    best_field, best_marks = "", 0
    pieces: tuple[tuple[str, bool], ...] = ()
    for field, text in document.fields:
        if field in {"number", "title", "equipment", "rule"}:
            continue
        found = tuple(segments(text, question, AROUND))
        marked = sum(is_hit for _, is_hit in found)
        if marked > best_marks:
            best_field, best_marks, pieces = field, marked, found
    return Hit(document.number, best_field, pieces)
