"""The V2 door over the toy engine: bounds, clients that leave, memory, defects, metrics."""

import asyncio
import gc
import weakref
from collections.abc import Mapping
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from modelwright.core.ports.clock import ManualClock
from modelwright.core.ports.engines import Array
from modelwright.serving.batching import Limits
from tests.unit.serving.machines import POISON, GatedToy, NotedToy
from tests.unit.serving.v2_client import Client, Make, ask, body, queued


async def test_flood_is_refused_with_the_time_to_wait(make: Make) -> None:
    clock = ManualClock()
    engine = GatedToy(clock)
    door = await make(engine, clock=clock, limits=Limits(max_rows=2, queue_rows=4))
    engine.gate.clear()
    engine.entered.clear()
    asked = [asyncio.ensure_future(ask(door, body(value))) for value in range(20)]
    await asyncio.sleep(0)
    refused = await ask(door, body(99))
    assert refused.status == 429
    assert int(refused.headers[b"retry-after"]) >= 1
    engine.gate.set()
    answers = await asyncio.gather(*asked)
    assert {told.status for told in answers} == {200, 429}
    assert [told.first_column() for told in answers[:4]] == [[0], [2], [4], [6]]
    assert 99 not in engine.computed


async def test_bodies_on_their_way_count_as_waiting(make: Make) -> None:
    door = await make(limits=Limits(queue_bytes=1000))
    slow = Client(door, b"x")
    slow._pieces = []
    waiting = asyncio.ensure_future(slow.ask(headers={"content-length": "900"}))
    await asyncio.sleep(0)
    assert (await ask(door, body(1), headers={"content-length": "200"})).status == 429
    slow.left.set()
    assert (await waiting).status == 499
    assert (await ask(door, body(1), headers={"content-length": "200"})).status == 200


async def test_body_of_unknown_length_counts_as_the_largest(make: Make) -> None:
    door = await make(limits=Limits(queue_bytes=1000), max_body=600)
    slow = Client(door)
    slow._pieces = []
    waiting = asyncio.ensure_future(slow.ask())
    await asyncio.sleep(0)
    assert (await ask(door, body(1), headers={"content-length": "500"})).status == 429
    assert (await ask(door, body(1), headers={"content-length": "300"})).status == 200
    slow.left.set()
    assert (await waiting).status == 499


async def test_body_that_never_fits_is_too_large_not_too_much_at_once(make: Make) -> None:
    door = await make(limits=Limits(queue_bytes=1000))
    assert (await ask(door, b"", headers={"content-length": "1001"})).status == 413


async def test_client_that_leaves_is_not_computed_for(make: Make) -> None:
    clock = ManualClock()
    engine = GatedToy(clock)
    door = await make(engine, clock=clock)
    engine.gate.clear()
    engine.entered.clear()
    first = asyncio.ensure_future(ask(door, body(1)))
    await asyncio.to_thread(engine.entered.wait, 30)
    leaving = Client(door, body(2))
    left = asyncio.ensure_future(leaving.ask())
    stays = asyncio.ensure_future(ask(door, body(3)))
    await queued(door, 2)
    leaving.left.set()
    assert (await left).status == 499
    engine.gate.set()
    assert (await first).first_column() == [2]
    assert (await stays).first_column() == [6]
    assert 2 not in engine.computed


async def test_cancelled_request_is_not_computed(make: Make) -> None:
    clock = ManualClock()
    engine = GatedToy(clock)
    door = await make(engine, clock=clock)
    engine.gate.clear()
    engine.entered.clear()
    first = asyncio.ensure_future(ask(door, body(1)))
    await asyncio.to_thread(engine.entered.wait, 30)
    gone = asyncio.ensure_future(ask(door, body(2)))
    await queued(door, 1)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    engine.gate.set()
    assert (await first).status == 200
    assert 2 not in engine.computed
    assert door.busy().in_flight == 0


async def test_timeout_of_a_request_is_kept(make: Make) -> None:
    clock = ManualClock()
    engine = GatedToy(clock)
    door = await make(engine, clock=clock)
    engine.gate.clear()
    engine.entered.clear()
    first = asyncio.ensure_future(ask(door, body(1)))
    await asyncio.to_thread(engine.entered.wait, 30)
    late = asyncio.ensure_future(ask(door, body(2, parameters={"timeout": 1_000_000})))
    await queued(door, 1)
    clock.advance(2.0)
    engine.gate.set()
    told = await late
    assert (told.status, (await first).status) == (429, 200)
    assert "timeout" in told.error
    assert 2 not in engine.computed


@pytest.mark.parametrize("value", [1.0, POISON], ids=["answered", "failed"])
async def test_request_is_freed_with_its_answer(make: Make, value: float) -> None:
    """Without the garbage collector: large bodies would pile up until it comes."""
    kept: list[weakref.ref[Any]] = []

    class Watched(NotedToy):
        def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
            kept.append(weakref.ref(inputs["x"]))
            return super().predict(inputs)

    door = await make(Watched())
    kept.clear()
    gc.disable()
    try:
        told = await ask(door, body(value))
        assert told.status == (500 if value == POISON else 200)
        assert kept
        assert [ref() for ref in kept] == [None] * len(kept)
    finally:
        gc.enable()


async def test_defect_of_ours_answers_one_request_with_500(make: Make) -> None:
    class Odd(NotedToy):
        def predict(self, inputs: Any) -> Any:
            outputs = super().predict(inputs)
            return {} if 7 in self.seen[-1] else outputs

    door = await make(Odd())
    told = await ask(door, body(7))
    assert (told.status, told.error) == (500, "an internal error (see the worker's log)")
    assert (await ask(door, body(1))).status == 200


async def test_metrics_tell_rows_and_batches(make: Make) -> None:
    door = await make()
    registry = CollectorRegistry()
    registry.register(door)
    await ask(door, body(1, 2, 3))
    await ask(door, b"{")
    text = generate_latest(registry).decode()
    for line in (
        'modelwright_serving_requests_total{model="toy"} 2.0',
        'modelwright_serving_request_errors_total{model="toy"} 1.0',
        'modelwright_serving_queue_rows{model="toy"} 0.0',
        'modelwright_serving_batch_rows_bucket{le="+Inf",model="toy"}',
    ):
        assert line in text
