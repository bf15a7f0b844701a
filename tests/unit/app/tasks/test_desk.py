"""Whose tasks somebody finds, and what cannot be had; over the fakes of both stores."""

from itertools import count

import msgspec
import pytest

from modelwright.adapters.stores.memory_keys import MemoryKeyStore
from modelwright.adapters.stores.memory_tasks import MemoryTasks
from modelwright.app.tasks.desk import TaskDesk
from modelwright.core.contracts.snapshot import Key
from modelwright.core.contracts.tasks import TaskRules
from modelwright.core.errors.calls import Overloaded
from modelwright.core.errors.tasks import TaskConflict, TasksUnavailable, UnknownTask
from modelwright.core.identity import Caller
from modelwright.core.ports.clock import ManualClock
from modelwright.core.ports.stores import KeyRow
from modelwright.core.tasks import rules
from modelwright.core.tasks.talk import Browse, Cancel, Leave, Look
from modelwright.core.tasks.task import Principal, Task
from modelwright.core.tasks.wish import Wish, read_wish

CALL = b'{"url": "/v1/embeddings", "body": {"model": "vectors", "input": "a"}}'


def of(key: str, tenant: str = "acme") -> Principal:
    return Principal(caller=Caller(id=key, tenant=tenant), digest="ab" * 32)


class Office:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.tasks = MemoryTasks()
        self.keys = MemoryKeyStore()
        self.changed: list[Task] = []
        numbers = count(1)
        self.desk = TaskDesk(
            self.tasks,
            self.tasks,
            clock=self.clock,
            keys=self.keys,
            ids=lambda: f"{next(numbers):04}",
            changed=self.changed.append,
        )
        self.desk.rules = TaskRules(queue=3, deadline=60.0)

    async def leave(self, who: Principal, *, idempotency: str = "", wish: Wish | None = None) -> str:
        asked = Leave(
            principal=who,
            wish=wish or read_wish(CALL),
            endpoint="vectors",
            headers={},
            idempotency=idempotency,
            fingerprint="f" if wish is None else "g",
        )
        return msgspec.json.decode(await self.desk.answer(asked))["id"]

    async def seen(self, who: Principal) -> list[str]:
        page = msgspec.json.decode(await self.desk.answer(Browse(principal=who, most=9)))
        return [task["id"] for task in page["data"]]


async def test_a_key_sees_its_own_tasks_and_those_of_the_keys_in_whose_place_it_came() -> None:
    office = Office()
    for number, (key, tenant) in enumerate([("a", "acme"), ("x", "acme"), ("y", "rival")]):
        key_row = Key(id=key, digest=f"{number:064}", name="app" if key != "x" else "other", tenant=tenant)
        await office.keys.add(KeyRow(key=key_row, created=1.0))
    tasks = {key: await office.leave(of(key, tenant)) for key, tenant in (("a", "acme"), ("y", "rival"))}
    for old, new in (("a", "b"), ("b", "c")):
        successor = KeyRow(key=Key(id=new, digest=f"{ord(new):064}", name="app", tenant="acme"), created=2.0)
        await office.keys.replace(old, successor, until=1e10)
    assert await office.seen(of("c")) == [tasks["a"]]
    assert msgspec.json.decode(await office.desk.answer(Look(principal=of("c"), task=tasks["a"])))["id"] == tasks["a"]
    assert await office.seen(of("x")) == []
    for other in (of("x"), of("c", "rival"), of("a", "rival")):
        for question in (Look(principal=other, task=tasks["a"]), Cancel(principal=other, task=tasks["a"])):
            with pytest.raises(UnknownTask):
                await office.desk.answer(question)
    with pytest.raises(UnknownTask):
        await office.desk.answer(Look(principal=of("c"), task=tasks["y"]))


async def test_a_token_sees_what_its_user_has_left_alone() -> None:
    office = Office()
    ada, eve = (Principal(caller=Caller(id=f"company/{user}", tenant="acme")) for user in ("ada", "eve"))
    task = await office.leave(ada)
    assert (await office.seen(ada), await office.seen(eve)) == ([task], [])


async def test_bounds_and_conflicts() -> None:
    office = Office()
    first = await office.leave(of("a"), idempotency="k")
    assert await office.leave(of("a"), idempotency="k") == first
    assert len(office.changed) == 1
    with pytest.raises(TaskConflict):
        await office.leave(of("a"), idempotency="k", wish=read_wish(CALL.replace(b'"a"', b'"b"')))
    await office.leave(of("b"))
    await office.leave(of("c"))
    with pytest.raises(Overloaded):
        await office.leave(of("d"))
    await office.leave(of("d", "rival"))
    office.desk.rules = None
    with pytest.raises(TasksUnavailable):
        await office.leave(of("e", "other"))


async def test_a_task_that_is_just_begun_can_be_cancelled_and_one_that_has_ended_stays() -> None:
    office = Office()
    name = await office.leave(of("a"))
    queued = await office.desk.find(name)
    await office.tasks.replace(rules.begin(queued, call="1", worker="gateway-0", now=office.clock.now()))
    seen = msgspec.json.decode(await office.desk.answer(Cancel(principal=of("a"), task=name)))
    assert (seen["status"], seen["response"]) == ("cancelled", None)
    changes = len(office.changed)
    again = msgspec.json.decode(await office.desk.answer(Cancel(principal=of("a"), task=name)))
    assert (again["ended_at"], len(office.changed)) == (seen["ended_at"], changes)


async def test_a_window_shortens_the_deadline() -> None:
    office = Office()
    wish = read_wish(CALL[:-1] + b', "completion_window": "10s"}')
    task = await office.desk.find(await office.leave(of("a"), wish=wish))
    assert task.expires - task.created == 10
    assert (await office.desk.find(await office.leave(of("a")))).expires - task.created == 60
