"""Limits of single keys, from their names to their ids."""

from modelwright.access.key_limits import with_ids
from modelwright.access.keys import revoke_key
from modelwright.access.rotate import rotate_key
from modelwright.core.contracts.snapshot import Limit, Limits
from tests.unit.access.test_keys import NOW, PEPPER, Maker

EACH = Limit(by="key", of="requests", amount=1, per="minute")
TENANT = Limit(by="tenant", whose="ci", of="requests", amount=2, per="minute")
NAMED = Limit(by="key", whose="ci", of="requests", amount=3, per="minute")


async def found(make: Maker, *each: Limit) -> list[str]:
    return sorted(limit.whose for limit in (await with_ids(Limits(each=each), make.store, now=NOW)).each)


async def test_a_name_stands_for_every_live_key_that_bears_it() -> None:
    make = Maker()
    shop, _ = await make("ci", tenant="shop")
    bank, _ = await make("ci", tenant="bank", endpoints=("chat",))
    await make("other")
    await make("ci", tenant="late", expires=NOW - 1, now=NOW - 9)
    assert await found(make, EACH, TENANT, NAMED) == sorted(["", "ci", shop.key.id, bank.key.id])
    await revoke_key(make.store, bank.key.id, now=NOW)
    assert await found(make, NAMED) == [shop.key.id]
    turned = await rotate_key(
        make.store, "ci", overlap=60.0, life=None, pepper=PEPPER, random=make.random.randbytes, now=NOW
    )
    assert await found(make, NAMED) == sorted([shop.key.id, turned.new.key.id])


async def test_an_id_names_one_key_and_an_unknown_name_none() -> None:
    make = Maker()
    row, _ = await make("ci")
    assert await found(make, Limit(by="key", whose=row.key.id, of="concurrency", amount=1)) == [row.key.id]
    assert await found(make, Limit(by="key", whose="nobody", of="concurrency", amount=1)) == []


async def test_limits_without_named_keys_stay_what_they_are() -> None:
    limits = Limits(each=(EACH, TENANT))
    assert await with_ids(limits, Maker().store, now=NOW) is limits
