"""Makes of a file or folder the document of a version, and brings its files into the store of blobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from modelwright.app.artifacts.companions import companions
from modelwright.app.artifacts.digests import digest_of, digest_of_folder
from modelwright.app.artifacts.files import files_in, odd_in
from modelwright.app.artifacts.formats import BY_NAME, format_of
from modelwright.app.models.examine import MOST_BYTES, MOST_FILES, problem_of, problem_of_path
from modelwright.core.contracts.model import Lineage, ModelFile, ModelVersion, Tensors
from modelwright.core.errors.artifacts import ArtifactError
from modelwright.core.ports.registry import BlobStore
from modelwright.core.quantities import told_size

Read = Callable[[Path, str], Tensors | None]
"""(path, format) → what it takes and gives; None when that cannot be read."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What only people know of a version."""

    licence: str = ""
    source: str = ""
    metrics: dict[str, float] = {}
    lineage: Lineage = Lineage()
    tags: dict[str, str] = {}


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """A version that may be sent."""

    document: ModelVersion
    files: Mapping[str, Path]
    """By digest."""


def pack(path: Path, told: Told, *, read: Read) -> Parcel:
    """Look at all of a file or folder; raises ArtifactError for what is never served or cannot be kept, and OSError.

    What a link in a folder leads to is taken as if it lay there.
    """
    found = format_of(path)
    row = BY_NAME.get(found)
    if row is not None and row.danger:
        raise ArtifactError(row.danger, hint=row.remedy, place=str(path))
    beside = [] if path.is_dir() else companions(path)
    is_folder = path.is_dir() or bool(beside)
    names = files_in(path) if path.is_dir() else [path.name, *beside]
    if not names or len(names) > MOST_FILES:
        hint = "name the folder that holds the model, and nothing else"
        raise ArtifactError(f"holds {len(names)} files, not 1 to {MOST_FILES}", hint=hint, place=str(path))
    _check_names(path, names)
    places = {name: (path if path.is_dir() else path.parent) / name for name in names}
    files = tuple(_file(name, places[name]) for name in names)
    digests = {file.path: file.digest for file in files}
    document = ModelVersion(
        digest=digest_of_folder(digests) if is_folder else files[0].digest,
        name=path.name if path.name not in {"", ".."} else path.resolve().name,
        folder=is_folder,
        main=path.name if beside else "",
        files=files,
        format=found,
        signature=read(path, found),
        licence=told.licence,
        source=told.source,
        metrics=told.metrics,
        lineage=told.lineage,
        tags=told.tags,
    )
    _check(document, place=str(path))
    return Parcel(document=document, files={file.digest: places[file.path] for file in files})


def send(parcel: Parcel, blobs: BlobStore, *, say: Callable[[str], None]) -> None:
    """Keep every file; what is there already is not sent again. Raises ArtifactError and OSError."""
    sizes = {file.digest: file.size for file in parcel.document.files}
    for digest, path in parcel.files.items():
        is_new = blobs.put(path, digest)
        say(f"{path}: {told_size(sizes[digest])} {'kept' if is_new else 'is there already'}")


def _check_names(path: Path, names: list[str]) -> None:
    odd = odd_in(path) if path.is_dir() else []
    if odd:
        problem = "is a link that leads nowhere, or a pipe, a socket or a device"
        raise ArtifactError(problem, hint="remove it from the folder", place=repr(str(path / odd[0])))
    for name in names:
        if problem := problem_of_path(name):
            raise ArtifactError(problem, hint="give it another name", place=repr(name))


def _check(document: ModelVersion, *, place: str) -> None:
    if problem := problem_of(document):
        raise ArtifactError(f"this can be no version: {problem}", hint="correct that", place=place)
    size = len(msgspec.json.encode(document))
    if size > MOST_BYTES:
        problem = f"what is told of it takes {told_size(size)}, which is more than {told_size(MOST_BYTES)}"
        raise ArtifactError(problem, hint="tell less: keep long texts in a file of the model", place=place)


def _file(name: str, path: Path) -> ModelFile:
    return ModelFile(path=name, digest=digest_of(path), size=path.stat().st_size)
