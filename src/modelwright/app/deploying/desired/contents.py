"""What a deploy brings along, by digest: files and secrets that are in memory, weights that are read as they go."""

from __future__ import annotations

import asyncio
import tarfile
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

from modelwright.app.artifacts.companions import companions
from modelwright.app.artifacts.digests import digest_of_folder, marks_of
from modelwright.app.artifacts.files import files_in
from modelwright.app.deploying.desired.grounds.sources import Sources
from modelwright.app.sources.located import Located
from modelwright.core.deploying.made import content_digest, secret_digest
from modelwright.core.errors.deploying import StepFailed

FOLDER = "model"
"""What a model that is a folder is called within its volume."""
_PIECE = 1 << 20


class Brought:
    """Filled while a description is made, read while it is carried out; it is the port Contents."""

    def __init__(self, salt: str) -> None:
        self._salt = salt
        self._held: dict[str, bytes] = {}
        self._weights: dict[str, Located] = {}
        self._sources: dict[str, Sources] = {}

    def file(self, content: bytes) -> str:
        """Its digest."""
        return self._hold(content_digest(content), content)

    def secret(self, content: str) -> str:
        """Its digest, which tells nothing of it."""
        encoded = content.encode()
        return self._hold(secret_digest(self._salt, encoded), encoded)

    def weights(self, model: Located) -> str:
        """The digest of a volume with a model's files, under their own names; of a folder's, below FOLDER."""
        path = Path(model.path)
        alone = path.is_file() and not companions(path)
        digest = digest_of_folder({path.name: model.digest}) if alone else model.digest
        self._weights[digest] = model
        return digest

    def sources(self, sources: Sources) -> str:
        """The digest of a folder with a program's."""
        self._sources[sources.digest] = sources
        return sources.digest

    async def read(self, digest: str) -> AsyncIterator[bytes]:
        """As Contents says."""
        if digest in self._held:
            yield self._held[digest]
            return
        if digest not in {*self._weights, *self._sources}:
            raise StepFailed(f"the content {digest} is not here", hint="deploy from where the manifest's files are")
        pieces = self._sources[digest].tar() if digest in self._sources else _tar(self._weights[digest])
        while (piece := await asyncio.to_thread(next, pieces, b"")) != b"":
            yield piece

    def _hold(self, digest: str, content: bytes) -> str:
        self._held[digest] = content
        return digest


def place_within(model: Located) -> str:
    """Where the model lies within its volume."""
    path = Path(model.path)
    return FOLDER if path.is_dir() else path.name


def _tar(model: Located) -> Iterator[bytes]:
    """The same bytes for the same files, whenever and by whomever they were written. Raises StepFailed."""
    path = Path(model.path)
    try:
        if model.marks and marks_of(path) != model.marks:
            raise StepFailed(f"{model.source} was changed since the plan was made", hint="plan again")
        yield from _members(_files(path))
    except OSError as error:
        raise StepFailed(f"{model.source} cannot be read: {error.strerror}", hint="let this user read it") from error


def _files(path: Path) -> list[tuple[str, Path]]:
    if path.is_dir():
        return [(f"{FOLDER}/{name}", path / name) for name in sorted(files_in(path))]
    return [(name, path.parent / name) for name in (path.name, *companions(path))]


def _members(files: Sequence[tuple[str, Path]]) -> Iterator[bytes]:
    folders: set[str] = set()
    for name, file in files:
        for above in [str(one) for one in reversed(Path(name).parents) if str(one) != "."]:
            if above not in folders:
                folders.add(above)
                yield _head(above, mode=0o555, kind=tarfile.DIRTYPE)
        size = file.stat().st_size
        yield _head(name, mode=0o444, size=size)
        with file.open("rb") as opened:
            left = size
            while left and (piece := opened.read(min(_PIECE, left))):
                left -= len(piece)
                yield piece
        if left:
            raise StepFailed(f"{file.name} was cut while it was read", hint="plan again")
        yield bytes(-size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _head(name: str, *, mode: int, size: int = 0, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.mode, info.size, info.type = mode, size, kind
    return info.tobuf(tarfile.PAX_FORMAT)
