"""Blobs in a folder: each a file that nobody may write, moved in as a whole when it is complete.

Hosts can share the folder where their file system moves a file as a whole, as NFS does.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import inf
from pathlib import Path
from typing import BinaryIO

from modelwright.adapters.blobs.names import copy_checked, digest_from, missing, name_of
from modelwright.core.errors.artifacts import ArtifactDamaged, SourceUnavailable
from modelwright.core.ports.registry import Blob

INCOMING, LOCK = "incoming", "lock"
STALE = 24 * 3600.0
"""Seconds after which a file that was never completed is thrown away."""
_READ_ONLY = 0o444
_CLONE = 0x40049409
"""FICLONE: on file systems that can, a copy that shares its blocks with the original (ioctl_ficlone(2))."""


class LocalBlobs:
    """Those of one folder, made at the first `put`."""

    def __init__(self, folder: Path) -> None:
        self.place = str(folder)
        self._folder = folder

    def put(self, file: Path, digest: str) -> bool:
        kept = self._folder / name_of(digest)
        with self._explained():
            if self._is_kept(kept, digest):
                return False
            kept.parent.mkdir(parents=True, exist_ok=True)
            with file.open("rb") as source, self._incoming() as (part, out):
                copy(source, out, digest=digest, place=str(file))
                out.flush()
                _close(out)
                os.fsync(out.fileno())
                part.replace(kept)
            _sync(kept.parent)
        return True

    def fetch(self, digest: str, to: Path, *, lasting: bool = False) -> None:
        kept = self._folder / name_of(digest)
        try:
            source = kept.open("rb")
        except FileNotFoundError:
            raise missing(digest, self.place) from None
        except OSError as error:
            raise self._unavailable(error) from error
        with source:
            if lasting and _linked(kept, to):
                try:
                    copy_checked(source.read, None, digest=digest, place=str(kept))
                except BaseException:
                    to.unlink(missing_ok=True)
                    raise
                return
            write_checked(source, to, digest=digest, place=str(kept))

    def held(self) -> Iterator[Blob]:
        for path in self._folder.glob("sha256/*/*"):
            digest = digest_from(path.relative_to(self._folder).as_posix())
            with suppress(FileNotFoundError):
                found = path.stat()
                if digest is not None:
                    yield Blob(digest=digest, size=found.st_size, since=found.st_mtime)

    def drop(self, digest: str, *, before: float = inf) -> bool:
        kept = self._folder / name_of(digest)
        with (
            self._explained(),
            suppress(FileNotFoundError, BlockingIOError),
            self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB),
        ):
            if kept.stat().st_mtime < before:
                kept.unlink()
                return True
        return False

    def _is_kept(self, kept: Path, digest: str) -> bool:
        """Whether it is there and whole, and counts as new from now on; one that is damaged is put there anew."""
        try:
            with kept.open("rb") as held, self._locked(fcntl.LOCK_SH):  # nobody drops it meanwhile
                copy_checked(held.read, None, digest=digest, place=str(kept))
                os.utime(kept)
        except (FileNotFoundError, ArtifactDamaged):
            return False
        return True

    @contextmanager
    def _locked(self, kind: int) -> Iterator[None]:
        """Where a file system knows no locks, without one. Raises BlockingIOError for a kind that does not wait."""
        with (self._folder / LOCK).open("ab") as lock:
            try:
                fcntl.flock(lock, kind)
            except OSError as error:
                if error.errno not in {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}:
                    raise
            yield

    @contextmanager
    def _incoming(self) -> Iterator[tuple[Path, BinaryIO]]:
        """A file that is not yet there for anybody; what earlier ones have left is thrown away in time."""
        folder = self._folder / INCOMING
        folder.mkdir(exist_ok=True)
        for left in folder.iterdir():
            with suppress(FileNotFoundError):
                if left.stat().st_mtime < time.time() - STALE:
                    left.unlink()
        part = folder / secrets.token_hex(16)
        try:
            with part.open("xb") as out:
                yield part, out
        finally:
            part.unlink(missing_ok=True)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if not str(error.filename or self._folder).startswith(str(self._folder)):
                raise
            raise self._unavailable(error) from error

    def _unavailable(self, error: OSError) -> SourceUnavailable:
        hint = "see that it is there, that this user may write it, and that the disk has space"
        return SourceUnavailable(f"cannot be used: {error.strerror}", hint=hint, place=self.place)


def write_checked(source: BinaryIO, to: Path, *, digest: str, place: str) -> None:
    """A read-only copy; none after a failure. Raises ArtifactDamaged and OSError."""
    try:
        with to.open("xb") as out:
            copy(source, out, digest=digest, place=place)
            _close(out)
    except FileExistsError:
        raise
    except BaseException:
        to.unlink(missing_ok=True)
        raise


def copy(source: BinaryIO, out: BinaryIO, *, digest: str, place: str) -> None:
    """All of it, sharing its blocks where the file system can; what was written is what is looked at."""
    try:
        fcntl.ioctl(out.fileno(), _CLONE, source.fileno())
    except OSError:
        copy_checked(source.read, out, digest=digest, place=place)
        return
    with Path(f"/proc/self/fd/{out.fileno()}").open("rb") as written:
        copy_checked(written.read, None, digest=digest, place=place)


def _close(out: BinaryIO) -> None:
    """Nobody writes it from now on; who reads it, the umask says."""
    os.fchmod(out.fileno(), os.fstat(out.fileno()).st_mode & _READ_ONLY)


def _linked(kept: Path, to: Path) -> bool:
    """False where there can be no second name: on another file system, or past its bound of names."""
    try:
        to.hardlink_to(kept)
    except FileExistsError:
        raise
    except OSError:
        return False
    return True


def _sync(folder: Path) -> None:
    """So that the name is still there after a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
