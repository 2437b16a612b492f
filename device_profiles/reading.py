"""Ground floor: YAML with the line of every node, and each mistake as a Finding with its remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

NodePath = tuple[str | int, ...]
"""Where in a document: ``("rules", "overload", "when")``."""
_MOST_NODES = 500_000
_Model = TypeVar("_Model", bound=BaseModel)
_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One mistake of a user's file: what, where, and what to do. ``line`` counts from 1; 0 means the whole file."""

    file: str
    line: int
    path: str
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        parts = [*filter(None, [place, self.path]), self.message.rstrip(".")]
        return ": ".join(parts) + (f". {self.remedy}" if self.remedy else "")


class LibraryError(Exception):
    """A file that cannot be used. ``findings`` holds every mistake at once."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("\n".join(str(finding) for finding in findings))
        self.findings = tuple(findings)


@dataclass(slots=True)
class LineMap:
    """Line of every node of one document."""

    lines: dict[NodePath, int] = field(default_factory=dict)

    def line(self, path: NodePath) -> int:
        """Line of the node, or of the nearest one around it that exists; 1 for an empty document."""
        for length in range(len(path), -1, -1):
            if (line := self.lines.get(path[:length])) is not None:
                return line
        return 1


def show_path(path: Iterable[str | int]) -> str:
    """``("devices", 2, "model")`` as people read it: ``devices[2].model``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def finding(file: Path | str, lines: LineMap, path: Sequence[str | int], message: str, remedy: str) -> Finding:
    """A finding at a node of a document that has been read."""
    return Finding(str(file), lines.line(tuple(path)), show_path(path), message, remedy)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The remedy for an unknown name: the nearest known one, or the list when it is short."""
    names = list(known)
    if near := difflib.get_close_matches(word, names, n=1, cutoff=0.6):
        return f"Did you mean {near[0]}?"
    return f"Known here: {', '.join(names)}" if 0 < len(names) <= 16 else "Nothing by a similar name is known here"


# --- YAML with lines --------------------------------------------------------------------------------------------


def load_yaml(path: Path) -> tuple[Any, LineMap]:
    """One document and the line of every node. Keys are text as written (``on`` stays ``on``); dates stay text.

    Raises LibraryError with every mistake: a file that cannot be read, text that is no YAML, keys written twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise LibraryError([Finding(str(path), 0, "", "there is no such file", "Check the name")]) from None
    except UnicodeDecodeError as error:
        raise LibraryError(
            [Finding(str(path), 0, "", f"is not UTF-8 text: {error.reason}", "Save it as UTF-8")]
        ) from None
    except OSError as error:
        reason = error.strerror or "unreadable"
        raise LibraryError(
            [Finding(str(path), 0, "", f"cannot be read: {reason}", "Check the path and its rights")]
        ) from None
    return parse_yaml(text, path)


def parse_yaml(text: str, path: Path | str) -> tuple[Any, LineMap]:
    """As ``load_yaml``, from text; ``path`` is what findings name."""
    try:
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        raise LibraryError([_not_yaml(error, path)]) from None
    reader = _Reader(str(path))
    data = reader.build(root, ()) if root is not None else None
    if reader.findings:
        raise LibraryError(reader.findings)
    return data, reader.lines


def _not_yaml(error: yaml.YAMLError, path: Path | str) -> Finding:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "not readable as YAML"
    return Finding(
        str(path), mark.line + 1 if mark else 0, "", f"is not YAML: {problem}",
        "Check the indentation (spaces, no tabs), the brackets and quotes around text with a colon",
    )  # fmt: skip


