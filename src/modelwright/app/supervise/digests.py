"""Digests of model files, remembered by size and time of change: a large file is read once; no name is trusted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from modelwright.app.manifest.files import digest_of
from modelwright.app.whole_file import write_whole
from modelwright.core.errors.starting import BadModelFile

FILE = "digests.json"


class _Seen(msgspec.Struct, frozen=True):
    size: int
    changed: int
    """Nanoseconds."""
    inode: int
    digest: str


def model_digests(state: Path, sources: Mapping[str, Path]) -> dict[str, str]:
    """`sha256:…` of every model's file, by model; raises BadModelFile for one that cannot be read."""
    known = _known(state / FILE)
    seen = {str(path): _seen(path, known.get(str(path))) for path in sources.values()}
    if seen != known:
        write_whole(state / FILE, msgspec.json.encode(seen))
    return {model: seen[str(path)].digest for model, path in sources.items()}


def _seen(path: Path, before: _Seen | None) -> _Seen:
    try:
        found = path.stat()
        if before and (before.size, before.changed, before.inode) == (found.st_size, found.st_mtime_ns, found.st_ino):
            return before
        return _Seen(found.st_size, found.st_mtime_ns, found.st_ino, digest_of(path))
    except OSError as error:
        raise BadModelFile(f"cannot be read: {error.strerror}", place=str(path), hint="check the path") from error


def _known(file: Path) -> dict[str, _Seen]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, _Seen])
    except (OSError, msgspec.MsgspecError):
        return {}
