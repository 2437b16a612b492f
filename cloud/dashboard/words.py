"""dashboard: the interface's own words. Reads locales/ once; everything after that is pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, get_args

import yaml

Language = Literal["en", "zh"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)
LOCALES: Final = Path(__file__).parent / "locales"


@dataclass(frozen=True, slots=True)
class Words:
    """One language. Called with a key it gives the sentence; a missing key raises KeyError (a test finds it first)."""

    language: Language
    entries: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> str:
        sentence = self.entries[key]
        return sentence.format(**values) if values else sentence

    def count(self, key: str, number: int, **values: object) -> str:
        """``key.one`` or ``key.other`` with ``{n}``; Chinese has one form, written under ``other``."""
        form = "one" if number == 1 and f"{key}.one" in self.entries else "other"
        return self(f"{key}.{form}", n=number, **values)

    def has(self, key: str) -> bool:
        return key in self.entries

    def or_id(self, prefix: str, name: str) -> str:
        """The word for an id that another version may have added: ours, or the id in plain letters."""
        return self.entries.get(f"{prefix}.{name}", name.replace("_", " "))

    def text(self, names: Mapping[str, str] | str | None, otherwise: str = "") -> str:
        """A text that comes in both languages, in this one; falls back to the other rather than to nothing."""
        if isinstance(names, str):
            return names or otherwise
        if not names:
            return otherwise
        return names.get(self.language) or next((text for text in names.values() if text), otherwise)

    @property
    def tag(self) -> str:
        """The document's language tag."""
        return "zh-CN" if self.language == "zh" else "en"


def flatten(node: Mapping[Any, object], prefix: str = "") -> dict[str, str]:
    """Nested keys to dotted ones. Raises TypeError for a leaf that is not text."""
    flat: dict[str, str] = {}
    for key, value in node.items():
        if not isinstance(key, str):
            msg = f"{prefix}{key}: YAML reads this key as {type(key).__name__}; quote it"
            raise TypeError(msg)
        path = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{path}.")
        elif isinstance(value, str):
            flat[path] = value
        else:
            msg = f"{path}: {value!r} is not text; quote it"
            raise TypeError(msg)
    return flat


@cache
def load(language: Language) -> Words:
    """The words of one language, read once: ``en.yaml`` and, a part of the product each, ``en/*.yaml``."""
    entries: dict[str, str] = {}
    for path in (LOCALES / f"{language}.yaml", *sorted((LOCALES / language).glob("*.yaml"))):
        found = flatten(yaml.safe_load(path.read_text(encoding="utf-8")))
        if twice := found.keys() & entries.keys():
            msg = f"{path}: {', '.join(sorted(twice))} is said in another file too"
            raise ValueError(msg)
        entries |= found
    return Words(language, entries)


def negotiate(cookie: str, user: str, accept: str) -> Language:
    """The reader's choice, then the user's setting, then the browser's first language of ours, else English."""
    for choice in (cookie, user, *_accepted(accept)):
        if choice in LANGUAGES:
            return choice
    return "en"


def _accepted(header: str) -> list[str]:
    """``zh-CN,zh;q=0.9,en;q=0.8`` to primary tags, best first. A header that cannot be read counts as none."""
    weighted: list[tuple[float, str]] = []
    for part in header.split(","):
        tag, _, weight = part.strip().partition(";q=")
        try:
            weighted.append((float(weight or 1), tag.split("-")[0].lower()))
        except ValueError:
            continue
    return [tag for _, tag in sorted(weighted, key=lambda pair: -pair[0])]
