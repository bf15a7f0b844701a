"""What V2's statistics and configuration extensions tell of a model, and sums over replicas."""

import asyncio
from typing import Any

from modelwright.core.ports.clock import ManualClock
from modelwright.core.wire.extensions.statistics import (
    BatchStatistics,
    Duration,
    InferenceStatistics,
    ModelStatistics,
    summed,
)
from modelwright.serving.batching import Limits
from modelwright.serving.http_v2 import V2Door
from tests.unit.serving.machines import POISON, GatedToy
from tests.unit.serving.v2_client import Client, Make, ask, body, queued

STATS = "/v2/models/toy/stats"
NONE = {"count": 0, "ns": 0}


async def stats(door: V2Door, path: str = STATS) -> Any:
    (found,) = (await ask(door, method="GET", path=path)).json["model_stats"]
    return found


async def test_a_model_has_done_nothing_before_its_first_request(make: Make) -> None:
    for path in (STATS, "/v2/models/stats", "/v2/models/toy/versions/1/stats"):
        found = await stats(await make(), path)
        assert (found["name"], found["version"], found["last_inference"]) == ("toy", "1", 0)
        assert (found["inference_count"], found["execution_count"], found["batch_stats"]) == (0, 0, [])
        assert set(map(str, found["inference_stats"].values())) == {str(NONE)}


async def test_rows_calls_and_times_are_counted(make: Make) -> None:
    clock = ManualClock()
    engine = GatedToy(clock)
    door = await make(engine, clock=clock, limits=Limits(max_rows=4))
    engine.gate.clear()
    first = asyncio.create_task(ask(door, body(1)))
    await asyncio.to_thread(engine.entered.wait, 10)
    others = [asyncio.create_task(ask(door, body(2, 3))), asyncio.create_task(ask(door, body(POISON)))]
    await queued(door, 3)
    clock.advance(0.5)
    engine.gate.set()
    assert [(await told).status for told in (first, *others)] == [200, 200, 500]
    found = await stats(door)
    assert found["inference_count"] == 4
    assert found["execution_count"] == 4
    assert found["last_inference"] == int(1000 * clock.now())
    told = found["inference_stats"]
    assert told["success"]["count"] == told["queue"]["count"] == told["compute_infer"]["count"] == 2
    assert told["fail"]["count"] == 1
    assert told["queue"]["ns"] >= 5e8
    assert told["success"]["ns"] >= told["queue"]["ns"] + told["compute_infer"]["ns"]
    assert [batch["batch_size"] for batch in found["batch_stats"]] == [1, 3]
    assert [batch["compute_infer"]["count"] for batch in found["batch_stats"]] == [1, 1]


async def test_a_refused_request_has_failed(make: Make) -> None:
    door = await make()
    assert (await Client(door, b"{").ask()).status == 400
    assert (await stats(door))["inference_stats"]["fail"]["count"] == 1


async def test_configuration_leaves_the_rows_out(make: Make) -> None:
    config = (await ask(await make(limits=Limits(max_rows=7)), method="GET", path="/v2/models/toy/config")).json
    assert config["max_batch_size"] == 7
    assert config["backend"] == "toy-tensor"
    assert config["input"] == [{"name": "x", "data_type": "TYPE_FP32", "dims": [2], "format": "FORMAT_NONE"}]
    assert [(output["name"], output["dims"]) for output in config["output"]] == [("y", [2]), ("total", [])]
    other = await ask(await make(start=False), method="GET", path="/v2/models/toy/config")
    assert other.status == 503


def test_replicas_are_summed_by_model_version_and_rows_of_a_batch() -> None:
    def one(name: str, number: int, *sizes: int) -> ModelStatistics:
        batches = [BatchStatistics(batch_size=size, compute_infer=Duration(count=1, ns=size)) for size in sizes]
        asked = InferenceStatistics(success=Duration(count=number, ns=10 * number))
        return ModelStatistics(
            name=name,
            version="1",
            last_inference=number,
            inference_count=number,
            execution_count=1,
            inference_stats=asked,
            batch_stats=batches,
        )

    first, second = summed([one("b", 5), one("a", 2, 1, 4), one("a", 3, 4, 2)])
    assert (first.name, first.inference_count, first.execution_count, first.last_inference) == ("a", 5, 2, 3)
    assert first.inference_stats.success == Duration(count=5, ns=50)
    assert [(batch.batch_size, batch.compute_infer.count) for batch in first.batch_stats] == [(1, 1), (2, 1), (4, 2)]
    assert (second.name, second.inference_count) == ("b", 5)
    assert summed([]) == []
