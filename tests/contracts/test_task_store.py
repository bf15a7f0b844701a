"""One suite for every store of tasks: the fake in memory, and those over SQLite and PostgreSQL."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from modelwright.adapters.stores.memory_tasks import MemoryTasks
from modelwright.adapters.stores.sql_tasks import SqlTasks
from modelwright.core.errors.calls import Overloaded
from modelwright.core.identity import Caller
from modelwright.core.tasks import rules
from modelwright.core.tasks.store import Wanted
from modelwright.core.tasks.task import Answer, Principal, Task, Webhook
from tests.making.databases import KINDS, new_database

OK = Answer(status=200, content_type="application/json")


@pytest.fixture(params=["memory", *KINDS])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Any]:
    if request.param == "memory":
        yield MemoryTasks()
        return
    async with new_database(request.param, tmp_path, request) as database:
        yield SqlTasks(database)


def task(name: str, *, tenant: str = "acme", owner: str = "abcdefgh", due: float = 100.0, **changes: Any) -> Task:
    made = Task(
        id=f"task_{name}",
        principal=Principal(caller=Caller(id=owner, tenant=tenant), digest="ab" * 32, address="192.0.2.1"),
        url="/v1/chat/completions",
        endpoint="chat",
        created=100.0,
        expires=1000.0,
        due=due,
    )
    return msgspec.structs.replace(made, **changes)


def ids(found: Any) -> list[str]:
    return [each.id.removeprefix("task_") for each in found]


async def test_keeps_every_field_and_both_bodies(store: Any) -> None:
    kept = task(
        "a",
        headers={"x-user-id": "7"},
        custom_id="mine",
        metadata={"k": "更好"},
        idempotency="key",
        fingerprint="ff",
        webhook=Webhook(url="https://example.com/hook"),
    )
    assert await store.add(kept, b"\x00body", most=9) == kept
    assert await store.find(kept.id) == kept
    assert await store.content(kept.id) == (b"\x00body", b"")
    assert await store.find("task_other") is None
    assert await store.content("task_other") == (b"", b"")


async def test_the_same_idempotency_key_gives_the_first_task_of_that_caller(store: Any) -> None:
    await store.add(task("a", idempotency="key"), b"1", most=9)
    assert (await store.add(task("b", idempotency="key"), b"2", most=1)).id == "task_a"
    assert (await store.add(task("c", idempotency="key", owner="other"), b"3", most=9)).id == "task_c"
    assert (await store.add(task("d", idempotency="key", tenant="other"), b"4", most=9)).id == "task_d"
    assert (await store.add(task("e"), b"5", most=9)).id == "task_e"
    assert (await store.add(task("f"), b"6", most=9)).id == "task_f"
    assert await store.content("task_a") == (b"1", b"")


async def test_a_tenant_has_so_many_that_wait_or_run(store: Any) -> None:
    first = task("a")
    await store.add(first, b"", most=2)
    await store.add(task("b"), b"", most=2)
    with pytest.raises(Overloaded, match="acme"):
        await store.add(task("c"), b"", most=2)
    await store.add(task("d", tenant="other"), b"", most=2)
    assert await store.replace(rules.cancelled(first, now=110.0))
    await store.add(task("c"), b"", most=2)


async def test_only_the_next_revision_replaces_a_task(store: Any) -> None:
    queued = task("a")
    await store.add(queued, b"body", most=9)
    running = rules.begin(queued, call="1", worker="gateway-0", now=110.0)
    assert await store.replace(running)
    assert not await store.replace(rules.cancelled(queued, now=111.0)), "somebody who looked before it was begun"
    done = rules.answered(running, OK, now=120.0, chance=0.5)
    assert await store.replace(done, body=b"answer")
    assert await store.find("task_a") == done
    assert await store.content("task_a") == (b"", b"answer"), "what was asked is of no use any more"
    assert not await store.replace(rules.cancelled(task("never"), now=1.0))


async def test_what_was_asked_goes_with_the_end_however_that_comes(store: Any) -> None:
    queued, other = task("a"), task("b")
    await store.add(queued, b"body", most=9)
    await store.add(other, b"other", most=9)
    assert await store.replace(rules.cancelled(queued, now=110.0))
    assert await store.replace(rules.begin(other, call="1", worker="w", now=110.0))
    assert (await store.content("task_a"), await store.content("task_b")) == ((b"", b""), (b"other", b""))


async def test_lists_the_newest_first_by_page_and_owner(store: Any) -> None:
    for name in "abcd":
        await store.add(task(name, owner="one" if name != "c" else "two"), b"", most=9)
    await store.add(task("e", tenant="other", owner="one"), b"", most=9)
    assert ids(await store.newest(Wanted(tenant="acme", owners=("one",)), most=2)) == ["d", "b"]
    assert ids(await store.newest(Wanted(tenant="acme", owners=("one",), after="task_b"), most=2)) == ["a"]
    assert ids(await store.newest(Wanted(tenant="acme", owners=("one", "two")), most=9)) == ["d", "c", "b", "a"]
    assert ids(await store.newest(Wanted(tenant="acme"), most=9)) == ["d", "c", "b", "a"]
    assert ids(await store.newest(Wanted(), most=9)) == ["e", "d", "c", "b", "a"]
    assert ids(await store.newest(Wanted(status="running"), most=9)) == []


async def test_each_tenant_has_its_turn(store: Any) -> None:
    for number, name in enumerate("abc"):
        await store.add(task(name, due=100.0 + number), b"", most=9)
    await store.add(task("x", tenant="small", due=150.0), b"", most=9)
    await store.add(task("y", tenant="small", due=500.0), b"", most=9)
    assert ids(await store.due(["queued"], now=200.0, most=2)) == ["a", "x"]
    assert ids(await store.due(["queued"], now=200.0, most=9)) == ["a", "x", "b", "c"]
    assert ids(await store.due(["queued"], now=99.0, most=9)) == []


async def test_what_runs_is_always_due_and_what_has_nothing_to_tell_never(store: Any) -> None:
    queued, other = task("a"), task("b", webhook=Webhook(url="https://example.com"))
    await store.add(queued, b"", most=9)
    await store.add(other, b"", most=9)
    running = rules.begin(queued, call="1", worker="w", now=110.0)
    await store.replace(running)
    assert ids(await store.due(["running"], now=0.0, most=9)) == ["a"]
    assert dict(await store.counts()) == {"queued": 1, "running": 1}
    await store.replace(rules.answered(running, OK, now=120.0, chance=0.0))
    ended = rules.cancelled(other, now=130.0)
    await store.replace(ended)
    assert ids(await store.due(["succeeded", "cancelled"], now=140.0, most=9)) == ["b"]
    assert dict(await store.counts()) == {"queued": 0, "running": 0}
    assert await store.purge(before=500.0, most=9) == 1, "the one whose end is to be told stays"
    assert await store.find("task_a") is None
    assert await store.content("task_a") == (b"", b"")
    await store.replace(rules.told(ended, now=140.0, chance=0.5, problem="", final=False, most=3))
    assert await store.purge(before=130.0, most=9) == 0
    assert await store.purge(before=130.5, most=9) == 1
