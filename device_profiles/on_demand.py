"""Ground floor: the library as one site needs it. A gateway starts in a second because it reads the few files it uses.

The shipped files were checked whole before they were shipped (``plantroom-edge library check``, and a test). A site's own
folder is read and checked at once, every file of it, against what it leans on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from device_profiles.library import SHIPPED, Library, LibraryError, Shelf, load
from device_profiles.schema import Clause, DeviceModel, EquipmentClass

_One = TypeVar("_One", bound=BaseModel)


class Files(Mapping[str, _One]):
    """Ids to what their files say, each read when it is first asked for. A file is named after the id in it.

    ``own`` are a site's, in the place of the shipped ones where there are such.
    """

    def __init__(self, paths: Iterable[Path], read: Callable[[Path], _One], own: Mapping[str, _One]) -> None:
        self._paths = {path.stem: path for path in paths}
        self._read = read
        self._known = dict(own)
        self._names = dict.fromkeys([*self._paths, *own])

    def __getitem__(self, name: str) -> _One:
        if name not in self._known:
            self._known[name] = self._read(self._paths[name])
        return self._known[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class _Clauses(Mapping[str, Clause]):
    """The clauses, which share one file."""

    @cached_property
    def _known(self) -> Mapping[str, Clause]:
        shelf = Shelf()
        shelf.read(SHIPPED / "clauses.yaml", SHIPPED, "clause")
        return shelf.clauses

    def __getitem__(self, name: str) -> Clause:
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def load_needed(extra: Sequence[Path] = ()) -> Library:
    """The shipped library, read as it is asked for, with the folders of ``extra`` on top. Raises LibraryError as ``load``.

    Own classes and clauses change what shipped models and rules mean: then everything is read and checked whole.
    """
    if any(_changes_meaning(folder) for folder in extra):
        return load(extra)
    classes = Files(sorted((SHIPPED / "classes").glob("*.yaml")), _class, {})
    own = Shelf(classes=classes)
    for folder in extra:
        own.read_folder(folder)
    own.cross_check()
    if own.findings:
        raise LibraryError(sorted(own.findings))
    models = Files(sorted((SHIPPED / "models").glob("*/*.yaml")), _model, own.models)
    return Library(_Clauses(), classes, models)


def _changes_meaning(folder: Path) -> bool:
    return not folder.is_dir() or (folder / "clauses.yaml").exists() or any((folder / "classes").glob("*.yaml"))


def _class(path: Path) -> EquipmentClass:
    return _read(path, "class").classes[path.stem]


def _model(path: Path) -> DeviceModel:
    return _read(path, "model").models[path.stem]


def _read(path: Path, kind: str) -> Shelf:
    shelf = Shelf()
    shelf.read(path, SHIPPED, kind)
    if shelf.findings:
        raise LibraryError(shelf.findings)
    return shelf
