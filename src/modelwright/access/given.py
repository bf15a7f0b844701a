"""API keys that somebody else has made: taken in once, whoever comes with them and however often."""

from __future__ import annotations

import re

import msgspec

from modelwright.access.keys import check_key
from modelwright.core.contracts.snapshot import GivenKey, Key
from modelwright.core.errors.access import AccessError, KeyNameTaken
from modelwright.core.keys import key_digest
from modelwright.core.ports.stores import KeyRow, KeyStore

_FORM = re.compile(r"mw-([a-z0-9]{8})-[a-z0-9]{24,128}", re.ASCII)


async def take_in(store: KeyStore, given: GivenKey, text: str, *, pepper: bytes, now: float) -> bool:
    """Whether it was new. One that was revoked stays so; where its name is taken it is called by its id, too.

    Raises AccessError for a text of another form, and where another key has its id.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        hint = "write mw-, 8 letters or digits, - and at least 24 more, all in lower case"
        raise AccessError(
            f"the key {given.name} has not the form of a key", hint=hint, place=f"access.keys.{given.name}"
        )
    check_key(name=given.name, tenant=given.tenant, role=given.role, endpoints=given.endpoints)
    key = Key(
        id=found[1],
        digest=key_digest(pepper, text),
        name=given.name,
        tenant=given.tenant,
        role=given.role,
        endpoints=given.endpoints,
    )
    for name in (given.name, f"{given.name[:54]}-{key.id}"):
        if await _is_there(store, key):
            return False
        try:
            await store.add(KeyRow(key=msgspec.structs.replace(key, name=name), created=now))
        except KeyNameTaken:
            continue
        return True
    if await _is_there(store, key):
        return False
    raise KeyNameTaken(f"tenant {key.tenant} has live keys of the names that {given.name} could have")


async def _is_there(store: KeyStore, key: Key) -> bool:
    held = [row.key for row in await store.list(key.id) if row.key.id == key.id]
    if held and held[0].digest != key.digest:
        raise AccessError(f"another key has the id of the key {key.name}", hint="take another text for it")
    return bool(held)
