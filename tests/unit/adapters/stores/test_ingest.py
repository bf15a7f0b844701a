import logging
import os
import secrets
import sqlite3
from pathlib import Path

import msgspec
import pytest
from sqlalchemy.exc import DBAPIError

from modelwright.adapters.stores.database import Database, SqliteDatabase
from modelwright.adapters.stores.ingest import Ingest
from modelwright.adapters.stores.postgres import PostgresDatabase
from modelwright.adapters.stores.spool_reader import CHUNK, SpoolReader
from modelwright.adapters.stores.sql_feedback import SqlVariants
from modelwright.adapters.stores.sql_ledger import SqlLedger
from tests.unit.adapters.stores.spool_writer import SpoolWriter, row


@pytest.fixture
def writer(folder: Path) -> SpoolWriter:
    return SpoolWriter(folder, "gateway-0-100-a1b2")


async def outcomes(ledger: SqlLedger) -> dict[str, str]:
    return {found.call: found.outcome for found in await ledger.newest(limit=1_000_000)}


async def test_intent_then_outcome_is_one_row(ingest: Ingest, ledger: SqlLedger, writer: SpoolWriter) -> None:
    writer.write(row("1"))
    await ingest.step()
    assert await outcomes(ledger) == {"1": "intent"}
    done = row("1", "ok", status=200, input_tokens=7, cost="0.0012", currency="USD", tags={"task": "summary"}, chunks=3)
    writer.write(done)
    await ingest.step()
    assert await ledger.newest(limit=10) == [done]


async def test_a_live_file_stays_and_its_unfinished_line_waits(
    ingest: Ingest, ledger: SqlLedger, writer: SpoolWriter, folder: Path
) -> None:
    line = msgspec.json.encode(row("1", "ok")) + b"\n"
    for cut in range(len(line)):
        writer.raw(line[cut : cut + 1])
        assert await outcomes(ledger) == {}
        await ingest.step()
    assert await outcomes(ledger) == {"1": "ok"}
    assert (folder / writer.name).exists()


async def test_a_dead_writers_intents_become_unresolved_and_its_file_goes(
    ingest: Ingest, ledger: SqlLedger, writer: SpoolWriter, folder: Path
) -> None:
    writer.write(row("1"))
    writer.write(row("2"))
    writer.write(row("2", "client_disconnect"))
    await ingest.step()
    writer.die()
    await ingest.step()
    assert await outcomes(ledger) == {"1": "unresolved", "2": "client_disconnect"}
    assert list(folder.iterdir()) == []
    assert await ledger.offsets() == {}
    assert (ingest.progress.unresolved, ingest.progress.files) == (1, 1)


async def test_other_writers_intents_stay_open(
    ingest: Ingest, ledger: SqlLedger, writer: SpoolWriter, folder: Path
) -> None:
    other = SpoolWriter(folder, "gateway-1-101-c3d4")
    other.write(row("9"))
    writer.write(row("1"))
    writer.die()
    await ingest.step()
    assert await outcomes(ledger) == {"1": "unresolved", "9": "intent"}


async def test_a_rotated_file_goes_while_the_calls_in_it_go_on(
    ingest: Ingest, ledger: SqlLedger, writer: SpoolWriter, folder: Path
) -> None:
    writer.write(row("1"))
    writer.write(row("2"))
    writer.rotate()
    await ingest.step()
    assert [path.name for path in folder.iterdir()] == [writer.name]
    assert await outcomes(ledger) == {"1": "intent", "2": "intent"}
    writer.write(row("1", "ok"))
    writer.die()
    await ingest.step()
    assert await outcomes(ledger) == {"1": "ok", "2": "unresolved"}


async def test_an_outcome_is_final(ingest: Ingest, ledger: SqlLedger, writer: SpoolWriter, folder: Path) -> None:
    writer.write(row("1", "ok", output_tokens=5))
    await ingest.step()
    other = SpoolWriter(folder, "gateway-1-101-c3d4")
    for again in (row("1"), row("1", "failed"), row("1", "unresolved")):
        other.write(again)
        await ingest.step()
    assert await ledger.newest(limit=10) == [row("1", "ok", output_tokens=5)]


async def test_an_outcome_replaces_unresolved(
    ingest: Ingest, ledger: SqlLedger, writer: SpoolWriter, folder: Path
) -> None:
    writer.write(row("1"))
    writer.die()
    await ingest.step()
    other = SpoolWriter(folder, "gateway-1-101-c3d4")
    other.write(row("1", "ok"))
    await ingest.step()
    assert await outcomes(ledger) == {"1": "ok"}


