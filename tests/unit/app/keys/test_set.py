"""Large sets of keys: a table, what has changed since, and restarts."""

import hashlib
from pathlib import Path

import msgspec

from modelwright.adapters.stores.memory_keys import MemoryKeyStore
from modelwright.app.keys.set import KeySet, Known
from modelwright.app.keys.table import open_table
from modelwright.core.contracts.snapshot import Key
from modelwright.core.ports.stores import KeyRow
from modelwright.gateway.identity.keys import Keys
from tests.unit.gateway.world import snapshot

INLINE = 4


class Many:
    """A store and the set over it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = MemoryKeyStore()
        self.set = KeySet(folder, self.store, inline=INLINE)

    async def add(self, number: int, *, role: str = "client", expires: float | None = None) -> Key:
        digest = hashlib.sha256(str(number).encode()).hexdigest()
        key = Key(id=f"{number:08}", digest=digest, name=f"k{number}", tenant="t", role=role, expires=expires)
        await self.store.add(KeyRow(key=key, created=1.0))
        return key

    async def gateway(self, *, now: float = 100.0) -> tuple[Known, Keys]:
        """What a gateway looks up."""
        known = await self.set.known(now=now)
        held = snapshot(keys=known.live, key_table=known.table, keys_gone=known.gone)
        return known, Keys(held, open_table(known.table) if known.table else None)

    @property
    def tables(self) -> list[Path]:
        return sorted((self.folder / "keys").glob("*"))


async def test_few_keys_stand_in_the_snapshot(tmp_path: Path) -> None:
    many = Many(tmp_path)
    added = [await many.add(number) for number in range(INLINE)]
    known, keys = await many.gateway()
    assert (known.table, known.count, many.tables) == ("", INLINE, [])
    assert [keys.get(key.digest) for key in added] == added


async def test_many_are_in_a_table_and_every_change_holds_at_once(tmp_path: Path) -> None:
    many = Many(tmp_path)
    added = [await many.add(number) for number in range(20)]
    admin = await many.add(99, role="admin")
    known, keys = await many.gateway()
    assert (known.count, len(known.live), len(many.tables)) == (21, 1, 1)
    assert keys.get(admin.digest) == admin
    assert [keys.get(key.digest) for key in added] == [msgspec.structs.replace(key, name="") for key in added]
    await many.store.revoke(added[3].id, at=50.0)
    new = await many.add(50)
    successor = msgspec.structs.replace(added[4], id="successor", digest="ab" * 32)
    await many.store.replace(added[4].id, KeyRow(key=successor, created=60.0), until=120.0)
    known, keys = await many.gateway()
    assert keys.get(added[3].digest) is None
    assert keys.get(new.digest) == new
    assert keys.get(successor.digest) == successor
    old = keys.get(added[4].digest)
    assert old is not None
    assert old.expires == 120.0
    assert (known.count, len(many.tables)) == (22, 1)
    assert (await many.gateway(now=130.0))[1].get(added[4].digest) is None


async def test_after_many_changes_the_table_is_written_anew_and_a_restart_uses_it(tmp_path: Path) -> None:
    many = Many(tmp_path)
    added = [await many.add(number) for number in range(20)]
    first, _ = await many.gateway()
    for key in added[: INLINE + 1]:
        await many.store.revoke(key.id, at=50.0)
    beside, keys = await many.gateway()
    assert (beside.table, len(beside.gone)) == (first.table, INLINE + 1), "told at once, while the next is written"
    assert keys.get(added[0].digest) is None
    await many.set.settle()
    second, keys = await many.gateway()
    assert (second.table > first.table, second.gone, second.count) == (True, (), 20 - INLINE - 1)
    assert keys.get(added[0].digest) is None
    assert len(many.tables) == 2, "the one that a snapshot may still name is kept"
    await many.store.revoke(added[-1].id, at=60.0)
    many.set = KeySet(tmp_path, many.store, inline=INLINE)
    third, keys = await many.gateway()
    assert (third.table, third.gone) == (second.table, (added[-1].digest,))
    assert keys.get(added[-1].digest) is None


async def test_a_table_from_the_future_or_damaged_is_not_used(tmp_path: Path) -> None:
    many = Many(tmp_path)
    for number in range(20):
        await many.add(number)
    await many.gateway()
    (path,) = many.tables
    restored = Many(tmp_path)
    kept = [await restored.add(number) for number in range(100, 103)]
    known, keys = await restored.gateway()
    assert (known.table, known.count) == ("", 3)
    assert keys.get(kept[0].digest) == kept[0]
    path.write_bytes(path.read_bytes()[:100])
    again = KeySet(tmp_path, many.store, inline=INLINE)
    assert (await again.known(now=100.0)).count == 20
