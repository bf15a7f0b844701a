"""The verbs on models over one database: documents alone, no file of a model comes by here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from modelwright.app.models.examine import problem_of
from modelwright.app.models.types import ModelLine, ModelShown, ModelWish, RemoveWish
from modelwright.app.wishes import AliasWish
from modelwright.core.contracts.model import ModelVersion
from modelwright.core.errors.registry import RegistryError
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.registry import Entry, RegistryStore
from modelwright.registry.line import Line
from modelwright.registry.registry import By, Registry

KIND = "model"
_KEPT = 256
"""Documents that are kept in memory."""

HeldBy = Callable[[str], Awaitable[list[str]]]
"""Who serves a file or folder of this digest, in words."""


class ModelDesk:
    """Raises RegistryError."""

    def __init__(self, store: RegistryStore, clock: Clock, *, held_by: HeldBy) -> None:
        self._registry = Registry(KIND, store=store, clock=clock)
        self._held_by = held_by
        self._read: dict[str, ModelVersion] = {}
        """Documents never change."""

    async def list(self) -> list[ModelLine]:
        """Every model, by name."""
        return [await self.line(name) for name in await self._registry.names()]

    async def line(self, name: str) -> ModelLine:
        """One of them."""
        line = await self._registry.line(name)
        versions = {version: (await self._model(digest)).digest for version, digest in line.versions.items()}
        return ModelLine(name=name, versions=versions, aliases=dict(line.aliases), removed=tuple(line.removed))

    async def show(self, name: str, word: str) -> ModelShown:
        """What a version, an alias or the digest of a document means now."""
        found = await self._registry.find(name, word)
        line = await self._registry.line(name)
        return ModelShown(
            name=name,
            version=found.version,
            document=found.digest,
            aliases=_aliases(line, found.version),
            model=await self._model(found.digest),
        )

    async def history(self, name: str) -> tuple[Entry, ...]:
        """The oldest first."""
        return (await self._registry.line(name)).history

    async def push(self, name: str, version: str, wish: ModelWish, *, who: str) -> ModelShown:
        """Register a version; nobody gets it before an alias or a manifest names it."""
        document = _document(wish.document)
        parent = document.lineage.parent
        if parent:
            await self._registry.find(*_halves(parent))
        await self._registry.put(name, version, encoded(document), by=By(who, wish.why))
        return await self.show(name, version)

    async def alias(self, name: str, alias: str, wish: AliasWish, *, who: str) -> ModelLine:
        """Let an alias mean a version."""
        await self._registry.alias(name, alias, wish.version, by=By(who, wish.why), expect=wish.expect)
        return await self.line(name)

    async def remove(self, name: str, version: str, wish: RemoveWish, *, who: str) -> ModelLine:
        """Take a version back, unless something holds it; its files are others' business."""
        digest = (await self._registry.line(name)).versions.get(version)
        held = await self._held_by((await self._model(digest)).digest) if digest else []
        await self._registry.remove(name, version, by=By(who, wish.why), holders=lambda _: held)
        return await self.line(name)

    async def owned(self) -> list[str]:
        """Digests of all files of all versions: whatever else lies in the store of blobs belongs to nobody."""
        digests: set[str] = set()
        for name in await self._registry.names():
            for digest in (await self._registry.line(name)).versions.values():
                digests.update(file.digest for file in (await self._model(digest)).files)
        return sorted(digests)

    async def _model(self, digest: str) -> ModelVersion:
        if digest not in self._read:
            if len(self._read) >= _KEPT:
                self._read.pop(next(iter(self._read)))
            self._read[digest] = decoded(await self._registry.content(digest))
        return self._read[digest]


def encoded(document: ModelVersion) -> bytes:
    """The same for the same document, whoever wrote it."""
    return msgspec.json.encode(document, order="sorted")


def decoded(content: bytes) -> ModelVersion:
    """Raises RegistryError for what this version cannot read."""
    try:
        return msgspec.json.decode(content, type=ModelVersion)
    except msgspec.MsgspecError as error:
        raise RegistryError(f"the document cannot be read: {error}", hint="was a newer version here?") from error


def _document(content: dict[str, object]) -> ModelVersion:
    try:
        document = msgspec.convert(content, ModelVersion)
    except msgspec.ValidationError as error:
        raise _no_document(str(error)) from error
    if problem := problem_of(document):
        raise _no_document(problem)
    return document


def _no_document(problem: str) -> RegistryError:
    return RegistryError(f"this is no model's document: {problem}", hint="use `modelwright models push`")


def _aliases(line: Line, version: str) -> tuple[str, ...]:
    return tuple(alias for alias, meant in line.aliases.items() if meant == version)


def _halves(reference: str) -> tuple[str, str]:
    name, at, word = reference.partition("@")
    if not at or not word:
        raise RegistryError(f"{reference!r} names no version", hint="write name@version", place="parent")
    return name, word
