"""Keys that somebody else has made are taken in once, and stand in nobody's way."""

import asyncio

import pytest

from modelwright.access.given import take_in
from modelwright.access.keys import create_key, recognise, revoke_key
from modelwright.adapters.stores.memory_keys import MemoryKeyStore
from modelwright.core.contracts.snapshot import GivenKey
from modelwright.core.deploying.made import api_key
from modelwright.core.errors.access import AccessError
from modelwright.core.keys import key_digest

PEPPER = b"pepper of the tests"
NOW = 1_700_000_000.0
GIVEN = GivenKey(name="api", key="${secret:KEY_API}", tenant="acme", endpoints=("assistant",))
TEXT = api_key("salt of the tests", "api")


async def taken(store: MemoryKeyStore, given: GivenKey = GIVEN, text: str = TEXT) -> bool:
    return await take_in(store, given, text, pepper=PEPPER, now=NOW)


async def test_it_opens_what_it_is_for_and_is_taken_in_once() -> None:
    store = MemoryKeyStore()
    assert [await taken(store), await taken(store)] == [True, False]
    (row,) = await store.list()
    found = recognise([row.key], key_digest(PEPPER, TEXT), now=NOW)
    assert found is not None
    assert (found.name, found.tenant, found.role, found.endpoints) == ("api", "acme", "client", ("assistant",))


async def test_of_two_who_come_at_once_one_takes_it_in() -> None:
    store = MemoryKeyStore()
    assert sorted(await asyncio.gather(*(taken(store) for _ in range(4)))) == [False, False, False, True]
    assert len(await store.list()) == 1


async def test_one_that_was_revoked_stays_so() -> None:
    store = MemoryKeyStore()
    await taken(store)
    await revoke_key(store, "api", now=NOW)
    assert not await taken(store)
    assert [row.revoked for row in await store.list()] == [NOW]


async def test_where_its_name_is_taken_it_is_called_by_its_id_too() -> None:
    store = MemoryKeyStore()
    await create_key(
        store, name="api", tenant="acme", role="client", expires=None, pepper=PEPPER, random=bytes, now=NOW
    )
    assert [await taken(store), await taken(store)] == [True, False]
    assert sorted(row.key.name for row in await store.list()) == ["api", f"api-{TEXT.split('-')[1]}"]


@pytest.mark.parametrize("text", ["", "sk-123", TEXT.upper(), TEXT[:20], f"{TEXT} "])
async def test_a_text_of_another_form_is_no_key_and_is_not_told(text: str) -> None:
    store = MemoryKeyStore()
    with pytest.raises(AccessError) as caught:
        await taken(store, text=text)
    assert not text or text not in f"{caught.value} {caught.value.hint}"
    assert await store.list() == []


async def test_another_key_with_its_id_is_never_taken_for_it() -> None:
    store = MemoryKeyStore()
    await taken(store)
    with pytest.raises(AccessError, match="another key"):
        await taken(store, text=TEXT[:-8] + "aaaaaaaa")
