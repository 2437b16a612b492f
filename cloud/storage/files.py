"""Storage beside the database: photos and papers as files, in a folder or in any S3-compatible store, through fsspec.

A name is never written twice (``new_name``), so a half-written file belongs to nobody and no two uploads share one. The
sweep of what nobody's row names rests on that (``cloud.tickets.attachments_sweep``).
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import importlib.util
import os
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from cloud.errors import Misconfigured
from contract.conventions import EpochMs
from device_profiles.reading import Finding

_T = TypeVar("_T")
_PATIENCE = {"connect_timeout": 5, "read_timeout": 20, "retries": {"max_attempts": 1}}
_OWN_FAULT = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENOENT)
_REMEDY = "Check files_url, its rights and its credentials (docs/evidence.md)"


class FilesAway(Exception):
    """The store cannot be used now; nothing is lost by trying again later."""


class FileGone(Exception):
    """The store answers, and has no such file."""


@dataclass(frozen=True, slots=True)
class FilesAt:
    """Where files are: ``url`` is a folder or ``s3://bucket/prefix``. Without keys, S3's own usual places are looked at."""

    url: str
    endpoint: str = ""
    region: str = ""
    access_key: str = ""
    secret_key: str = field(default="", repr=False)

    @property
    def is_s3(self) -> bool:
        return self.url.startswith("s3://")

    @property
    def root(self) -> str:
        """The folder, or bucket and prefix, without a slash at the end."""
        if self.is_s3:
            return self.url.removeprefix("s3://").strip("/")
        return str(Path(self.url.removeprefix("file://")))

    def mistake(self) -> str:
        """Why nothing can be kept there, as far as the address tells; empty when it tells nothing."""
        scheme = urlsplit(self.url).scheme
        if scheme not in {"", "file", "s3"}:
            return f"{scheme} is no kind of store for files; write a folder or s3://BUCKET/PREFIX"
        if scheme == "file" and not self.url.startswith("file:///"):
            return "a file address has three slashes: file:///var/lib/plantroom/files"
        if self.is_s3 and not self.root:
            return "names no bucket; write s3://BUCKET/PREFIX"
        if self.is_s3 and importlib.util.find_spec("s3fs") is None:
            return "needs the extra s3, which is not installed: pip install 'plantroom[cloud,s3]'"
        return ""


def new_name(content_hash: str, now: EpochMs, token: str) -> str:
    """``ab/abcd…-1795244700123-k3f9``: found by its content, told apart by when it came and by chance."""
    return f"{content_hash[:2]}/{content_hash}-{now}-{hashlib.sha256(token.encode()).hexdigest()[:8]}"


def written_at(name: str) -> EpochMs | None:
    """When a file of this name was begun; None for a file that is not of ours."""
    parts = name.rpartition("/")[2].partition(".")[0].split("-")
    return int(parts[1]) if len(parts) == 3 and len(parts[0]) == 64 and parts[1].isdigit() else None


class Files:
    """One store of files. Raises FilesAway when it cannot be used now, FileGone for a file that is not there."""

    def __init__(self, at: FilesAt, *, is_inline: bool = False) -> None:
        self.at = at
        self._is_inline = is_inline  # virtual time: no thread
        self._opened: Any = None
        self._broken: tuple[type[Exception], ...] = (OSError, TimeoutError)

    async def write(self, name: str, data: bytes) -> None:
        """Keep a file durably: when this returns it is whole, and stays so through a power cut."""
        await self._do(lambda fs: self._put(fs, self._path(name), data))

    async def read(self, name: str) -> bytes:
        return await self._do(lambda fs: bytes(fs.cat_file(self._path(name))))

    async def remove(self, names: Iterable[str]) -> None:
        """Remove files; one that is not there is as good as removed."""
        paths = [self._path(name) for name in names]
        await self._do(lambda fs: _remove_all(fs, paths))

    async def names(self, prefix: str) -> list[str]:
        """The names in one of the folders ``00`` to ``ff``, in order."""
        found: list[str] = await self._do(lambda fs: sorted(fs.find(self._path(prefix))))
        return ["/".join(path.rsplit("/", 2)[-2:]) for path in found]

    async def check(self) -> None:
        """Write, read and remove a file. Raises Misconfigured for what only the configuration can put right, FilesAway else."""
        try:
            await self._do(self._probe)
        except FilesAway as away:
            if _is_own_fault(away.__cause__):
                raise Misconfigured([Finding("", 0, "files_url", str(away), _REMEDY)]) from away
            raise
        except FileGone as gone:
            message = f"{self.at.url} cannot be used: {gone}"
            raise Misconfigured([Finding("", 0, "files_url", message, _REMEDY)]) from gone

    def _probe(self, fs: Any) -> None:  # noqa: ANN401  fsspec has no types
        path = self._path(f".probe-{secrets.token_hex(4)}")
        self._put(fs, path, b"plantroom")
        if fs.cat_file(path) != b"plantroom":
            raise OSError(errno.EIO, "what was written is not what is read")
        _remove(fs, path)

    def _path(self, name: str) -> str:
        return f"{self.at.root}/{name}"

    def _put(self, fs: Any, path: str, data: bytes) -> None:  # noqa: ANN401
        if self.at.is_s3:
            fs.pipe_file(path, data)
            return
        fs.makedirs(str(Path(path).parent), exist_ok=True)
        fs.pipe_file(path, data)
        _sync(path)
        _sync(str(Path(path).parent))

    async def _do(self, work: Callable[[Any], _T]) -> _T:
        """Do it in a thread. What goes wrong has one of two names, whatever the store."""
        try:
            if self._is_inline:
                return work(self._filesystem())
            return await asyncio.to_thread(lambda: work(self._filesystem()))
        except FileNotFoundError as error:
            raise FileGone(_told(error)) from error
        except self._broken as error:
            raise FilesAway(f"{self.at.url} cannot be used: {_told(error)}") from error

    def _filesystem(self) -> Any:  # noqa: ANN401
        if self._opened is None:
            self._opened = self._s3() if self.at.is_s3 else _local()
        return self._opened

    def _s3(self) -> Any:  # noqa: ANN401
        import s3fs
        from botocore.exceptions import BotoCoreError, ClientError

        self._broken = (OSError, TimeoutError, BotoCoreError, ClientError)
        return s3fs.S3FileSystem(
            key=self.at.access_key or None, secret=self.at.secret_key or None, endpoint_url=self.at.endpoint or None,
            client_kwargs={"region_name": self.at.region} if self.at.region else {}, config_kwargs=_PATIENCE,
            use_listings_cache=False, skip_instance_cache=True,
        )  # fmt: skip


def _local() -> Any:  # noqa: ANN401
    from fsspec.implementations.local import LocalFileSystem

    return LocalFileSystem(skip_instance_cache=True)


def _remove_all(fs: Any, paths: Iterable[str]) -> None:  # noqa: ANN401
    for path in paths:
        _remove(fs, path)


def _remove(fs: Any, path: str) -> None:  # noqa: ANN401
    try:
        fs.rm_file(path)
    except FileNotFoundError:
        return


def _sync(path: str) -> None:
    """What the operating system still holds goes to the disk: of a file, or of a folder's list of names."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _told(error: BaseException) -> str:
    return " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__


def _is_own_fault(error: BaseException | None) -> bool:
    """Whether only the configuration can put it right: rights, a file where a folder should be, wrong credentials."""
    return isinstance(error, PermissionError) or getattr(error, "errno", None) in _OWN_FAULT
