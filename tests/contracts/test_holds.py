"""What hosts serve, over SQLite and PostgreSQL."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from modelwright.adapters.stores.sql_holds import SqlHolds
from modelwright.adapters.stores.sql_hosts import GONE, SqlHosts
from tests.making.databases import KINDS, new_database

NOW = 1_000_000.0


@pytest.fixture(params=KINDS)
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[object]:
    async with new_database(request.param, tmp_path, request) as opened:
        yield opened


async def test_what_a_host_serves_is_held_while_it_is_there(database) -> None:
    ours, theirs = SqlHolds(database, host="us"), SqlHolds(database, host="them")
    await SqlHosts(database, host="us", name="here").beat(NOW)
    await SqlHosts(database, host="them", name="there").beat(NOW)
    await ours.tell({"digits": "sha256:1", "chat": "sha256:2"})
    await theirs.tell({"digits": "sha256:1"})
    told = ["the model digits, which is served on there", "the model digits, which is served"]
    assert await ours.of("sha256:1", now=NOW, ours=True) == told
    assert await ours.of("sha256:1", now=NOW, ours=False) == told[:1]
    assert await ours.of("sha256:1", now=NOW + GONE + 1, ours=True) == told[1:]
    assert await ours.of("sha256:3", now=NOW, ours=True) == []
    await theirs.tell({"digits": "sha256:3"})
    assert await ours.of("sha256:1", now=NOW, ours=True) == told[1:]
    await ours.tell({})
    assert await ours.of("sha256:1", now=NOW, ours=True) == []
    await SqlHosts(database, host="us").beat(NOW + GONE + 1)
    assert await theirs.of("sha256:3", now=NOW, ours=True) == [], "a host that is gone holds nothing"


async def test_one_host_alone_needs_no_name(database) -> None:
    alone = SqlHolds(database, host="")
    await alone.tell({"digits": "sha256:1"})
    assert await alone.of("sha256:1", now=NOW, ours=True) == ["the model digits, which is served"]
    assert await alone.of("sha256:1", now=NOW, ours=False) == []
