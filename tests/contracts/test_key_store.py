"""One suite for every key store: the fake in memory, and those over SQLite and PostgreSQL."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from modelwright.adapters.stores.memory_keys import MemoryKeyStore
from modelwright.adapters.stores.sql_keys import SqlKeyStore
from modelwright.core.contracts.snapshot import Key
from modelwright.core.errors.access import AccessError, KeyNameTaken, KeyNotFound
from modelwright.core.ports.stores import KeyRow, KeyStore
from tests.making.databases import KINDS, new_database


@pytest.fixture(params=["memory", *KINDS])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[KeyStore]:
    if request.param == "memory":
        yield MemoryKeyStore()
        return
    async with new_database(request.param, tmp_path, request) as database:
        yield SqlKeyStore(database)


def row(
    key_id: str, *, name: str = "app", tenant: str = "default", created: float = 100.0, expires: float | None = None
) -> KeyRow:
    digest = key_id.encode().hex().ljust(64, "0")
    return KeyRow(key=Key(id=key_id, digest=digest, name=name, tenant=tenant, expires=expires), created=created)


async def test_keeps_every_field(store: KeyStore) -> None:
    kept = KeyRow(
        key=Key(
            id="a", digest="0" * 64, name="ops", tenant="acme", role="admin", expires=5e9, endpoints=("chat", "digits")
        ),
        created=1700000000.25,
        successor="z",
    )
    await store.add(kept)
    assert await store.list() == [kept]


async def test_lists_the_newest_first(store: KeyStore) -> None:
    await store.add(row("b", name="second", created=2.0))
    await store.add(row("a", name="first", created=1.0))
    await store.add(row("c", name="third", created=3.0))
    assert [found.key.id for found in await store.list()] == ["c", "b", "a"]


async def test_a_name_is_unique_among_the_live_keys_of_a_tenant(store: KeyStore) -> None:
    await store.add(row("a"))
    with pytest.raises(KeyNameTaken, match="app"):
        await store.add(row("b"))
    await store.add(row("c", tenant="acme"))
    await store.add(row("d", name="other"))
    assert {found.key.id for found in await store.list()} == {"a", "c", "d"}


async def test_a_revoked_or_expired_key_frees_its_name(store: KeyStore) -> None:
    await store.add(row("a"))
    await store.revoke("a", at=150.0)
    await store.add(row("b", created=200.0, expires=300.0))
    with pytest.raises(KeyNameTaken):
        await store.add(row("c", created=299.0))
    await store.add(row("d", created=300.0))
    assert [found.key.id for found in await store.list()] == ["d", "b", "a"]


async def test_an_id_and_a_digest_are_unique_for_ever(store: KeyStore) -> None:
    await store.add(row("a"))
    await store.revoke("a", at=150.0)
    with pytest.raises(AccessError, match="exists"):
        await store.add(row("a", name="other"))
    same_digest = KeyRow(key=Key(id="z", digest=row("a").key.digest, name="third"), created=1.0)
    with pytest.raises(AccessError, match="exists"):
        await store.add(same_digest)
    assert len(await store.list()) == 1


async def test_revoking_keeps_the_row_and_says_when(store: KeyStore) -> None:
    await store.add(row("a"))
    revoked = await store.revoke("a", at=123.5)
    assert revoked.revoked == 123.5
    assert revoked.key == row("a").key
    assert await store.list() == [revoked]


async def test_a_successor_takes_the_name_and_ends_the_old_key(store: KeyStore) -> None:
    await store.add(row("a", expires=500.0))
    old = await store.replace("a", row("b", created=110.0), until=200.0)
    assert (old.key.id, old.key.expires, old.successor) == ("a", 200.0, "b")
    assert await store.list() == [row("b", created=110.0), old]
    last = await store.replace("b", row("c", created=120.0), until=300.0)
    assert (last.key.expires, last.successor) == (300.0, "c")
    with pytest.raises(KeyNameTaken):
        await store.add(row("d", created=150.0))


async def test_replacing_never_makes_a_key_live_longer(store: KeyStore) -> None:
    await store.add(row("a", expires=150.0))
    assert (await store.replace("a", row("b", created=110.0), until=200.0)).key.expires == 150.0


async def test_a_replacement_that_cannot_be_changes_nothing(store: KeyStore) -> None:
    await store.add(row("a", expires=500.0))
    await store.add(row("o", name="other"))
    await store.revoke("o", at=105.0)
    for which, created in (("z", 110.0), ("o", 110.0), ("a", 500.0)):
        with pytest.raises(KeyNotFound):
            await store.replace(which, row("b", created=created), until=600.0)
    with pytest.raises(AccessError, match="exists"):
        await store.replace("a", row("o", created=110.0), until=200.0)
    kept = await store.list()
    assert {found.key.id: found.key.expires for found in kept} == {"a": 500.0, "o": None}
    await store.replace("a", row("b", created=110.0), until=200.0)
    with pytest.raises(AccessError, match="rotated already") as refused:
        await store.replace("a", row("c", created=120.0), until=130.0)
    assert "b" in refused.value.hint
    assert {found.key.id for found in await store.list()} == {"a", "b", "o"}


async def test_only_a_live_key_can_be_revoked(store: KeyStore) -> None:
    await store.add(row("a"))
    with pytest.raises(KeyNotFound):
        await store.revoke("b", at=1.0)
    await store.revoke("a", at=2.0)
    with pytest.raises(KeyNotFound):
        await store.revoke("a", at=3.0)
    assert (await store.list())[0].revoked == 2.0


async def test_keys_are_found_by_id_and_name_and_the_newest_first(store: KeyStore) -> None:
    await store.add(row("a", name="one", created=100.0))
    await store.add(row("b", name="two", created=200.0))
    await store.add(row("one", name="three", created=300.0))
    assert [found.key.id for found in await store.list("one")] == ["one", "a"]
    assert await store.list("nobody") == []
    assert [found.key.id for found in await store.list(most=2)] == ["one", "b"]


async def test_changes_come_with_a_mark_and_all_admins(store: KeyStore) -> None:
    log: Any = store
    await store.add(row("a"))
    root = msgspec.structs.replace(row("z", name="root").key, role="admin")
    await store.add(KeyRow(key=root, created=100.0))
    mark, rows = await log.changes(-1, most=9)
    assert {found.key.id for found in rows} == {"a", "z"}
    assert [found.key.id for found in (await log.changes(mark, most=9))[1]] == ["z"]
    await store.revoke("a", at=110.0)
    await store.add(row("b", name="other"))
    later, rows = await log.changes(mark, most=2)
    assert (later > mark, {found.key.id for found in rows}) == (True, {"a", "b", "z"})
    assert await log.changes(mark, most=1) is None
    await store.replace("b", row("c", name="other", created=120.0), until=130.0)
    assert {found.key.id for found in (await log.changes(later, most=2))[1]} == {"b", "c", "z"}


async def test_a_dump_holds_clients_keys_by_digest(store: KeyStore) -> None:
    log: Any = store
    for key_id in ("c", "a", "b", "d"):
        await store.add(row(key_id, name=key_id, expires=500.0))
    await store.add(KeyRow(key=msgspec.structs.replace(row("z").key, role="admin"), created=100.0))
    await store.revoke("b", at=110.0)
    async with log.dump() as dump:
        found = [key for page in [page async for page in dump.pages] for key in page]
        assert (dump.count, dump.mark) == (3, (await log.changes(-1, most=9))[0])
    assert [(key.id, key.expires, key.tenant) for key in found] == [(i, 500.0, "default") for i in ("a", "c", "d")]


async def test_the_number_of_the_last_table_is_remembered(store: KeyStore) -> None:
    log: Any = store
    assert await log.table() == 0
    for number in (1 << 62, 7):
        await log.remember_table(number)
        assert await log.table() == number