async def test_a_torn_last_line_is_set_aside_when_its_writer_is_dead(
    ingest: Ingest, ledger: SqlLedger, writer: SpoolWriter, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writer.write(row("1"))
    torn = msgspec.json.encode(row("1", "ok"))[:-9]
    writer.raw(torn)
    await ingest.step()
    writer.die()
    with caplog.at_level(logging.WARNING):
        await ingest.step()
    assert await outcomes(ledger) == {"1": "unresolved"}
    assert [path.read_bytes() for path in (folder / "rejected").iterdir()] == [torn + b"\n"]
    assert "1 of 1 lines" in caplog.text


async def test_a_last_line_without_its_line_break_counts(
    ingest: Ingest, ledger: SqlLedger, writer: SpoolWriter
) -> None:
    writer.raw(msgspec.json.encode(row("1", "ok")))
    writer.die()
    await ingest.step()
    assert await outcomes(ledger) == {"1": "ok"}


@pytest.mark.parametrize(
    "bad",
    [
        b"not json",
        b"{}",
        b"[]",
        b'{"call":"2","at":"soon","operation":"chat","endpoint":"x"}',
        b'{"call":"2","at":1,"operation":"chat","endpoint":"x","outcome":"marvellous"}',
        b'{"call":"","at":1,"operation":"chat","endpoint":"x"}',
        b'{"v":2,"call":"2","at":1,"operation":"chat","endpoint":"x"}',
        b'{"call":"2","at":1,"operation":"chat","endpoint":"\xff"}',
        b'{"call":"2","at":1,"operation":"chat","endpoint":"\\ud800"}',
        b'{"call":"2","at":1,"operation":"chat","endpoint":"x","tags":' + b'{"a":' * 5000,
        b"\x00" * 4096,
    ],
    ids=range(11),
)
async def test_a_bad_line_is_set_aside_and_stops_nobody(
    ingest: Ingest, ledger: SqlLedger, writer: SpoolWriter, folder: Path, bad: bytes
) -> None:
    writer.write(row("1", "ok"))
    writer.raw(bad + b"\n")
    writer.write(row("3", "ok"))
    await ingest.step()
    await ingest.step()
    assert await outcomes(ledger) == {"1": "ok", "3": "ok"}
    (kept,) = (folder / "rejected").iterdir()
    assert kept.read_bytes() == bad + b"\n"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert ingest.progress.rejected == 1


async def test_a_row_that_no_database_can_hold_is_set_aside_alone(
    ingest: Ingest, ledger: SqlLedger, writer: SpoolWriter, folder: Path
) -> None:
    for call in "12":
        writer.write(row(call, "ok"))
    line = b'{"call":"9","at":1,"operation":"chat","endpoint":"x","outcome":"ok","bytes_in":%d}' % 2**63
    writer.raw(line + b"\n")
    for call in "34":
        writer.write(row(call, "ok"))
    await ingest.step()
    assert set(await outcomes(ledger)) == {"1", "2", "3", "4"}
    (kept,) = (folder / "rejected").iterdir()
    assert msgspec.json.decode(kept.read_bytes())["bytes_in"] == 2**63


async def test_a_line_longer_than_any_row_is_set_aside_in_pieces(
    ingest: Ingest, ledger: SqlLedger, writer: SpoolWriter, folder: Path
) -> None:
    writer.raw(b"x" * (CHUNK + 10) + b"\n")
    writer.write(row("1", "ok"))
    await ingest.step()
    assert await outcomes(ledger) == {"1": "ok"}
    assert sum(path.stat().st_size for path in (folder / "rejected").iterdir()) == CHUNK + 12


async def test_a_file_larger_than_one_read_is_taken_whole(
    ingest: Ingest, ledger: SqlLedger, writer: SpoolWriter
) -> None:
    lines = [msgspec.json.encode(row(f"{number:06}", "ok", user="u" * 200)) for number in range(9_000)]
    writer.raw(b"\n".join(lines) + b"\n")
    assert (writer.folder / writer.name).stat().st_size > 2 * CHUNK
    await ingest.step()
    assert len(await outcomes(ledger)) == 9_000


async def test_a_file_that_cannot_be_read_stops_nobody(
    ingest: Ingest, ledger: SqlLedger, writer: SpoolWriter, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "a-directory.jsonl").mkdir()
    (folder / "a-link.jsonl").symlink_to(folder / writer.name)
    (folder / "rejected").write_text("in the way of the folder")
    bad = SpoolWriter(folder, "gateway-0-99-bad")
    bad.raw(b"bad\n")
    writer.write(row("1", "ok"))
    with caplog.at_level(logging.WARNING):
        await ingest.step()
        await ingest.step()
    assert await outcomes(ledger) == {"1": "ok"}
    assert len(caplog.records) == 1, "a problem that stays is told once"
    (folder / "rejected").unlink()
    await ingest.step()
    assert ingest.progress.rejected == 1


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_a_locked_database_is_tried_again_later(
    ingest: Ingest, ledger: SqlLedger, database: SqliteDatabase, writer: SpoolWriter, tmp_path: Path
) -> None:
    writer.write(row("1", "ok"))
    writer.die()
    async with database.writer.connect() as connection:
        await connection.exec_driver_sql("PRAGMA busy_timeout = 1")
        await connection.rollback()
        other = sqlite3.connect(tmp_path / "state" / "modelwright.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DBAPIError, match="locked"):
        await ingest.step()
    assert await outcomes(ledger) == {}
    other.close()
    await ingest.step()
    assert await outcomes(ledger) == {"1": "ok"}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_a_full_disk_is_tried_again_later(
    ingest: Ingest, ledger: SqlLedger, database: SqliteDatabase, writer: SpoolWriter
) -> None:
    await ingest.step()
    async with database.writer.connect() as connection:
        pages = await connection.exec_driver_sql("PRAGMA page_count")
        await connection.exec_driver_sql(f"PRAGMA max_page_count = {pages.scalar()}")
        await connection.rollback()
    for number in range(400):
        writer.write(row(f"{number:03}", "ok", user="u" * 500))
    with pytest.raises(DBAPIError, match="full"):
        await ingest.step()
    assert await outcomes(ledger) == {}
    async with database.writer.connect() as connection:
        await connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
        await connection.rollback()
    await ingest.step()
    assert len(await outcomes(ledger)) == 400


async def test_a_new_reader_goes_on_where_the_old_one_was(
    ingest: Ingest, spool: SpoolReader, ledger: SqlLedger, writer: SpoolWriter
) -> None:
    writer.write(row("1", "ok"))
    await ingest.step()
    writer.write(row("2"))
    again = Ingest(spool, ledger)
    await again.step()
    assert again.progress.rows == 1
    assert await outcomes(ledger) == {"1": "ok", "2": "intent"}


async def test_intents_of_a_writer_without_a_file_are_resolved_at_the_start(
    ingest: Ingest, spool: SpoolReader, ledger: SqlLedger, writer: SpoolWriter, folder: Path
) -> None:
    writer.write(row("1"))
    await ingest.step()
    (folder / writer.name).unlink()
    again = Ingest(spool, ledger)
    await again.step()
    assert await outcomes(ledger) == {"1": "unresolved"}


async def test_a_young_empty_file_is_left_alone_and_an_old_one_goes(
    ingest: Ingest, spool: SpoolReader, folder: Path
) -> None:
    path = folder / "gateway-0-100-a1b2.jsonl"
    path.touch()
    os.utime(path, (spool._clock.now(), spool._clock.now() - 59))
    await ingest.step()
    assert path.exists()
    os.utime(path, (spool._clock.now(), spool._clock.now() - 61))
    await ingest.step()
    assert not path.exists()


async def test_no_spool_folder_is_no_rows(tmp_path: Path, spool: SpoolReader, ledger: SqlLedger) -> None:
    ingest = Ingest(SpoolReader(tmp_path / "none", clock=spool._clock), ledger)
    await ingest.step()
    assert ingest.progress.rows == 0


async def test_what_no_database_can_hold_is_set_aside_and_blocks_nobody(
    ingest: Ingest, ledger: SqlLedger, database: Database, writer: SpoolWriter, folder: Path
) -> None:
    """A count past 64 bits, and a name that no index takes; what goes before and after them is taken in."""
    for number in range(40):
        writer.write(row(f"{number:02}", "ok", input_tokens=1 << 70 if number == 17 else number))
    huge = secrets.token_hex(50_000) if isinstance(database, PostgresDatabase) else 1 << 80
    for said in ({"name": "user"}, {"name": huge}, {"name": "other"}):
        line = {"feedback": 1, "call": "03", "tenant": "t", "score": 1.0, "at": 1.0, **said}
        writer.raw(msgspec.json.encode(line) + b"\n")
    writer.write(row("last", "ok", user="a\0b", tags={"\0": "\\u0000"}))
    writer.die()
    await ingest.step()
    assert set(await outcomes(ledger)) == {"last", *(f"{number:02}" for number in range(40) if number != 17)}
    (last,) = await ledger.newest(limit=1, call="last")
    assert (last.user, last.tags) == ("a␀b", {"␀": "\\u0000"})
    kept = b"".join(path.read_bytes() for path in (folder / "rejected").iterdir())
    assert (str(1 << 70).encode() in kept, kept.count(b"\n"), ingest.progress.rejected) == (True, 2, 2)
    assert [path.name for path in folder.iterdir()] == ["rejected"]
    assert len(await SqlVariants(database).comments("03", tenant="t")) == 2
