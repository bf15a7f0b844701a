"""Where backups are kept: a folder, or a bucket of S3, whose library is loaded only for it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from modelwright.app.sources.reference import S3, form_of, in_bucket
from modelwright.app.sources.section import ArtifactsSection
from modelwright.app.sources.stores import open_bucket
from modelwright.core.errors.backups import BackupError, RestoreError

_SCRATCH = "modelwright-backup-"


class Shelf(Protocol):
    """One such place."""

    def shown(self, name: str) -> str:
        """A backup there, as `modelwright restore` takes it."""
        ...

    def names(self) -> list[str]: ...

    def put(self, name: str, fill: Callable[[Path], int]) -> int:
        """What `fill` writes, whole or not at all; its size."""
        ...

    def remove(self, name: str) -> None: ...


class Folder:
    """One of this machine."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def shown(self, name: str) -> str:
        return str(self._path / name)

    def names(self) -> list[str]:
        return [one.name for one in self._path.glob("*")]

    def put(self, name: str, fill: Callable[[Path], int]) -> int:
        return fill(self._path / name)

    def remove(self, name: str) -> None:
        (self._path / name).unlink(missing_ok=True)


class Bucket:
    """Keys below a prefix; what is sent lies here, encrypted, until all of it is there."""

    def __init__(self, bucket: Any, prefix: str) -> None:
        """`prefix` is empty or ends with a slash."""
        self._bucket = bucket
        self._prefix = prefix

    def shown(self, name: str) -> str:
        return f"{self._bucket.place}/{self._prefix}{name}"

    def names(self) -> list[str]:
        return [one.key.removeprefix(self._prefix) for one in self._bucket.list(self._prefix)]

    def put(self, name: str, fill: Callable[[Path], int]) -> int:
        with tempfile.TemporaryDirectory(prefix=_SCRATCH) as scratch:
            size = fill(Path(scratch) / name)
            self._bucket.write(self._prefix + name, Path(scratch) / name)
        return size

    def remove(self, name: str) -> None:
        self._bucket.remove(self._prefix + name)


@contextmanager
def shelf_at(to: str, *, base: Path, section: ArtifactsSection) -> Iterator[Shelf]:
    """`section` says where S3 is; a folder is looked for from `base` on. Raises MissingExtra, BackupError."""
    if form_of(to) != S3:
        if "://" in to:
            raise BackupError(f"{to} is no place for backups", hint="name a folder, or s3://bucket/prefix")
        yield Folder(base / to)
        return
    where, what = in_bucket(to)
    bucket = open_bucket(section, where)
    try:
        yield Bucket(bucket, f"{what.strip('/')}/" if what.strip("/") else "")
    finally:
        bucket.close()


@contextmanager
def fetched(archive: str, *, section: ArtifactsSection) -> Iterator[Path]:
    """A backup as a file of this machine, as long as it is used. Raises MissingExtra, RestoreError."""
    if form_of(archive) != S3:
        yield Path(archive)
        return
    where, key = in_bucket(archive)
    bucket = open_bucket(section, where)
    with tempfile.TemporaryDirectory(prefix=_SCRATCH) as scratch:
        file = Path(scratch) / "backup"
        try:
            with file.open("wb") as out:
                out.writelines(bucket.read(key))
        except OSError as error:
            raise RestoreError(f"{archive} cannot be fetched: {error.strerror}", hint="make room") from error
        finally:
            bucket.close()
        yield file
