"""Contract: the release record, version 1; what a target runs, immutable and named by its own digest."""

from __future__ import annotations

import hashlib

import msgspec

RELEASE_VERSION = 1


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """Digests are `sha256:` and 64 hex digits."""

    v: int = RELEASE_VERSION
    name: str
    environment: str
    target: str
    """`local` for `modelwright up`."""
    manifest: str
    models: dict[str, str] = {}
    prompts: dict[str, str] = {}
    images: dict[str, str] = {}


def release_digest(release: Release) -> str:
    """sha256 of the record's canonical JSON (sorted keys), so that the same content has the same name everywhere."""
    return "sha256:" + hashlib.sha256(msgspec.json.encode(release, order="sorted")).hexdigest()
