"""Puts a version's file or folder together from the store of blobs."""

from __future__ import annotations

import shutil
from pathlib import Path

from modelwright.app.artifacts.digests import digest_of
from modelwright.app.artifacts.files import files_in
from modelwright.app.models.examine import problem_of
from modelwright.core.contracts.model import ModelVersion
from modelwright.core.errors.artifacts import ArtifactDamaged
from modelwright.core.ports.registry import BlobStore


def bring(model: ModelVersion, blobs: BlobStore, to: Path, *, lasting: bool = False) -> None:
    """Put a version's file or folder together at `to`, from what is there already; raises ArtifactError and OSError."""
    if problem := problem_of(model):
        raise ArtifactDamaged(f"its document cannot be right: {problem}", hint="the version is not to be trusted")
    if not model.folder:
        to.unlink(missing_ok=True)
        blobs.fetch(model.digest, to, lasting=lasting)
        return
    sizes = {file.path: file.size for file in model.files}
    if not to.is_dir() or any(sizes.get(name) != (to / name).stat().st_size for name in files_in(to)):
        shutil.rmtree(to, ignore_errors=True)
    for file in model.files:
        place = to / file.path
        if place.exists():
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        blobs.fetch(file.digest, place, lasting=lasting)
    found = digest_of(to)
    if found != model.digest:
        shutil.rmtree(to, ignore_errors=True)
        raise ArtifactDamaged(f"the folder has the digest {found}, not {model.digest}", hint="push the version again")