class _Reader:
    """Turns nodes into plain values, noting lines and keys written twice."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines = LineMap()
        self.findings: list[Finding] = []
        self._scalars: Any = yaml.SafeLoader("")
        self._open: list[int] = []
        self._count = 0

    def build(self, node: yaml.Node, path: NodePath) -> Any:  # noqa: ANN401 - a document holds anything
        self.lines.lines.setdefault(path, node.start_mark.line + 1)
        self._count += 1
        if id(node) in self._open or self._count > _MOST_NODES:
            self._wrong(node, path, "refers to itself or repeats without end", "Write it out instead of using an alias")
            return None
        self._open.append(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode):
                return [self.build(child, (*path, index)) for index, child in enumerate(node.value)]
            return self._scalar(node, path)
        finally:
            self._open.pop()

    def _mapping(self, node: yaml.MappingNode, path: NodePath) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is None:
                self._wrong(key_node, path, "a key is a list or a mapping", "Use plain text as the key")
            elif key_node.tag == "tag:yaml.org,2002:merge":
                merged |= self._merge(value_node, path)
            elif key in own:
                self._wrong(key_node, (*path, key), "is written twice", "Keep one of the two")
            else:
                self.lines.lines[*path, key] = key_node.start_mark.line + 1
                own[key] = self.build(value_node, (*path, key))
        return merged | own

    def _merge(self, node: yaml.Node, path: NodePath) -> dict[str, Any]:
        parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
        merged: dict[str, Any] = {}
        for part in reversed(parts):
            built = self.build(part, path)
            merged |= built if isinstance(built, dict) else {}
        return merged

    def _scalar(self, node: yaml.Node, path: NodePath) -> Any:  # noqa: ANN401
        if node.tag == "tag:yaml.org,2002:timestamp":
            return node.value
        try:
            return self._scalars.construct_object(node, deep=True)
        except (yaml.YAMLError, ValueError) as error:
            self._wrong(node, path, f"cannot be read: {getattr(error, 'problem', None) or error}", "Put text in quotes")
            return None

    def _wrong(self, node: yaml.Node, path: NodePath, message: str, remedy: str) -> None:
        self.findings.append(Finding(self.file, node.start_mark.line + 1, show_path(path), message, remedy))


# --- validation -------------------------------------------------------------------------------------------------


def validate(
    model_cls: type[_Model], data: object, lines: LineMap, file: Path | str
) -> tuple[_Model | None, list[Finding]]:
    """The document as a model, or None and every mistake in it."""
    if not isinstance(data, Mapping):
        known = ", ".join(model_cls.model_fields)
        return None, [Finding(str(file), 1, "", "holds no mapping of keys to values", f"Write keys such as {known}")]
    try:
        return model_cls.model_validate(data), []
    except ValidationError as error:
        found = (_explain(model_cls, data, lines, file, detail) for detail in error.errors(include_url=False))
        return None, list(dict.fromkeys(found))


def _explain(
    model_cls: type[BaseModel], data: object, lines: LineMap, file: Path | str, detail: ErrorDetails
) -> Finding:
    path = tuple(walk(data, detail["loc"]))
    message, remedy = _in_words(detail, _keys_at(model_cls, path[:-1]))
    if detail["type"] == "missing":
        path = (*path, detail["loc"][-1]) if path[-1:] != detail["loc"][-1:] else path
    return finding(file, lines, path, message, remedy)


def walk(data: object, location: Sequence[str | int]) -> Iterator[str | int]:
    """The parts of a pydantic location that are places in the document; it also names types and validators."""
    for part in location:
        is_index = isinstance(data, list) and isinstance(part, int) and part < len(data)
        if not is_index and not (isinstance(data, Mapping) and part in data):
            continue
        data = data[part]  # type: ignore[index]  # one of the two lines above made sure
        yield part


def _in_words(detail: ErrorDetails, known: Sequence[str]) -> tuple[str, str]:
    """Message and remedy of one error."""
    kind, last = detail["type"], str(detail["loc"][-1]) if detail["loc"] else ""
    if kind == "extra_forbidden":
        return "is not a key here", did_you_mean(last, known)
    if kind == "missing":
        return "is missing", f"Add {last}:"
    if kind == "literal_error":
        expected = str(detail.get("ctx", {}).get("expected", ""))
        words = [word.strip().strip("'") for word in expected.replace(" or ", ", ").split(",")]
        remedy = did_you_mean(str(detail["input"]), words) if len(words) <= 40 else f"Write one of {expected}"
        return f"{detail['input']!r} is not allowed", remedy
    if kind == "value_error":
        message, _, remedy = str(detail["ctx"]["error"]).partition("; ")
        return message, remedy[:1].upper() + remedy[1:] if remedy else ""
    if kind == "too_short":
        return "is empty", "Add at least one"
    message = "holds keys and values" if kind in _MAPPINGS else detail["msg"][:1].lower() + detail["msg"][1:]
    return f"{message}, not {_brief(detail['input'])}", _type_remedy(kind)


_MAPPINGS = ("model_type", "model_attributes_type", "dict_type")


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _type_remedy(kind: str) -> str:
    if kind == "string_type":
        return 'Put it in quotes, such as "0.9"'
    if kind in _MAPPINGS:
        return "Write key: value below it"
    if kind.endswith(("_parsing", "_type")):
        return "Write a value of that kind"
    return "Change it to fit"


def _keys_at(model_cls: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    """Keys that the model at ``path`` knows."""
    here: Any = model_cls
    for part in path:
        if isinstance(here, type) and issubclass(here, BaseModel):
            known = here.model_fields.get(str(part)) or next(
                (one for one in here.model_fields.values() if one.alias == part), None
            )
            here = known.annotation if known else None
        else:
            here = _item_of(here)
    model = _model_in(here)
    return [one.alias or name for name, one in model.model_fields.items()] if model else []


def _item_of(annotation: object) -> object:
    arguments = get_args(annotation)
    return arguments[-1] if arguments else None


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, (_model_in(part) for part in get_args(annotation))), None)
