"""Makes, rotates, lists and revokes keys for whoever may: the admin door, and the command line while nothing runs."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable

from modelwright.access.keys import create_key, lifetime, revoke_key
from modelwright.access.rotate import overlap_of, rotate_key
from modelwright.app.keys.types import KeyChanged, KeyFacts, KeyMade, KeyRotated, KeyWish, RotationWish, Spread
from modelwright.core.contracts import events
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.stores import KeyRow, KeyStore

LISTED = 10_000
"""Keys that a list shows; the store may hold many more."""
Tell = Callable[[], Awaitable[Spread | None]]
"""Lets everybody who answers calls know that the keys have changed."""


async def nobody_to_tell() -> Spread | None:
    """Nothing runs."""
    return None


def unheard(_: events.Event) -> None:
    """Nobody listens."""


class KeyDesk:
    """The admin's verbs on keys."""

    def __init__(
        self,
        store: KeyStore,
        *,
        pepper: bytes,
        clock: Clock,
        tell: Tell = nobody_to_tell,
        emit: Callable[[events.Event], None] = unheard,
    ) -> None:
        self._store = store
        self._pepper = pepper
        self._clock = clock
        self._tell = tell
        self._emit = emit

    async def create(self, wish: KeyWish) -> KeyMade:
        """Make a key; when this returns, the gateway knows it. Raises AccessError."""
        now = self._clock.now()
        expires = None if wish.expires_in is None else now + lifetime(wish.expires_in)
        row, text = await create_key(
            self._store,
            name=wish.name,
            tenant=wish.tenant,
            role=wish.role,
            endpoints=wish.endpoints,
            expires=expires,
            pepper=self._pepper,
            random=os.urandom,
            now=now,
        )
        spread = await self._changed(row, "created")
        return KeyMade(**KeyFacts.of(row, now=now).model_dump(), key=text, spread=spread)

    async def rotate(self, which: str, wish: RotationWish) -> KeyRotated:
        """Give a key a successor; when this returns, the gateway knows both. Raises AccessError."""
        now = self._clock.now()
        rotated = await rotate_key(
            self._store,
            which,
            overlap=overlap_of(wish.overlap),
            life=None if wish.expires_in is None else lifetime(wish.expires_in),
            pepper=self._pepper,
            random=os.urandom,
            now=now,
        )
        spread = await self._changed(rotated.new, "rotated")
        facts = KeyFacts.of(rotated.new, now=now).model_dump()
        return KeyRotated(**facts, key=rotated.text, spread=spread, replaces=KeyFacts.of(rotated.old, now=now))

    async def revoke(self, which: str) -> KeyChanged:
        """Revoke a key by id or name; when this returns, the gateway refuses it. Raises AccessError."""
        now = self._clock.now()
        row = await revoke_key(self._store, which, now=now)
        spread = await self._changed(row, "revoked")
        return KeyChanged(**KeyFacts.of(row, now=now).model_dump(), spread=spread)

    async def list(self) -> list[KeyFacts]:
        """The newest keys, the newest first."""
        now = self._clock.now()
        return [KeyFacts.of(row, now=now) for row in await self._store.list(most=LISTED)]

    async def _changed(self, row: KeyRow, action: str) -> Spread | None:
        self._emit(events.KeyChanged(at=self._clock.now(), key=row.key.id, tenant=row.key.tenant, action=action))
        return await self._tell()
