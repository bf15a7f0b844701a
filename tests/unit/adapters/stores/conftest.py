"""An empty spool, a database that stands at the newest migration, and what reads the one into the other."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from modelwright.adapters.stores.database import Database
from modelwright.adapters.stores.ingest import Ingest
from modelwright.adapters.stores.spool_reader import SpoolReader
from modelwright.adapters.stores.sql_ledger import SqlLedger
from modelwright.core.ports.clock import ManualClock
from tests.making.databases import KINDS, new_database


@pytest.fixture(params=KINDS)
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    async with new_database(request.param, tmp_path / "state", request) as opened:
        yield opened


@pytest.fixture
def ledger(database: Database) -> SqlLedger:
    return SqlLedger(database)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "spool"
    folder.mkdir()
    return folder


@pytest.fixture
def spool(folder: Path) -> SpoolReader:
    return SpoolReader(folder, clock=ManualClock())


@pytest.fixture
def ingest(spool: SpoolReader, ledger: SqlLedger) -> Ingest:
    return Ingest(spool, ledger)
