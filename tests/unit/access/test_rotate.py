import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.access.keys import create_key, live_keys, revoke_key
from modelwright.access.rotate import Rotated, overlap_of, rotate_key
from modelwright.adapters.stores.memory_keys import MemoryKeyStore
from modelwright.core.errors.access import AccessError, KeyNotFound
from modelwright.core.keys import key_digest
from modelwright.core.ports.stores import KeyRow

PEPPER = b"pepper of the tests"
NOW = 1_700_000_000.0
HOUR = 3600.0


class Keys:
    """A store, with bytes that a seed decides."""

    def __init__(self, seed: int = 1) -> None:
        self.store = MemoryKeyStore()
        self.random = random.Random(seed)

    async def create(
        self, name: str = "app", *, tenant: str = "default", expires: float | None = None, now: float = NOW
    ) -> KeyRow:
        row, _ = await create_key(
            self.store,
            name=name,
            tenant=tenant,
            role="client",
            endpoints=("chat",),
            expires=expires,
            pepper=PEPPER,
            random=self.random.randbytes,
            now=now,
        )
        return row

    async def rotate(
        self, which: str = "app", *, overlap: float = HOUR, life: float | None = None, now: float = NOW
    ) -> Rotated:
        return await rotate_key(
            self.store, which, overlap=overlap, life=life, pepper=PEPPER, random=self.random.randbytes, now=now
        )

    async def live(self, now: float) -> set[str]:
        return {key.id for key in live_keys(await self.store.list(), now=now)}


@pytest.fixture
def keys() -> Keys:
    return Keys()


async def test_the_successor_has_the_same_rights_and_both_work_for_the_overlap(keys: Keys) -> None:
    old = await keys.create(tenant="acme")
    made = await keys.rotate(now=NOW + 10)
    new = made.new.key
    assert (new.name, new.tenant, new.role, new.endpoints, new.expires) == ("app", "acme", "client", ("chat",), None)
    assert new.digest == key_digest(PEPPER, made.text)
    assert (made.old.key.id, made.old.key.expires, made.old.successor) == (old.key.id, NOW + 10 + HOUR, new.id)
    assert await keys.live(NOW + 9 + HOUR) == {old.key.id, new.id}
    assert await keys.live(NOW + 10 + HOUR) == {new.id}
    assert made.text.split("-")[2] not in repr(await keys.store.list())


async def test_the_overlap_never_makes_a_key_live_longer(keys: Keys) -> None:
    await keys.create(expires=NOW + 60)
    assert (await keys.rotate()).old.key.expires == NOW + 60


async def test_without_overlap_the_old_key_ends_at_once(keys: Keys) -> None:
    await keys.create()
    made = await keys.rotate(overlap=0)
    assert await keys.live(NOW) == {made.new.key.id}


async def test_the_successor_lives_as_long_as_the_old_one_was_made_for_or_as_said(keys: Keys) -> None:
    await keys.create(expires=NOW + 100)
    assert (await keys.rotate(now=NOW + 90)).new.key.expires == NOW + 190
    assert (await keys.rotate(life=7, now=NOW + 91)).new.key.expires == NOW + 98


async def test_a_rotated_key_has_one_successor_which_the_name_means(keys: Keys) -> None:
    first = await keys.create()
    second = (await keys.rotate()).new.key.id
    with pytest.raises(AccessError, match="rotated already") as refused:
        await keys.rotate(first.key.id)
    assert second in refused.value.hint
    third = (await keys.rotate("app")).new.key.id
    assert await keys.live(NOW + 1) == {first.key.id, second, third}
    with pytest.raises(AccessError, match="names 3 keys"):
        await revoke_key(keys.store, "app", now=NOW + 1)


async def test_only_a_live_key_can_be_rotated(keys: Keys) -> None:
    row = await keys.create(expires=NOW + 5)
    for which, now in (("nobody", NOW), ("app", NOW + 5), (row.key.id, NOW + 5)):
        with pytest.raises(KeyNotFound):
            await keys.rotate(which, now=now)
    await revoke_key(keys.store, row.key.id, now=NOW)
    with pytest.raises(KeyNotFound):
        await keys.rotate(row.key.id)
    assert len(await keys.store.list()) == 1


@given(st.lists(st.sampled_from(["create", "rotate", "wait"]), max_size=20))
async def test_of_the_live_keys_of_a_name_at_most_one_has_no_successor(steps: list[str]) -> None:
    keys, now = Keys(), NOW
    for step in steps:
        try:
            if step == "create":
                await keys.create(now=now)
            elif step == "rotate":
                await keys.rotate(overlap=15, now=now)
            else:
                now += 10
        except AccessError:
            pass
        live = await keys.live(now)
        assert len([row for row in await keys.store.list() if row.key.id in live and not row.successor]) <= 1


@pytest.mark.parametrize(("text", "seconds"), [("24h", 86_400), ("0s", 0), ("0h", 0), (" 5m ", 300)])
def test_reads_overlaps(text: str, seconds: float) -> None:
    assert overlap_of(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-1h", "soon", "999999999d"])
def test_refuses_other_overlaps(text: str) -> None:
    with pytest.raises(AccessError) as refused:
        overlap_of(text)
    assert refused.value.place == "overlap"
    assert refused.value.hint
