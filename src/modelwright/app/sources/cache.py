"""Models' files that were brought here, each file or folder under its digest; what was used longest ago goes first.

An entry is a folder named by the digest, which holds exactly one file or folder. It appears when it is whole, by one
move, and is never written again.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from modelwright.app.artifacts.digests import PREFIX, digest_of
from modelwright.core.errors.artifacts import ArtifactError
from modelwright.core.quantities import told_size

FOLDER = "artifacts"
"""In the state directory: `blobs/` of the registry, `cache/` of what was fetched."""
INCOMING, DAMAGED = "incoming", "damaged"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
STALE = 7 * 24 * 3600.0
"""Seconds after which what was never completed is thrown away."""


def cache_of(state: Path) -> Path:
    """Where it is."""
    return state / FOLDER / "cache"


def suspect(cache: Path, digest: str) -> bool:
    """What lies there under this digest was found to be something else: whoever needs it next looks for himself.

    False when that could not be written down, or nothing is there.
    """
    name = digest.removeprefix(PREFIX)
    with suppress(OSError):
        if (cache / name).exists():
            (cache / DAMAGED).mkdir(exist_ok=True)
            (cache / DAMAGED / name).touch()
            return True
    return False


class Cache:
    """One folder, used by one process at a time."""

    def __init__(self, folder: Path, *, most: int) -> None:
        """`most` bytes lie there, files aside that lie elsewhere, too, under another name."""
        self._folder = folder
        self._most = most
        self._held: set[str] = set()

    def find(self, digest: str) -> Path | None:
        """The file or folder; held from now on, so that it does not go."""
        entry = self._entry(digest)
        with suppress(FileNotFoundError, NotADirectoryError):
            found = next(entry.iterdir(), None)
            if found is not None and self._is_right(found, digest):
                os.utime(entry)
                self._held.add(digest)
                return found
        return None

    def hold(self, digests: Collection[str]) -> None:
        """These are in use now, and no others."""
        self._held = {*digests}

    def make_room(self, size: int, *, more: int = 0, place: str = "") -> None:
        """Let what was used longest ago go until a file of so many bytes fits, of which `more` have to be written yet.

        Raises ArtifactError when they never fit.
        """
        found = sorted((entry.stat().st_mtime, entry.name, _size(entry)) for entry in self._entries())
        used = sum(bytes_there for _, _, bytes_there in found)
        held = sum(bytes_there for _, name, bytes_there in found if PREFIX + name in self._held)
        if held + size > self._most:
            beside = f", of which {told_size(held)} are being served" if held else ""
            raise ArtifactError(
                f"it takes {told_size(size)}, and the cache holds at most {told_size(self._most)}{beside}",
                hint="raise `store.artifacts.cache`",
                place=place,
            )
        for _, name, bytes_there in found:
            if used + size <= self._most and more <= self._free():
                return
            if PREFIX + name not in self._held:
                self.drop(PREFIX + name)
                used -= bytes_there
        if more > self._free():
            problem = f"{told_size(more)} have to be written yet, and the disk has {told_size(self._free())}"
            raise ArtifactError(problem, hint=f"free some of the disk of {self._folder}", place=place)

    def _free(self) -> int:
        return shutil.disk_usage(self._folder).free if self._folder.exists() else sys.maxsize

    @contextmanager
    def incoming(self, digest: str) -> Iterator[Path]:
        """A folder to put it together in; it stays after a failure, so that another try can go on from there.

        Unless the disk is full: what nobody can complete must not keep it full.
        """
        folder = self._folder / INCOMING / digest.removeprefix(PREFIX)
        self._sweep(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            os.utime(folder)
            yield folder
        except OSError as error:
            if error.errno not in _FULL:
                raise
            shutil.rmtree(folder, ignore_errors=True)
            hint = "free some of the disk, or of what this user may write"
            raise ArtifactError(f"cannot be written: {error.strerror}", hint=hint, place=str(self._folder)) from error

    def admit(self, digest: str, made: Path) -> Path:
        """Take what was put together; where it is from now on."""
        entry, whole = self._entry(digest), made.parent.with_name(f"whole-{made.parent.name}")
        shutil.rmtree(whole, ignore_errors=True)
        whole.mkdir()
        made.rename(whole / made.name)
        if entry.exists():
            self.drop(digest)
        whole.rename(entry)
        shutil.rmtree(made.parent, ignore_errors=True)
        self._held.add(digest)
        return entry / made.name

    def drop(self, digest: str) -> None:
        """Throw it away, out of sight first."""
        gone = self._folder / INCOMING / f"gone-{digest.removeprefix(PREFIX)}-{time.time_ns()}"
        gone.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            self._entry(digest).rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def _is_right(self, found: Path, digest: str) -> bool:
        """Whether it still is what it was; it is read only when somebody has found that it is not."""
        told = self._folder / DAMAGED / digest.removeprefix(PREFIX)
        if told.exists():
            if digest_of(found) != digest:
                self.drop(digest)
            told.unlink(missing_ok=True)
        return found.exists()

    def _entry(self, digest: str) -> Path:
        return self._folder / digest.removeprefix(PREFIX)

    def _entries(self) -> list[Path]:
        if not self._folder.exists():
            return []
        return [path for path in self._folder.iterdir() if path.name not in {INCOMING, DAMAGED} and path.is_dir()]

    def _sweep(self, keep: Path) -> None:
        """What was never completed: after a time, and sooner when so much of it is there that it passes the bound."""
        folder = self._folder / INCOMING
        if not folder.exists():
            return
        used = 0
        for left in sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True):
            used += _size(left)
            is_old = left.name.startswith("gone-") or left.stat().st_mtime < time.time() - STALE
            if left != keep and (is_old or used > self._most):
                shutil.rmtree(left, ignore_errors=True)


def _size(entry: Path) -> int:
    """Bytes that would be free without it: a file that has another name elsewhere takes no room here."""
    files = (path.stat() for path in entry.rglob("*") if path.is_file())
    return sum(stat.st_size for stat in files if stat.st_nlink == 1)
