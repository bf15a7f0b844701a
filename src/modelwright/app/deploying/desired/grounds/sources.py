"""A program's sources as content: known by a digest, and packed as they are read."""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

from modelwright.adapters.images.context import listed
from modelwright.core.errors.deploying import DeployError, StepFailed
from modelwright.deploy.images.programs import ignored

IGNORE = ".dockerignore"
_PIECE = 1 << 20


class Sources:
    """Of one folder, without what is no source."""

    def __init__(self, folder: Path, *, place: str) -> None:
        """`place`: where the folder is named. Raises DeployError for what cannot be read."""
        self._folder = folder
        try:
            ignore = folder / IGNORE
            own = ignore.read_text("utf-8", "replace") if ignore.is_file() else ""
            self._names = listed(folder, ignored(own))
            self.digest = self._digested()
        except OSError as error:
            words = f"{error.filename or folder} cannot be read: {error.strerror}"
            raise DeployError(words, hint="let this user read it", place=place) from error

    def tar(self) -> Iterator[bytes]:
        """In pieces; raises StepFailed when it is not what it was."""
        changed = StepFailed(f"{self._folder} was changed since the plan was made", hint="plan again")
        try:
            for name in self._names:
                path, info = self._folder / name, tarfile.TarInfo(name)
                if path.is_symlink():
                    info.type, info.linkname = tarfile.SYMTYPE, os.readlink(path)  # noqa: PTH115 - its text
                    yield info.tobuf(tarfile.PAX_FORMAT)
                    continue
                content = path.read_bytes()
                info.mode, info.size = _mode(path), len(content)
                yield info.tobuf(tarfile.PAX_FORMAT)
                for start in range(0, len(content), _PIECE):
                    yield content[start : start + _PIECE]
                yield bytes(-len(content) % tarfile.BLOCKSIZE)
            if self._digested() != self.digest:
                raise changed
        except OSError as error:
            raise changed from error
        yield bytes(2 * tarfile.BLOCKSIZE)

    def _digested(self) -> str:
        whole = hashlib.sha256()
        for name in self._names:
            path = self._folder / name
            if path.is_symlink():
                whole.update(f"{name}\0link\0{os.readlink(path)}\n".encode())  # noqa: PTH115 - its text
                continue
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            whole.update(f"{name}\0{_mode(path)}\0{content}\n".encode())
        return "sha256:" + whole.hexdigest()


def _mode(path: Path) -> int:
    return 0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644
