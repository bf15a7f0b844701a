"""One suite for every store of a registry: the fake in memory, over SQLite, which outlives a kill, and PostgreSQL."""

import asyncio
import hashlib
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from modelwright.adapters.stores.database import open_database
from modelwright.adapters.stores.memory_registry import MemoryRegistryStore
from modelwright.adapters.stores.sql_registry import SqlRegistryStore
from modelwright.app.system import SystemClock
from modelwright.core.errors.registry import AliasHasMoved, NotRegistered, VersionInUse
from modelwright.core.ports.registry import ALIAS, VERSION, Entry, RegistryStore
from modelwright.registry.registry import By, Registry
from tests.making.databases import KINDS, new_database

DYING_WRITER = Path(__file__).with_name("registry_writer.py")


@pytest.fixture(params=["memory", *KINDS])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RegistryStore]:
    if request.param == "memory":
        yield MemoryRegistryStore()
        return
    async with new_database(request.param, tmp_path, request) as database:
        yield SqlRegistryStore(database)


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def version(name: str, content: bytes = b"x", *, was: str = "") -> Entry:
    return Entry(act=VERSION, name=name, to=digest(content), was=was, who="user:me", why="it is better", at=1.25)


MOVED = Entry(act=ALIAS, name="live", to="v2", was="v1", who="key:abc", why="Grund: höher, 更好", at=1700000000.25)


def die_while_writing(path: Path, moment: str) -> None:
    """Run a process that puts a document and is killed at this moment."""
    killed = subprocess.run([sys.executable, DYING_WRITER, path, moment], check=False, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr


async def test_keeps_every_field_and_the_order(store: RegistryStore) -> None:
    assert await store.append("prompt", "support", version("v1"), after=0, content=b"x")
    assert await store.append("prompt", "support", MOVED, after=1)
    assert await store.read("prompt", "support") == (version("v1"), MOVED)


async def test_an_unknown_name_has_no_history(store: RegistryStore) -> None:
    assert await store.read("prompt", "support") == ()
    assert await store.names("prompt") == ()


async def test_names_are_sorted_and_kinds_are_apart(store: RegistryStore) -> None:
    for kind, name in (("prompt", "b"), ("prompt", "a"), ("model", "c")):
        assert await store.append(kind, name, version("v1"), after=0, content=b"x")
    assert await store.names("prompt") == ("a", "b")
    assert await store.names("model") == ("c",)
    assert await store.read("model", "a") == ()


async def test_a_writer_that_has_not_seen_the_last_entry_adds_nothing(store: RegistryStore) -> None:
    assert await store.append("prompt", "support", version("v1"), after=0, content=b"x")
    assert not await store.append("prompt", "support", version("v2", b"late"), after=0, content=b"late")
    assert not await store.append("prompt", "support", version("v2", b"early"), after=2, content=b"early")
    assert await store.read("prompt", "support") == (version("v1"),)
    for content in (b"late", b"early"):
        with pytest.raises(NotRegistered):
            await store.content(digest(content))


async def test_of_many_writers_at_once_one_comes_first(store: RegistryStore) -> None:
    tries = [store.append("prompt", "support", version(f"v{number}"), after=0, content=b"x") for number in range(20)]
    assert sum(await asyncio.gather(*tries)) == 1
    assert len(await store.read("prompt", "support")) == 1


async def test_of_many_who_move_an_alias_one_wins_and_the_history_has_all_in_order(store: RegistryStore) -> None:
    hosts = [Registry("model", store=store, clock=SystemClock()) for _ in range(2)]
    by = By("me", "a race")
    for number in range(20):
        await hosts[0].put("digits", f"v{number}", str(number).encode(), by=by)
    await hosts[0].alias("digits", "live", "v0", by=by, expect="")

    async def move(number: int, expect: str | None) -> str:
        entry = await hosts[number % 2].alias("digits", "live", f"v{number}", by=by, expect=expect)
        return entry.name if entry is not None else ""

    told = await asyncio.gather(*(move(number, "v0") for number in range(1, 20)), return_exceptions=True)
    assert told.count("live") == 1
    assert sum(isinstance(each, AliasHasMoved) for each in told) == 18
    await asyncio.gather(*(move(number % 20, None) for number in range(60)))
    history = [entry for entry in await store.read("model", "digits") if entry.act == ALIAS]
    assert [entry.was for entry in history] == ["", *(entry.to for entry in history[:-1])], "each began where one ended"
    assert (await hosts[1].find("digits", "live")).version == history[-1].to


async def test_what_an_alias_is_just_moved_to_is_not_removed(store: RegistryStore) -> None:
    """Whoever comes first: the alias never means what is gone."""
    hosts = [Registry("model", store=store, clock=SystemClock()) for _ in range(2)]
    by = By("me", "a race")
    for number in range(20):
        await hosts[0].put("digits", f"v{number}", str(number).encode(), by=by)
        both = (hosts[0].alias("digits", "live", f"v{number}", by=by), hosts[1].remove("digits", f"v{number}", by=by))
        told = await asyncio.gather(*both, return_exceptions=True)
        assert sum(isinstance(each, NotRegistered | VersionInUse) for each in told) == 1
        line = await hosts[0].line("digits")
        assert all(meant in line.versions for meant in line.aliases.values())


async def test_a_document_is_found_by_its_digest(store: RegistryStore) -> None:
    content = bytes(range(256)) * 100
    assert await store.append("prompt", "support", version("v1", content), after=0, content=content)
    assert await store.append("prompt", "other", version("v9", content), after=0, content=content)
    assert await store.content(digest(content)) == content


async def test_an_unknown_document_is_refused(store: RegistryStore) -> None:
    with pytest.raises(NotRegistered, match="sha256:0"):
        await store.content("sha256:0")


@pytest.mark.parametrize("moment", ["document", "entry"])
async def test_a_put_that_is_killed_in_the_middle_leaves_nothing(tmp_path: Path, moment: str) -> None:
    path = tmp_path / "modelwright.db"
    die_while_writing(path, moment)
    database = await open_database(path)
    store = SqlRegistryStore(database)
    assert await store.names("prompt") == ("before",)
    assert await store.read("prompt", "support") == ()
    with pytest.raises(NotRegistered):
        await store.content(digest(b"new" * 100_000))
    assert await store.append("prompt", "support", version("v1"), after=0, content=b"x")
    await database.close()


async def test_a_put_that_has_returned_outlives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "modelwright.db"
    die_while_writing(path, "return")
    database = await open_database(path)
    store = SqlRegistryStore(database)
    (entry,) = await store.read("prompt", "support")
    assert await store.content(entry.to) == b"new" * 100_000
    await database.close()
