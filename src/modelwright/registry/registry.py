"""The registry of one kind of artifact: register a version, move an alias, find what a reference means."""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
from collections.abc import Callable, Iterable

import msgspec

from modelwright.core.errors.registry import (
    AliasHasMoved,
    NotRegistered,
    RegistryError,
    VersionInUse,
    VersionTaken,
)
from modelwright.core.nearest import nearest
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.registry import ALIAS, REMOVED, VERSION, Entry, RegistryStore
from modelwright.core.words.printable import in_short
from modelwright.registry.line import DIGEST, Line, Version, line_of

NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""Of a line."""
WORD = re.compile(r"[A-Za-z0-9][-A-Za-z0-9._]{0,63}")
"""Of a version or an alias."""
LARGEST = 1 << 20
"""Bytes of a document. What is larger, such as a model's file, is kept elsewhere and named in its document."""
_TRIES = 50
_WAIT = 0.03
"""Seconds between two tries, at most."""
_LONGEST = 1000
"""Characters of a reason."""
_WHO = 200
"""Characters of who asks."""

Decide = Callable[[Line], Entry | None]
Holders = Callable[[str], Iterable[str]]
"""What holds a version of this digest, in words."""


class By(msgspec.Struct, frozen=True):
    """Who changes something, and why: it stands in the history for good."""

    who: str
    why: str


