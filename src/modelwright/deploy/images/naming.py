"""Labels and tags of images: by version, and by the commit that last changed what they were made from."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime

from modelwright.core.deploying.images import Commit, Recipe

INPUTS = "modelwright.inputs"
"""Label with the digest of all that an image was made from."""
PROJECT = "modelwright.project"
_OCI = "org.opencontainers.image"
_NOT_IN_TAGS = re.compile(r"[^A-Za-z0-9_.-]+")
_MOST = 128


def labels(recipe: Recipe, commit: Commit | None, *, inputs: str) -> dict[str, str]:
    """By name; the time is the commit's, so that making it again makes the same."""
    known = {
        f"{_OCI}.title": recipe.repository,
        f"{_OCI}.version": recipe.version,
        f"{_OCI}.base.name": recipe.bases[-1] if recipe.bases else "",
        PROJECT: recipe.project,
        INPUTS: inputs,
    }
    if commit is not None:
        known |= {
            f"{_OCI}.revision": commit.revision,
            f"{_OCI}.source": commit.source,
            f"{_OCI}.created": _time(commit.at),
        }
    return {name: value for name, value in known.items() if value}


def tags(recipe: Recipe, commit: Commit | None, *, registry: str, inputs: str) -> tuple[str, ...]:
    """Full names, the most telling first; by the inputs where neither version nor commit is known."""
    words = [recipe.version, f"git-{commit.id[:12]}{'-dirty' if commit.dirty else ''}" if commit else ""]
    found = [_tag(word) for word in words if word] or [_tag(inputs.removeprefix("sha256:")[:12])]
    repository = f"{registry.rstrip('/')}/{recipe.repository}" if registry else recipe.repository
    return tuple(f"{repository}:{tag}" for tag in dict.fromkeys(found))


def _tag(word: str) -> str:
    return _NOT_IN_TAGS.sub("-", word).lstrip("-.")[:_MOST] or "none"


def _time(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def inputs_of(*words: str) -> str:
    """The digest of all that an image is made from, each told by its own digest."""
    return "sha256:" + hashlib.sha256("\n".join(words).encode()).hexdigest()
