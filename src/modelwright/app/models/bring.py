"""Puts a version's file or folder together from the store of blobs."""

from __future__ import annotations

import shutil
from pathlib import Path

from modelwright.app.artifacts.digests import digest_of
from modelwright.app.models.examine import problem_of
from modelwright.core.contracts.model import ModelVersion
from modelwright.core.errors.artifacts import ArtifactDamaged
from modelwright.core.ports.registry import BlobStore


def bring(model: ModelVersion, blobs: BlobStore, to: Path, *, lasting: bool = False) -> None:
    """Put a version's file or folder together at `to`; raises ArtifactError and OSError."""
    if problem := problem_of(model):
        raise ArtifactDamaged(f"its document cannot be right: {problem}", hint="the version is not to be trusted")
    if not model.folder:
        to.unlink(missing_ok=True)
        blobs.fetch(model.digest, to, lasting=lasting)
        return
    shutil.rmtree(to, ignore_errors=True)
    for file in model.files:
        place = to / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        blobs.fetch(file.digest, place, lasting=lasting)
    found = digest_of(to)
    if found != model.digest:
        raise ArtifactDamaged(f"the folder has the digest {found}, not {model.digest}", hint="push the version again")