class Registry:
    """All lines of one kind; it keeps who changed what, and why."""

    def __init__(
        self, kind: str, *, store: RegistryStore, clock: Clock, draw: Callable[[], float] = random.random
    ) -> None:
        """`draw` gives numbers from 0 to 1."""
        self._kind = kind
        self._store = store
        self._clock = clock
        self._draw = draw
        self._turn = asyncio.Lock()
        """Of those who change something here; others may come first elsewhere."""

    async def names(self) -> tuple[str, ...]:
        """Every name, sorted."""
        return await self._store.names(self._kind)

    async def line(self, name: str) -> Line:
        """Raises NotRegistered."""
        line = await self._line(name)
        if not line.history:
            known = await self.names()
            hint = _hint(name, known) or "none is registered yet"
            raise NotRegistered(f"there is no {self._kind} {name!r}", hint=hint, place="name")
        return line

    async def find(self, name: str, word: str) -> Version:
        """What `name@word` means now: a version, an alias or a digest. Raises NotRegistered."""
        line = await self.line(name)
        found = line.find(word)
        if found is None:
            known = (*line.versions, *line.aliases)
            raise NotRegistered(f"{name} has no version and no alias {word!r}", hint=_hint(word, known))
        return found

    async def content(self, digest: str) -> bytes:
        """The document of a version; raises NotRegistered, and RegistryError when it is damaged."""
        content = await self._store.content(digest)
        if digest_of(content) != digest:
            raise RegistryError(f"the document {digest} is damaged", hint="restore the database from a backup")
        return content

    async def put(self, name: str, version: str, content: bytes, *, by: By, revise: bool = False) -> Version:
        """Register a version; nothing happens when it is there with the same content.

        With other content it raises VersionTaken, unless `revise`: then the name means the new content from now on,
        and the history keeps both.
        """
        check_words(name, version, why=by.why)
        if len(content) > LARGEST:
            raise RegistryError(f"{name}@{version} is larger than {LARGEST >> 20} MiB", hint="shorten it")
        digest = digest_of(content)

        def decide(line: Line) -> Entry | None:
            was = line.versions.get(version, "")
            if was == digest:
                return None
            if version in line.aliases:
                raise VersionTaken(f"{name}@{version} is an alias already", hint="call the version something else")
            if line.removed.get(version, digest) != digest:
                raise VersionTaken(
                    f"{name}@{version} was removed, and had other content", hint="call the version something else"
                )
            if was and not revise:
                raise VersionTaken(
                    f"{name}@{version} is registered with other content ({_short(was)}, this is {_short(digest)})",
                    hint="a version never changes: put the old content back, or save this one as a new version",
                )
            return self._entry(VERSION, version, to=digest, was=was, by=by)

        await self._change(name, decide, content)
        return Version(name=name, version=version, digest=digest)

    async def alias(self, name: str, alias: str, version: str, *, by: By, expect: str | None = None) -> Entry | None:
        """Let an alias mean a version; the history's new entry, None when it means that already.

        `expect` is the version that it must mean until now, empty for an alias that must be new; None takes any.
        Raises AliasHasMoved when that is not so, NotRegistered for an unknown name or version.
        """
        check_words(name, alias, why=by.why, what="alias")
        await self.line(name)

        def decide(line: Line) -> Entry | None:
            was = line.aliases.get(alias, "")
            if alias in line.versions:
                raise RegistryError(f"{name}@{alias} is a version", hint="call the alias something else")
            if version not in line.versions:
                raise NotRegistered(f"{name} has no version {version!r}", hint=_hint(version, tuple(line.versions)))
            if expect is not None and was != expect:
                now = f"means {was}" if was else "does not exist"
                raise AliasHasMoved(f"{name}@{alias} {now}, not {expect or 'nothing'}", hint="look again, then decide")
            return None if was == version else self._entry(ALIAS, alias, to=version, was=was, by=by)

        return await self._change(name, decide)

    async def remove(self, name: str, version: str, *, by: By, holders: Holders | None = None) -> Entry:
        """Take a version back; that it was there stays in the history, and its name is never given to other content.

        `holders` names what else needs a version's digest. Raises NotRegistered; VersionInUse while an alias means it
        or something holds it.
        """
        await self.line(name)

        def decide(line: Line) -> Entry:
            digest = line.versions.get(version)
            if digest is None:
                known = _hint(version, tuple(line.versions))
                raise NotRegistered(f"{name} has no version {version!r}", hint=known)
            aliases = [alias for alias, meant in line.aliases.items() if meant == version]
            held = [f"the alias {alias}" for alias in aliases] + list(holders(digest) if holders else ())
            if held:
                hint = "let them go first: move the alias, or stop what serves it"
                raise VersionInUse(f"{name}@{version} is held by {', '.join(held)}", hint=hint)
            return self._entry(REMOVED, version, to="", was=digest, by=by)

        entry = await self._change(name, decide)
        assert entry is not None  # noqa: S101 - `decide` gives one or raises
        return entry

    async def _line(self, name: str) -> Line:
        return line_of(name, await self._store.read(self._kind, name))

    def _entry(self, act: str, name: str, *, to: str, was: str, by: By) -> Entry:
        why = _reason(by.why)
        return Entry(act=act, name=name, to=to, was=was, who=in_short(by.who, _WHO), why=why, at=self._clock.now())

    async def _change(self, name: str, decide: Decide, content: bytes | None = None) -> Entry | None:
        """Decide by what stands there, and again when others came first."""
        async with self._turn:
            for attempt in range(_TRIES):
                line = await self._line(name)
                entry = decide(line)
                if entry is None:
                    return None
                if await self._store.append(self._kind, name, entry, after=len(line.history), content=content):
                    return entry
                await asyncio.sleep(self._draw() * min(_WAIT, 0.001 * 2**attempt))  # not in step with the others
        raise RegistryError(f"{name} is changed by others all the time", hint="try again")


def check_words(name: str, word: str, *, why: str, what: str = "version") -> None:
    """Raise RegistryError unless a line can have this name, a version or an alias this word, a history this reason."""
    _check(NAME, name, what="name")
    _check(WORD, word, what=what)
    _reason(why)


def digest_of(content: bytes) -> str:
    """`sha256:` and 64 hex digits."""
    return DIGEST + hashlib.sha256(content).hexdigest()


def _check(pattern: re.Pattern[str], word: str, *, what: str) -> None:
    if not pattern.fullmatch(word):
        raise RegistryError(
            f"{word!r} cannot be a {what}", hint="use letters, digits and hyphens, such as v1", place=what
        )


def _reason(why: str) -> str:
    why = why.strip()
    if not why or len(why) > _LONGEST or not why.isprintable():
        raise RegistryError(f"the reason must be one line of 1 to {_LONGEST} characters", hint="say why")
    return why


def _short(digest: str) -> str:
    return digest[: len(DIGEST) + 12]


def _hint(word: str, known: tuple[str, ...]) -> str:
    close = nearest(word, known)
    return f"did you mean {close}?" if close else f"known: {', '.join(known)}" if known else ""
