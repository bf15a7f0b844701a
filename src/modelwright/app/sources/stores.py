"""Opens the store of models' files that a manifest names, and buckets; S3's library is loaded only for S3."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from modelwright.adapters.blobs.local import LocalBlobs
from modelwright.app.sources.cache import FOLDER
from modelwright.app.sources.reference import S3, form_of, in_bucket
from modelwright.app.sources.section import ArtifactsSection
from modelwright.core.errors.starting import MissingExtra
from modelwright.core.ports.registry import BlobStore


def open_blobs(section: ArtifactsSection, *, state: Path, base: Path) -> BlobStore:
    """Raises MissingExtra; OSError when the state directory cannot be made."""
    if form_of(section.at) == S3:
        where, what = in_bucket(section.at)
        prefix = f"{what.strip('/')}/" if what.strip("/") else ""
        return _library("s3").S3Blobs(open_bucket(section, where), prefix)
    if section.at:
        return LocalBlobs(base / section.at)
    state.mkdir(mode=0o700, exist_ok=True)
    return LocalBlobs(state / FOLDER / "blobs")


def open_bucket(section: ArtifactsSection, name: str) -> Any:
    """A bucket beside the store's own, by the same region and endpoint; raises MissingExtra."""
    library = _library("s3_bucket")
    return library.S3Bucket(name, library.Site(region=section.region, endpoint=section.endpoint))


def _library(name: str) -> Any:
    try:
        return import_module(f"modelwright.adapters.blobs.{name}")
    except ImportError as error:
        problem = f"s3:// needs {error.name}, which is not installed"
        raise MissingExtra(problem, hint="pip install 'modelwright[aws]'") from None
