"""Rotation: a key gets a successor with the same rights, and both work for an overlap; it keeps nothing itself."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from modelwright.access.keys import lifetime, named_key
from modelwright.core.errors.access import AccessError
from modelwright.core.keys import compose_key, key_digest
from modelwright.core.ports.stores import KeyRow, KeyStore
from modelwright.core.quantities import parse_duration


class Rotated(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    old: KeyRow
    new: KeyRow
    text: str
    """The new key; it exists nowhere else."""


async def rotate_key(
    store: KeyStore,
    which: str,
    *,
    overlap: float,
    life: float | None,
    pepper: bytes,
    random: Callable[[int], bytes],
    now: float,
) -> Rotated:
    """Make the successor of the key of this public id or name; the old one expires after `overlap` seconds.

    The successor lives for `life` seconds; None: for as long as the old one was made for. Raises KeyNotFound, and
    AccessError when several keys have that name or the key has a successor already.
    """
    rows = await store.list(which)
    by_id = any(row.key.id == which for row in rows)
    old = named_key(rows if by_id else [row for row in rows if not row.successor], which, now=now)
    if life is None and old.key.expires is not None and not old.successor:
        life = old.key.expires - old.created
    key_id, text = compose_key(random(29))
    expires = None if life is None else now + life
    key = msgspec.structs.replace(old.key, id=key_id, digest=key_digest(pepper, text), expires=expires)
    new = KeyRow(key=key, created=now)
    ended = await store.replace(old.key.id, new, until=now + overlap)
    return Rotated(old=ended, new=new, text=text)


def overlap_of(text: str) -> float:
    """Seconds of `24h`, or of `0s`: the old key ends at once; raises AccessError."""
    try:
        ends_at_once = parse_duration(text.strip()) == 0
    except ValueError as error:
        raise AccessError(f"{error}", hint="write 24h, or 0s to end the old key at once", place="overlap") from None
    return 0.0 if ends_at_once else lifetime(text, place="overlap")
