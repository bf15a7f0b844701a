"""API keys: how they are made, revoked and recognised; it keeps nothing itself and knows no HTTP."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterable, Sequence

from modelwright.core.contracts.snapshot import Key
from modelwright.core.errors.access import AccessError, KeyNotFound
from modelwright.core.keys import compose_key, key_digest
from modelwright.core.ports.stores import KeyRow, KeyStore
from modelwright.core.quantities import parse_duration

ROLES = ("client", "admin")
SCOPE = 64
"""Endpoints that one key may name."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_CENTURY = 36_525 * 86_400.0


async def create_key(
    store: KeyStore,
    *,
    name: str,
    tenant: str,
    role: str,
    endpoints: Sequence[str] = (),
    expires: float | None,
    pepper: bytes,
    random: Callable[[int], bytes],
    now: float,
) -> tuple[KeyRow, str]:
    """Make a key and store its digest; the text in the answer exists nowhere else.

    `endpoints` are those that it may call, none means all; `expires` and `now` are Unix seconds; `random` gives that
    many unpredictable bytes. Raises AccessError for a name, tenant, role or endpoint that cannot be, and KeyNameTaken.
    """
    scope = tuple(dict.fromkeys(endpoints))
    check_key(name=name, tenant=tenant, role=role, endpoints=scope)
    if expires is not None and expires <= now:
        raise AccessError("the key would have expired already", hint="give a time that lies ahead", place="expires")
    key_id, text = compose_key(random(29))
    key = Key(
        id=key_id,
        digest=key_digest(pepper, text),
        name=name,
        tenant=tenant,
        role=role,
        expires=expires,
        endpoints=scope,
    )
    row = KeyRow(key=key, created=now)
    await store.add(row)
    return row, text


def check_key(*, name: str, tenant: str, role: str, endpoints: Sequence[str]) -> None:
    """Raises AccessError for what no key can be."""
    _check(name=name, tenant=tenant, role=role)
    _check_scope(endpoints, role=role)


async def revoke_key(store: KeyStore, which: str, *, now: float) -> KeyRow:
    """Revoke the key of this public id or name.

    Raises KeyNotFound, and AccessError when two tenants have a key of that name.
    """
    return await store.revoke(named_key(await store.list(which), which, now=now).key.id, at=now)


def live_keys(rows: Iterable[KeyRow], *, now: float) -> tuple[Key, ...]:
    """The keys that open a door at this time."""
    return tuple(row.key for row in rows if is_live(row, now=now))


def is_live(row: KeyRow, *, now: float) -> bool:
    """Neither revoked nor expired."""
    return row.revoked is None and (row.key.expires is None or row.key.expires > now)


def recognise(keys: Iterable[Key], digest: str, *, now: float) -> Key | None:
    """The unexpired key of this digest; every key is compared, each in constant time."""
    found = None
    for key in keys:
        if hmac.compare_digest(key.digest, digest):
            found = key
    return found if found is not None and (found.expires is None or found.expires > now) else None


def named_key(rows: Sequence[KeyRow], which: str, *, now: float) -> KeyRow:
    """The one key that is meant by an id or a name. An expired key may be named too, unless a live one bears the name.

    Raises KeyNotFound, and AccessError when several have that name.
    """
    held = [row for row in rows if row.revoked is None]
    for row in held:
        if row.key.id == which:
            return row
    named = [row for row in held if row.key.name == which]
    named = [row for row in named if is_live(row, now=now)] or named[:1]
    if not named:
        raise KeyNotFound(f"no live key has the id or name {which!r}", hint="see modelwright keys list")
    if len(named) > 1:
        ids = ", ".join(f"{row.key.id} (tenant {row.key.tenant})" for row in named)
        raise AccessError(f"{which!r} names {len(named)} keys: {ids}", hint="give the id")
    return named[0]


def lifetime(text: str, *, place: str = "expires") -> float:
    """Seconds of `45m`, `12h` or `30d`; raises AccessError."""
    try:
        seconds = parse_duration(text.strip())
    except ValueError as error:
        raise AccessError(f"{error}", hint="write 45m, 12h or 30d", place=place) from None
    if not 0 < seconds <= _CENTURY:
        raise AccessError(f"{text!r} is no lifetime of a key", hint="write 45m, 12h or 30d", place=place)
    return seconds


def _check(*, name: str, tenant: str, role: str) -> None:
    for place, value in (("name", name), ("tenant", tenant)):
        if not _NAME.fullmatch(value):
            hint = "use 1 to 63 lower-case letters, digits and hyphens, such as my-app"
            raise AccessError(f"{value!r} cannot be the {place} of a key", hint=hint, place=place)
    if role not in ROLES:
        raise AccessError(f"{role!r} is no role", hint=f"use {' or '.join(ROLES)}", place="role")


def _check_scope(endpoints: Sequence[str], *, role: str) -> None:
    place = "endpoints"
    if endpoints and role != "client":
        raise AccessError(f"a key with the role {role} calls no endpoint", hint="leave the endpoints out", place=place)
    if len(endpoints) > SCOPE:
        hint = "leave them out to allow all, or make several keys"
        raise AccessError(f"{len(endpoints)} endpoints are too many, at most {SCOPE}", hint=hint, place=place)
    for endpoint in endpoints:
        if not _NAME.fullmatch(endpoint):
            hint = "use the name of an endpoint in the manifest, such as assistant"
            raise AccessError(f"{endpoint!r} cannot be the name of an endpoint", hint=hint, place=place)
