"""Models for the command line and for `up`: documents through control while it runs, otherwise by `alone`.

Their files go straight to the store of blobs, whose credentials are the caller's: control never has them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import msgspec

from modelwright.app.models.types import ModelLine, ModelShown, ModelWish, RemoveWish
from modelwright.app.supervise.control import Control
from modelwright.app.wishes import AliasWish
from modelwright.core.contracts.model import ModelVersion
from modelwright.core.errors.registry import AliasHasMoved, NotRegistered, RegistryError, VersionInUse, VersionTaken
from modelwright.core.errors.starting import NotRunning
from modelwright.core.ports.registry import BlobStore, Entry
from modelwright.registry.registry import NAME, WORD, check_words

if TYPE_CHECKING:
    from modelwright.app.models.desk import ModelDesk

PATIENCE = 20.0
"""Seconds to wait for another command that holds the database."""
FRESH = 24 * 3600.0
"""Seconds in which a file that no version needs is kept: somebody may be about to register one."""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_REFUSALS = (AliasHasMoved, NotRegistered, RegistryError, VersionInUse, VersionTaken)
_Got = TypeVar("_Got")


class Swept(msgspec.Struct, frozen=True, kw_only=True):
    """What became of files that no version needs."""

    dropped: int = 0
    freed: int = 0
    """Bytes."""
    kept: int = 0
    """Files that are too new."""


class ModelOffice:
    """The verbs of `modelwright models`; they block. Raise RegistryError, and StartError when nobody can do it."""

    def __init__(self, state: Path, *, manifest: Path, environment: str, who: str = "") -> None:
        """The manifest is read, and the environment matters, while nothing runs."""
        self._control = Control(state, refusals=_REFUSALS)
        self._alone: dict[str, Any] = {"state": state, "manifest": manifest, "environment": environment}
        self._who = who

    def list(self) -> list[ModelLine]:
        """Every model."""
        return self._do("GET /models", list[ModelLine], act=lambda desk: desk.list())

    def show(self, name: str, word: str) -> ModelShown:
        """One version."""
        return self._do(f"GET {_version(name, word)}", ModelShown, act=lambda desk: desk.show(name, word))

    def history(self, name: str) -> tuple[Entry, ...]:
        """The oldest first."""
        return self._do(f"GET {_path(name)}/history", tuple[Entry, ...], act=lambda desk: desk.history(name))

    def register(self, name: str, version: str, document: ModelVersion, *, why: str) -> ModelShown:
        """Register a version whose files are kept."""
        check_words(name, version, why=why)
        wish = ModelWish(document=msgspec.to_builtins(document), why=why, who=self._who)
        return self._do(
            f"PUT {_version(name, version)}",
            ModelShown,
            act=lambda desk: desk.push(name, version, wish, who=self._who),
            wish=wish,
        )

    def alias(self, name: str, alias: str, *, version: str, expect: str | None, why: str) -> ModelLine:
        """Move an alias."""
        check_words(name, alias, why=why, what="alias")
        wish = AliasWish(version=version, expect=expect, why=why, who=self._who)
        return self._do(
            f"PUT {_path(name)}/aliases/{quote(alias, safe='')}",
            ModelLine,
            act=lambda desk: desk.alias(name, alias, wish, who=self._who),
            wish=wish,
        )

    def remove(self, name: str, version: str, *, why: str) -> ModelLine:
        """Take a version back."""
        wish = RemoveWish(why=why, who=self._who)
        return self._do(
            f"POST {_version(name, version)}/remove",
            ModelLine,
            act=lambda desk: desk.remove(name, version, wish, who=self._who),
            wish=wish,
        )

    def sweep(self, blobs: BlobStore) -> Swept:
        """Throw away files that no version needs, unless they are new. Raises ArtifactError, too."""
        before = time.time() - FRESH
        held = list(blobs.held())  # before it is asked who owns them: what comes in between is owned, or new
        owned = set(self._do("GET /blobs", list[str], act=lambda desk: desk.owned()))
        left = [blob for blob in held if blob.digest not in owned]
        old = [blob for blob in left if blob.since < before]
        gone = [blob for blob in old if blobs.drop(blob.digest, before=before)]  # not what somebody puts there again
        return Swept(dropped=len(gone), freed=sum(blob.size for blob in gone), kept=len(left) - len(gone))

    def _do(
        self,
        request: str,
        kind: type[_Got],
        *,
        act: Callable[[ModelDesk], Awaitable[Any]],
        wish: ModelWish | AliasWish | RemoveWish | None = None,
    ) -> _Got:
        """By control's answer to the request, or by the act where nothing runs."""
        method, _, target = request.partition(" ")
        try:
            answer = self._control.ask(method, target, b"" if wish is None else wish.model_dump_json().encode())
        except NotRunning:
            # The database's libraries are loaded only here: with control at hand nobody needs them.
            library = import_module("modelwright.app.models.alone")
            return library.AloneWithModels(**self._alone, patience=PATIENCE).act(act)
        return msgspec.json.decode(answer, type=kind)


def differing(old: ModelVersion, new: ModelVersion) -> list[tuple[str, Any, Any]]:
    """(what, before, after) of everything in which two versions differ, files by their paths."""
    before, after = _flat(old), _flat(new)
    known = dict.fromkeys([*before, *after])
    return [(name, before.get(name), after.get(name)) for name in known if before.get(name) != after.get(name)]


def _flat(model: ModelVersion) -> dict[str, Any]:
    facts: dict[str, Any] = msgspec.to_builtins(model)
    files: Sequence[dict[str, Any]] = facts.pop("files")
    signature = facts.pop("signature") or {}
    found = _leaves(facts)
    for side, tensors in signature.items():
        found |= {f"{side}.{each['name']}": f"{each['datatype']} {list(each['shape'])}" for each in tensors}
    return found | {f"files.{file['path']}": f"{file['digest']} ({file['size']} bytes)" for file in files}


def _leaves(facts: dict[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in facts.items():
        found |= _leaves(value, f"{above}{name}.") if isinstance(value, dict) else {f"{above}{name}": value}
    return found


def _path(name: str) -> str:
    """Only for what can be a name: anything else would be another path."""
    if not NAME.fullmatch(name):
        hint = "a name has small letters, digits and hyphens"
        raise NotRegistered(f"there is no model {name!r}", hint=hint, place="name")
    return f"/models/{quote(name, safe='')}"


def _version(name: str, word: str) -> str:
    path = _path(name)
    if not WORD.fullmatch(word) and not _DIGEST.fullmatch(word):
        hint = "a version has letters, digits, hyphens, dots and underscores"
        raise NotRegistered(f"{name} has no version and no alias {word!r}", hint=hint)
    return f"{path}/versions/{quote(word, safe='')}"
