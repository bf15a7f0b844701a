"""Push, pull and remove: a version's document in the registry and its files in the store of blobs, in the right order.

Files come before the document that names them, and go after it: at no moment does the registry name what is not there.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from modelwright.app.models.bring import bring
from modelwright.app.models.examine import problem_of
from modelwright.app.models.office import ModelOffice, Swept
from modelwright.app.models.push import Told, pack, send
from modelwright.app.models.signature import read_signature
from modelwright.app.models.types import ModelLine, ModelShown
from modelwright.core.errors.artifacts import ArtifactError
from modelwright.core.ports.registry import BlobStore
from modelwright.registry.registry import check_words

Say = Callable[[str], None]


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it."""

    line: ModelLine
    swept: Swept


class Pulled(msgspec.Struct, frozen=True, kw_only=True):
    """What was brought, and where it is."""

    shown: ModelShown
    path: Path


class ModelVerbs:
    """Of one manifest. All raise RegistryError, ArtifactError, StartError and OSError."""

    def __init__(self, office: ModelOffice, blobs: BlobStore, *, say: Say) -> None:
        self._office = office
        self._blobs = blobs
        self._say = say

    def push(self, name: str, version: str, path: Path, *, told: Told, why: str) -> ModelShown:
        """Register a file or folder as a version; nothing is sent of what could not be registered."""
        check_words(name, version, why=why)
        parcel = pack(path, told, read=read_signature)
        send(parcel, self._blobs, say=self._say)
        return self._office.register(name, version, parcel.document, why=why)

    def pull(self, name: str, word: str, to: Path | None) -> Pulled:
        """Bring a version's file or folder to a path that must be free, by default its own name here.

        It is the caller's own, to be written.
        """
        shown = self._office.show(name, word)
        if problem := problem_of(shown.model):
            hint = "the version is not to be trusted"
            raise ArtifactError(f"its document cannot be right: {problem}", hint=hint, place=f"{name}@{shown.version}")
        to = (to or Path(shown.model.name)).absolute()
        _check_free(to)
        part = to.with_name(f".{secrets.token_hex(6)}.part")
        try:
            bring(shown.model, self._blobs, part)
            for path in [part, *part.rglob("*")]:
                path.chmod(path.stat().st_mode | 0o200)
            _check_free(to)
            part.rename(to)
        except OSError as error:
            hint = "see that this user may write there, and that the disk has space"
            raise ArtifactError(f"cannot be written: {error.strerror}", hint=hint, place=str(to)) from error
        finally:
            shutil.rmtree(part, ignore_errors=True)
            if part.is_file():
                part.unlink()
        return Pulled(shown=shown, path=to)

    def remove(self, name: str, version: str, *, why: str) -> Removed:
        """Take a version back, and throw away what no version needs."""
        line = self._office.remove(name, version, why=why)
        return Removed(line=line, swept=self._office.sweep(self._blobs))


def _check_free(to: Path) -> None:
    if os.path.lexists(to):
        raise ArtifactError("there is something already", hint="name a path that is free", place=str(to))
