import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from modelwright.adapters.http.fake import FakeTransport
from modelwright.adapters.stores.ingest import Ingest
from modelwright.adapters.stores.memory_keys import MemoryKeyStore
from modelwright.adapters.stores.spool_reader import SpoolReader
from modelwright.app.admin.assemble import teller
from modelwright.app.admin.chores import Chores
from modelwright.app.admin.publish import Publisher
from modelwright.app.admin.store import Store, open_store
from modelwright.app.admin.workers import Workers
from modelwright.app.keys.set import KeySet
from modelwright.core.contracts.snapshot import Key, Snapshot
from modelwright.core.errors.starting import StartError
from modelwright.core.ports.clock import ManualClock
from modelwright.core.ports.stores import KeyRow

BASE = Snapshot(
    serial=1, name="site", environment="test", manifest="sha256:m", release="sha256:r", auth="required",
    split_salt="00", max_body=1, max_in_flight=1,
)  # fmt: skip


async def _there() -> None:
    pass


AROUND: Any = {"check": _there, "beat": lambda: None}


class Desk:
    """A publisher over a store in memory."""

    def __init__(self, runtime: Path) -> None:
        self.runtime = runtime
        self.store = MemoryKeyStore()
        self.clock = ManualClock()
        self.given = 0
        self.publisher = Publisher(runtime, KeySet(runtime, self.store), next_serial=self._next, clock=self.clock)
        self.base(BASE)

    def base(self, snapshot: Snapshot) -> None:
        (self.runtime / "base.json").write_bytes(msgspec.json.encode(snapshot))

    def written(self) -> Snapshot:
        return msgspec.json.decode((self.runtime / "snapshot.json").read_bytes(), type=Snapshot)

    async def add(self, key_id: str, *, expires: float | None = None) -> None:
        key = Key(id=key_id, digest=key_id * 8, name=key_id, expires=expires)
        await self.store.add(KeyRow(key=key, created=self.clock.now()))

    async def _next(self, above: int) -> int:
        self.given = max(self.given, above) + 1
        return self.given


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


async def test_the_snapshot_is_the_base_with_the_live_keys(desk: Desk) -> None:
    await desk.add("live")
    await desk.add("revoked")
    await desk.add("expired", expires=desk.clock.now() + 1)
    await desk.store.revoke("revoked", at=1.0)
    desk.clock.advance(2)
    serial = await desk.publisher.publish()
    live = (await desk.store.list())[1].key
    assert live.id == "live"
    assert desk.written() == msgspec.structs.replace(BASE, serial=serial, keys=(live,))
    assert desk.publisher.live == (live,)
    assert (desk.runtime / "snapshot.json").stat().st_mode & 0o777 == 0o600


async def test_serials_go_up(desk: Desk) -> None:
    serials = [await desk.publisher.publish() for _ in range(3)]
    desk.base(msgspec.structs.replace(BASE, serial=100))
    serials.append(await desk.publisher.publish())
    assert serials == sorted(set(serials))
    assert serials[-1] > 100
    assert desk.written().serial == serials[-1]


@pytest.mark.parametrize("content", [None, b"", b"{}", b'{"v":1'])
async def test_a_base_that_cannot_be_read_is_told(desk: Desk, content: bytes | None) -> None:
    path = desk.runtime / "base.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StartError, match=r"base\.json cannot be read"):
        await desk.publisher.publish()
    assert desk.publisher.behind


async def test_a_revoked_key_is_dead_here_even_when_no_snapshot_can_be_written(desk: Desk) -> None:
    await desk.add("key")
    await desk.publisher.publish()
    await desk.store.revoke("key", at=1.0)
    (desk.runtime / "snapshot.json").unlink()
    (desk.runtime / "snapshot.json").mkdir()
    spread = await teller(desk.publisher, Workers(desk.runtime, FakeTransport(), own="control"))()
    assert spread is not None
    assert (spread.serial, "snapshot" in spread.problem) == (0, True)
    assert desk.publisher.live == ()
    assert desk.publisher.behind


async def test_a_change_is_told_with_its_serial(desk: Desk) -> None:
    spread = await teller(desk.publisher, Workers(desk.runtime, FakeTransport(), own="control"))()
    assert spread is not None
    assert spread.model_dump() == {"serial": 2, "confirmed": [], "unconfirmed": [], "problem": ""}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await open_store(tmp_path / "state", patience=1)
    yield store
    await store.close()


async def test_a_snapshot_that_is_owed_is_written_in_a_later_round(
    desk: Desk, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    spool = SpoolReader(desk.runtime / "spool", clock=desk.clock)
    chores = Chores(Ingest(spool, store.ledger), desk.publisher, **AROUND)
    (desk.runtime / "snapshot.json").mkdir()
    desk.publisher.behind = True
    with caplog.at_level(logging.INFO):
        await chores.round()
        await chores.round()
        assert "snapshot.json" in chores.trouble
        (desk.runtime / "snapshot.json").rmdir()
        await chores.round()
        await chores.round()
    assert chores.trouble == ""
    assert desk.written().serial == desk.publisher.serial
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"], "each told once"


async def test_a_defect_does_not_end_the_rounds(desk: Desk, store: Store, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Ingest):
        async def step(self) -> None:
            raise ZeroDivisionError

    chores = Chores(Broken(SpoolReader(desk.runtime, clock=desk.clock), store.ledger), desk.publisher, **AROUND)
    await chores.round()
    await chores.round()
    assert chores.trouble == "ZeroDivisionError()"
    assert len(caplog.records) == 1


async def test_the_rounds_end_when_told(desk: Desk, store: Store) -> None:
    chores = Chores(Ingest(SpoolReader(desk.runtime, clock=desk.clock), store.ledger), desk.publisher, **AROUND)
    chores.finish()
    await chores.run()
    assert chores.trouble == ""


async def test_only_one_may_hold_the_store(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StartError, match="another process holds the database"):
        await open_store(tmp_path / "state", patience=0)
    await store.close()
    again = await open_store(tmp_path / "state", patience=0)
    await again.close()


async def test_serials_of_the_store_go_up_and_past_what_was_seen(store: Store) -> None:
    found = [await store.serials.next("snapshot") for _ in range(3)]
    found.append(await store.serials.next("snapshot", 40))
    found.append(await store.serials.next("snapshot", 7))
    assert found == [1, 2, 3, 41, 42]
    assert await store.serials.next("other", 5) == 6
