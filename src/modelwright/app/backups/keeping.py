"""What every backup has in common: who may open it, what it is called, which older ones go, and what is told of it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from modelwright.adapters.secrets.age import recipients_of
from modelwright.app.backups.archive import Head, Member, pyrage, write
from modelwright.app.backups.shelves import Shelf, shelf_at
from modelwright.app.manifest.load import ARTIFACTS, part_of
from modelwright.app.sources.section import ArtifactsSection
from modelwright.core.errors.backups import BackupError
from modelwright.core.errors.starting import StartError

ENDING = ".backup.age"
_STAMP = re.compile(r"\d{8}T\d{6}Z" + re.escape(ENDING))


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """How a backup is to be kept."""

    to: str
    base: Path
    """Where `to` starts."""
    keep: int
    """Of those of this project and environment there, the newest so many stay; 0: all."""
    recipients: tuple[str, ...]
    artifacts: ArtifactsSection
    """Where S3 is."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A backup that was made."""

    file: str
    size: int
    removed: tuple[str, ...] = ()
    """Older ones that were too many."""
    elsewhere: str = ""
    """Where artifacts are kept that it does not hold."""
    left_out: tuple[str, ...] = ()
    """Services of a target whose data it does not hold."""


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What was put back."""

    project: str
    environment: str
    at: float
    files: int
    database: bool
    manifest: bool
    """Whether it was written; one that is there stays as it is."""
    notes: tuple[str, ...] = ()
    """What a person should know."""


def wanted(
    manifest: Path,
    *,
    environment: str,
    to: str = "",
    keep: int | None = None,
    recipients: Iterable[str] = (),
    key: Path | None = None,
) -> Wanted:
    """As the manifest says, but for what is given. Raises ManifestError, StartError."""
    _, found = part_of(manifest, environment=environment, places=("backup", ARTIFACTS))
    section = found.backup
    given = (*recipients, *(recipients_of(key_text(key)) if key else ()))
    return Wanted(
        to=to or section.to,
        base=Path() if to else manifest.absolute().parent,
        keep=section.keep if keep is None else keep,
        recipients=given or section.recipients,
        artifacts=found.store.artifacts,
    )


def keep_it(head: Head, members: Iterable[Member], how: Wanted) -> Kept:
    """Whole or not at all, and only then older ones go. Raises StartError, BackupError, and what a bucket raises."""
    known = _known(how.recipients)
    with shelf_at(how.to, base=how.base, section=how.artifacts) as shelf:
        return _on(shelf, head, members, recipients=known, keep=how.keep)


def _on(shelf: Shelf, head: Head, members: Iterable[Member], *, recipients: list[Any], keep: int) -> Kept:
    begin = f"{head.project}-{head.environment}-"
    name = f"{begin}{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(head.at))}{ENDING}"
    try:
        if name in shelf.names():
            raise BackupError(f"{shelf.shown(name)} is there already", hint="wait a second")
        size = shelf.put(name, lambda file: write(head, members, to=file, recipients=recipients))
        mine = sorted(one for one in shelf.names() if _STAMP.fullmatch(one.removeprefix(begin)))
        others = [one for one in mine if one != name]
        old = others[: max(0, len(others) + 1 - keep)] if keep else []
        for one in old:
            shelf.remove(one)
    except OSError as error:
        if error.errno is None:  # a target's, by its client
            raise
        raise BackupError(f"{shelf.shown(name)} cannot be written: {error.strerror}", hint="make room") from error
    return Kept(file=shelf.shown(name), size=size, removed=tuple(map(shelf.shown, old)))


def key_text(key: Path) -> str:
    """Of an identity. Raises StartError."""
    try:
        return key.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"{key} cannot be read", hint="name a key: modelwright secrets identity FILE") from error


def _known(texts: Iterable[str]) -> list[Any]:
    try:
        found = [pyrage.x25519.Recipient.from_str(text) for text in texts]
    except pyrage.RecipientError:
        raise StartError("a recipient is no X25519 public key", hint="write age1…, as age-keygen prints it") from None
    if not found:
        hint = "make a key: modelwright secrets identity backup.key"
        raise BackupError("nobody is named who may open it: --recipient, --key, or `backup.recipients`", hint=hint)
    return found
