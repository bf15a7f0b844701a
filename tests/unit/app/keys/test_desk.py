import pytest

from modelwright.adapters.stores.memory_keys import MemoryKeyStore
from modelwright.app.keys.desk import KeyDesk
from modelwright.app.keys.types import KeyWish, RotationWish, Spread
from modelwright.core.contracts.events import Event, KeyChanged
from modelwright.core.errors.access import AccessError, KeyNotFound
from modelwright.core.keys import key_digest
from modelwright.core.ports.clock import ManualClock

PEPPER = b"pepper of the tests"


class Office:
    """A desk, what it has told and what was heard of it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = MemoryKeyStore()
        self.heard: list[Event] = []
        self.told = 0
        self.desk = KeyDesk(self.store, pepper=PEPPER, clock=self.clock, tell=self._tell, emit=self.heard.append)

    async def _tell(self) -> Spread | None:
        self.told += 1
        return Spread(serial=self.told, confirmed=["gateway-0"], unconfirmed=[])


@pytest.fixture
def office() -> Office:
    return Office()


async def test_making_a_key_stores_tells_and_shows_it(office: Office) -> None:
    made = await office.desk.create(KeyWish(name="app", tenant="acme", expires_in="1h"))
    (row,) = await office.store.list()
    assert row.key.digest == key_digest(PEPPER, made.key)
    assert (made.id, made.tenant, made.state) == (row.key.id, "acme", "live")
    assert made.expires == office.clock.now() + 3600
    assert made.spread == Spread(serial=1, confirmed=["gateway-0"], unconfirmed=[])
    assert office.heard == [KeyChanged(at=office.clock.now(), key=made.id, tenant="acme", action="created")]


async def test_a_key_that_cannot_be_made_changes_nothing(office: Office) -> None:
    for wish in (KeyWish(name="A"), KeyWish(name="a", role="root"), KeyWish(name="a", expires_in="soon")):
        with pytest.raises(AccessError):
            await office.desk.create(wish)
    assert (office.told, office.heard, await office.desk.list()) == (0, [], [])


async def test_revoking_stores_and_tells(office: Office) -> None:
    made = await office.desk.create(KeyWish(name="app"))
    office.clock.advance(5)
    revoked = await office.desk.revoke("app")
    assert (revoked.id, revoked.state, revoked.revoked) == (made.id, "revoked", office.clock.now())
    assert office.told == 2
    with pytest.raises(KeyNotFound):
        await office.desk.revoke("app")
    assert office.told == 2


async def test_lists_what_everybody_may_see(office: Office) -> None:
    await office.desk.create(KeyWish(name="a", expires_in="1h"))
    office.clock.advance(3600)
    await office.desk.create(KeyWish(name="b"))
    await office.desk.create(KeyWish(name="c"))
    await office.desk.revoke("c")
    states = {key.name: key.state for key in await office.desk.list()}
    assert states == {"a": "expired", "b": "live", "c": "revoked"}
    assert all("digest" not in key.model_dump() for key in await office.desk.list())


async def test_rotating_a_key_tells_once_and_shows_old_and_new(office: Office) -> None:
    made = await office.desk.create(KeyWish(name="app", endpoints=("chat",)))
    rotated = await office.desk.rotate("app", RotationWish(overlap="1h"))
    assert (rotated.name, rotated.endpoints, rotated.state) == ("app", ("chat",), "live")
    assert (rotated.replaces.id, rotated.replaces.successor) == (made.id, rotated.id)
    assert rotated.replaces.expires == office.clock.now() + 3600
    assert (office.told, office.heard[-1]) == (2, KeyChanged(
        at=office.clock.now(), key=rotated.id, tenant="default", action="rotated"
    ))  # fmt: skip
    with pytest.raises(AccessError):
        await office.desk.rotate("app", RotationWish(overlap="soon"))
    assert office.told == 2
