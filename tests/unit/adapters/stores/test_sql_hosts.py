"""Hosts that share a database: each minds its own rows, and what one that is gone has left is cleared up."""

import pytest

from modelwright.adapters.stores.database import Database
from modelwright.adapters.stores.ingest import Ingest
from modelwright.adapters.stores.spool_reader import SpoolReader
from modelwright.adapters.stores.sql_hosts import GONE, SqlHosts
from modelwright.adapters.stores.sql_keys import SqlKeyStore
from modelwright.adapters.stores.sql_ledger import SqlLedger
from modelwright.core.contracts.snapshot import Key
from modelwright.core.ports.stores import KeyRow
from tests.unit.adapters.stores.spool_writer import SpoolWriter, row


async def test_a_host_that_starts_leaves_the_open_calls_of_the_others_alone(
    database: Database, spool: SpoolReader
) -> None:
    one, two = SqlLedger(database, host="one"), SqlLedger(database, host="two")
    writer = SpoolWriter(spool.folder, "gateway-0-100-a1b2")
    writer.write(row("1"))
    await Ingest(spool, one).step()
    assert await two.resolve_lost(set()) == 0
    assert (await one.offsets() != {}, await two.offsets()) == (True, {})
    writer.die()
    await Ingest(spool, one).step()
    assert [found.outcome for found in await two.newest(limit=9)] == ["unresolved"]


async def test_what_a_host_has_left_is_closed_when_it_was_not_seen_for_long(database: Database) -> None:
    gone, here = SqlHosts(database, host="gone", name="a"), SqlHosts(database, host="here", name="b")
    ledger = SqlLedger(database, host="gone")
    await ledger.apply(
        [row("1"), row("2", "ok")], file="f", writer="w", offset=9, refuse=lambda refused: pytest.fail(str(refused))
    )
    assert await gone.beat(100.0) == ()
    assert await here.beat(100.0 + GONE) == ("a",)
    assert [found.outcome for found in await ledger.newest(limit=9)] == ["ok", "intent"]
    assert await here.beat(101.0 + GONE) == ()
    assert [found.outcome for found in await ledger.newest(limit=9)] == ["ok", "unresolved"]
    assert await ledger.offsets() == {}
    await ledger.apply(
        [row("1", "ok")], file="f", writer="w", offset=9, refuse=lambda refused: pytest.fail(str(refused))
    )
    assert [found.outcome for found in await ledger.newest(limit=9)] == ["ok", "ok"], "it was alive after all"
    assert await gone.beat(102.0 + GONE) == ("b",)


async def test_the_first_host_decides(database: Database) -> None:
    one, two = SqlHosts(database, host="one"), SqlHosts(database, host="two")
    assert [await one.agree("salt", "a"), await two.agree("salt", "b"), await one.agree("salt", "c")] == ["a"] * 3


async def test_what_another_host_changes_is_seen(database: Database) -> None:
    hosts, keys = SqlHosts(database, host="one"), SqlKeyStore(database)
    before = await hosts.changes()
    assert await hosts.changes() == before
    await keys.add(KeyRow(key=Key(id="a", digest="d", name="a"), created=1.0))
    assert await hosts.changes() != before


async def test_each_host_remembers_a_table_of_its_own(database: Database) -> None:
    one, two = SqlKeyStore(database, host="one"), SqlKeyStore(database, host="two")
    await one.remember_table(7)
    assert (await one.table(), await two.table()) == (7, 0)
