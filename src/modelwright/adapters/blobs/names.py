"""Names of blobs: the digest's digits in folders by their first two; and how bytes are compared with a digest."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from modelwright.core.errors.artifacts import ArtifactDamaged, ArtifactMissing

CHUNK = 1 << 20
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_NAME = re.compile(r"sha256/([0-9a-f]{2})/([0-9a-f]{64})")


def name_of(digest: str) -> str:
    """`sha256/ab/abcd…`; raises ArtifactDamaged for what is no digest, so that no name leads elsewhere."""
    found = _DIGEST.fullmatch(digest)
    if found is None:
        raise ArtifactDamaged(f"{digest!r} is no digest", hint="a digest is `sha256:` and 64 hex digits")
    return f"sha256/{found[1][:2]}/{found[1]}"


def digest_from(name: str) -> str | None:
    """The digest that `name_of` gave this name; None for whatever else lies there."""
    found = _NAME.fullmatch(name)
    return f"sha256:{found[2]}" if found and found[2].startswith(found[1]) else None


def copy_checked(read: Callable[[int], bytes], out: BinaryIO | None, *, digest: str, place: str) -> int:
    """Copy to the end, or only look when there is no `out`; the size. Raises ArtifactDamaged."""
    seen, size = hashlib.sha256(), 0
    while chunk := read(CHUNK):
        seen.update(chunk)
        size += len(chunk)
        if out is not None:
            out.write(chunk)
    compare(f"sha256:{seen.hexdigest()}", digest, place=place)
    return size


def check_file(file: Path, digest: str, *, place: str = "") -> None:
    """Raises ArtifactDamaged unless the file's content has this digest, and OSError."""
    with file.open("rb") as opened:
        copy_checked(opened.read, None, digest=digest, place=place or str(file))


def compare(found: str, digest: str, *, place: str) -> None:
    """Raises ArtifactDamaged when they are not the same."""
    if found != digest:
        raise ArtifactDamaged(
            f"its content has the digest {found}, not {digest}",
            hint="it was changed or damaged: put the right file there, or push it again",
            place=place,
        )


def compare_content(content: bytes, digest: str, *, place: str) -> None:
    """Likewise, of bytes."""
    compare(f"sha256:{hashlib.sha256(content).hexdigest()}", digest, place=place)


def missing(digest: str, place: str) -> ArtifactMissing:
    """The refusal of a store that does not have it."""
    hint = "push the version again; hosts that share a database need one store (store.artifacts.at) for all of them"
    return ArtifactMissing(f"{digest} is not kept there", hint=hint, place=place)
