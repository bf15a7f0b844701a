"""Digests of model files and folders, remembered by size and time of change: a large file is read once.

The digest of a file is that of its content. The digest of a folder is that of a text with a line for each of its files,
sorted by path: `sha256sum`'s line for it, the path relative to the folder. A model's file with companions (an IR's
weights, what an ONNX file keeps elsewhere) counts as a folder of just these.
What is remembered makes a start short, and is no promise: where somebody has said what a digest has to be, whoever
loads the file reads all of it once more.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from modelwright.app.artifacts.companions import companions
from modelwright.app.artifacts.files import files_in, open_file
from modelwright.app.whole_file import write_whole
from modelwright.core.errors.starting import BadModelFile

FILE = "digests.json"
PREFIX = "sha256:"


class _Seen(msgspec.Struct, frozen=True):
    size: int
    changed: int
    """Nanoseconds."""
    inode: int
    digest: str


def model_digests(state: Path, sources: Mapping[str, Path]) -> dict[str, str]:
    """`sha256:…` of every model's file or folder, by model; raises BadModelFile for one that cannot be read."""
    known = _known(state / FILE)
    seen = {path: entry for path, entry in known.items() if os.path.lexists(path)}
    digests = {model: _digest(path, known, seen) for model, path in sources.items()}
    if seen != known:
        write_whole(state / FILE, msgspec.json.encode(seen))
    return digests


def digest_of_model(path: Path) -> str:
    """That of a model's file with its companions, or of its folder; raises OSError."""
    names = _names(path)
    return digest_of_folder({name: digest_of(path.parent / name) for name in names}) if names else digest_of(path)


def digest_of(path: Path) -> str:
    """`sha256:` and 64 hex digits of a file's content, or of a folder's; raises OSError."""
    if path.is_dir():
        return digest_of_folder({file: digest_of(path / file) for file in files_in(path)})
    with open_file(path) as file:
        return PREFIX + hashlib.file_digest(file, "sha256").hexdigest()


def digest_of_folder(files: Mapping[str, str]) -> str:
    """That of a folder, by the digests of its files under their relative paths."""
    lines = (_line(file, digest.removeprefix(PREFIX)) for file, digest in sorted(files.items()))
    return PREFIX + hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def marks_of(path: Path) -> str:
    """Another text whenever a model's file or folder, or a companion, was written or replaced; raises BadModelFile."""
    try:
        names = files_in(path) if path.is_dir() else _names(path)
        files = [(path if path.is_dir() else path.parent) / name for name in names] or [path]
        found = [(str(file), (stat := file.stat()).st_size, stat.st_mtime_ns, stat.st_ino) for file in files]
    except OSError as error:
        raise _unreadable(path, error) from error
    return hashlib.sha256(repr(found).encode()).hexdigest()


def _line(file: str, digits: str) -> str:
    """As `sha256sum` writes it, so that no name looks like two lines."""
    told = file.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return f"{'' if told == file else chr(92)}{digits}  {told}\n"


def _digest(path: Path, known: Mapping[str, _Seen], seen: dict[str, _Seen]) -> str:
    try:
        if path.is_dir():
            return digest_of_folder({file: _one_digest(path / file, known, seen) for file in files_in(path)})
        if names := _names(path):
            return digest_of_folder({name: _one_digest(path.parent / name, known, seen) for name in names})
        return _one_digest(path, known, seen)
    except OSError as error:
        raise _unreadable(path, error) from error


def _one_digest(path: Path, known: Mapping[str, _Seen], seen: dict[str, _Seen]) -> str:
    """Of a file alone."""
    try:
        found, before = path.stat(), known.get(str(path))
        if before and (before.size, before.changed, before.inode) == (found.st_size, found.st_mtime_ns, found.st_ino):
            seen[str(path)] = before
        else:
            seen[str(path)] = _Seen(found.st_size, found.st_mtime_ns, found.st_ino, digest_of(path))
        return seen[str(path)].digest
    except OSError as error:
        raise _unreadable(path, error) from error


def _names(path: Path) -> list[str]:
    """A model's file and its companions; empty when it has none."""
    found = [] if path.is_dir() else companions(path)
    return [path.name, *found] if found else []


def _unreadable(path: Path, error: OSError) -> BadModelFile:
    return BadModelFile(f"cannot be read: {error.strerror}", place=str(error.filename or path), hint="check the path")


def _known(file: Path) -> dict[str, _Seen]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, _Seen])
    except (OSError, msgspec.MsgspecError):
        return {}
