import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.access.keys import create_key, is_live, lifetime, live_keys, recognise, revoke_key
from modelwright.adapters.stores.memory_keys import MemoryKeyStore
from modelwright.core.contracts.snapshot import Key
from modelwright.core.errors.access import AccessError, KeyNameTaken, KeyNotFound
from modelwright.core.keys import key_digest
from modelwright.core.ports.stores import KeyRow

PEPPER = b"pepper of the tests"
NOW = 1_700_000_000.0


class Maker:
    """Makes keys in a store of its own, with bytes that a seed decides."""

    def __init__(self, seed: int = 1) -> None:
        self.store = MemoryKeyStore()
        self.random = random.Random(seed)

    async def __call__(
        self, name: str = "app", *, tenant: str = "default", role: str = "client", expires: float | None = None,
        endpoints: tuple[str, ...] = (), now: float = NOW,
    ) -> tuple[KeyRow, str]:  # fmt: skip
        return await create_key(
            self.store,
            name=name,
            tenant=tenant,
            role=role,
            endpoints=endpoints,
            expires=expires,
            pepper=PEPPER,
            random=self.random.randbytes,
            now=now,
        )


@pytest.fixture
def create() -> Maker:
    return Maker()


async def test_only_the_digest_is_stored(create: Maker) -> None:
    row, text = await create("app", tenant="acme", role="admin", expires=NOW + 60)
    assert row == KeyRow(
        key=Key(
            id=text.split("-")[1],
            digest=key_digest(PEPPER, text),
            name="app",
            tenant="acme",
            role="admin",
            expires=NOW + 60,
        ),
        created=NOW,
    )
    assert await create.store.list() == [row]
    assert text.split("-")[2] not in repr(row)


async def test_a_taken_name_is_refused(create: Maker) -> None:
    await create("app")
    with pytest.raises(KeyNameTaken):
        await create("app")
    await create("app", tenant="acme")


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "ä", "a b", "a/b", "a\n", "x" * 64, "a_b", "a\x00"])
async def test_a_bad_name_or_tenant_is_refused_with_a_remedy(create: Maker, name: str) -> None:
    with pytest.raises(AccessError, match="name of a key") as refused:
        await create(name)
    assert refused.value.hint
    with pytest.raises(AccessError, match="tenant of a key"):
        await create("app", tenant=name)
    assert await create.store.list() == []


async def test_an_unknown_role_is_refused(create: Maker) -> None:
    with pytest.raises(AccessError, match="'root' is no role"):
        await create(role="root")


async def test_a_key_may_be_bound_to_endpoints(create: Maker) -> None:
    row, _ = await create(endpoints=("chat", "digits", "chat"))
    assert row.key.endpoints == ("chat", "digits")


@pytest.mark.parametrize(
    ("endpoints", "role", "problem"),
    [
        (("Chat",), "client", "'Chat' cannot be the name of an endpoint"),
        (("",), "client", "cannot be the name"),
        (tuple(f"e{number}" for number in range(65)), "client", "65 endpoints are too many, at most 64"),
        (("chat",), "admin", "role admin calls no endpoint"),
    ],
)
async def test_a_scope_that_cannot_be_is_refused(
    create: Maker, endpoints: tuple[str, ...], role: str, problem: str
) -> None:
    with pytest.raises(AccessError, match=problem) as refused:
        await create(role=role, endpoints=endpoints)
    assert (refused.value.place, bool(refused.value.hint)) == ("endpoints", True)


async def test_a_key_that_would_have_expired_is_refused(create: Maker) -> None:
    with pytest.raises(AccessError, match="expired already"):
        await create(expires=NOW)


async def test_revokes_by_id_and_by_name(create: Maker) -> None:
    first, _ = await create("first")
    await create("second")
    revoked = await revoke_key(create.store, first.key.id, now=NOW + 1)
    assert revoked.revoked == NOW + 1
    assert (await revoke_key(create.store, "second", now=NOW + 2)).key.name == "second"
    assert live_keys(await create.store.list(), now=NOW + 3) == ()


async def test_a_name_in_two_tenants_must_be_revoked_by_id(create: Maker) -> None:
    one, _ = await create("app", tenant="one")
    two, _ = await create("app", tenant="two")
    with pytest.raises(AccessError, match=f"{two.key.id}.*{one.key.id}") as refused:
        await revoke_key(create.store, "app", now=NOW)
    assert refused.value.hint == "give the id"
    assert len(live_keys(await create.store.list(), now=NOW)) == 2


async def test_an_id_goes_before_a_name(create: Maker) -> None:
    first, _ = await create("first")
    await create(first.key.id)
    assert (await revoke_key(create.store, first.key.id, now=NOW)).key.name == "first"


async def test_a_name_means_the_live_key_when_an_expired_one_bore_it(create: Maker) -> None:
    old, _ = await create("app", expires=NOW + 10)
    new, _ = await create("app", now=NOW + 20)
    assert (await revoke_key(create.store, "app", now=NOW + 30)).key.id == new.key.id
    assert (await revoke_key(create.store, "app", now=NOW + 31)).key.id == old.key.id


async def test_what_is_not_live_cannot_be_revoked(create: Maker) -> None:
    row, _ = await create("app")
    await revoke_key(create.store, "app", now=NOW)
    for which in ("app", row.key.id, "other", ""):
        with pytest.raises(KeyNotFound):
            await revoke_key(create.store, which, now=NOW)


@given(st.lists(st.tuples(st.sampled_from(["create", "revoke", "wait"]), st.sampled_from(["a", "b"])), max_size=30))
async def test_at_most_one_live_key_bears_a_name(steps: list[tuple[str, str]]) -> None:
    create, now = Maker(), NOW
    for verb, name in steps:
        try:
            if verb == "create":
                await create(name, expires=now + 15, now=now)
            elif verb == "revoke":
                await revoke_key(create.store, name, now=now)
            else:
                now += 10
        except AccessError:
            pass
        names = [key.name for key in live_keys(await create.store.list(), now=now)]
        assert len(names) == len(set(names))


def test_a_key_lives_until_it_is_revoked_or_expires() -> None:
    key = Key(id="a", digest="0" * 64, expires=NOW + 10)
    assert is_live(KeyRow(key=key, created=NOW), now=NOW + 9.9)
    assert not is_live(KeyRow(key=key, created=NOW), now=NOW + 10)
    assert not is_live(KeyRow(key=key, created=NOW, revoked=NOW + 1), now=NOW + 2)


async def test_recognises_a_key_by_its_digest_until_it_expires(create: Maker) -> None:
    row, text = await create("app", expires=NOW + 10)
    _, other = await create("other")
    keys = live_keys(await create.store.list(), now=NOW)
    assert recognise(keys, key_digest(PEPPER, text), now=NOW) == row.key
    assert recognise(keys, key_digest(PEPPER, text), now=NOW + 10) is None
    assert recognise(keys, key_digest(b"another pepper", other), now=NOW) is None
    assert recognise((), key_digest(PEPPER, text), now=NOW) is None


@pytest.mark.parametrize(("text", "seconds"), [("45m", 2_700), ("12h", 43_200), (" 30d ", 2_592_000), ("1.5h", 5_400)])
def test_reads_lifetimes(text: str, seconds: float) -> None:
    assert lifetime(text) == seconds


@pytest.mark.parametrize("text", ["", "0d", "-1d", "30", "d", "1y", "1 d", "999999999d", "١d"])
def test_refuses_other_lifetimes(text: str) -> None:
    with pytest.raises(AccessError) as refused:
        lifetime(text)
    assert refused.value.place == "expires"
    assert "30d" in refused.value.hint
