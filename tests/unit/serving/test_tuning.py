"""The best threads and rows: what is nearly the fastest with the least, tried on an engine whose speed is known."""

from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.errors.calls import EngineFailed
from modelwright.core.ports.clock import ManualClock
from modelwright.core.ports.engines import Array, EngineConfig, Signature
from modelwright.serving.batching import Limits
from modelwright.serving.http_v2 import TensorModel, V2Door
from modelwright.serving.tuning import ENOUGH, Memory, Trial, Tuned, best_of, tune
from tests.unit.serving.machines import NotedToy, rows, toy_config

trials = st.builds(
    Trial, threads=st.sampled_from([1, 2, 4]), rows=st.sampled_from([1, 8, 32]), seconds=st.floats(1e-4, 1.0)
)


class Timed(NotedToy):
    """Takes a millisecond a call and as much for each row, divided among its threads."""

    def __init__(self, clock: ManualClock, *, most: int = 100) -> None:
        super().__init__()
        self.clock = clock
        self.most = most
        self.loads: list[int] = []

    def load(self, config: EngineConfig) -> Signature:
        self.loads.append(config.threads)
        return super().load(config)

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        if len(inputs["x"]) > self.most:
            raise EngineFailed("too many rows")
        self.clock.advance(0.001 + 0.001 * len(inputs["x"]) / self.loads[-1])
        return super().predict(inputs)


@given(st.lists(trials, min_size=1, max_size=9))
def test_what_is_taken_is_nearly_the_fastest_with_the_smallest_batches(tried: list[Trial]) -> None:
    found = best_of(tried)
    fastest = max(trial.rate for trial in tried)
    good = [trial for trial in tried if trial.rate >= ENOUGH * fastest]
    assert (found.rows, found.threads) == min((trial.rows, trial.threads) for trial in good)


def test_threads_and_rows_are_tried_and_the_engine_is_left_with_the_best(tmp_path: Path) -> None:
    clock = ManualClock()
    engine = Timed(clock)
    config = msgspec.structs.replace(toy_config(tmp_path), threads=4)
    engine.load(config)
    found = tune(engine, config, rows(1), most=32, clock=clock)
    assert (found.threads, found.rows) == (4, 32)
    assert engine.loads == [4, 2, 1, 4]
    assert len(found.trials) == 9
    assert str(found.trials[0]) == "4 threads, 1 row: 800 rows/s"


def test_rows_that_fail_are_not_taken_and_one_row_is_all_where_rows_are_no_requests(tmp_path: Path) -> None:
    clock = ManualClock()
    config = toy_config(tmp_path)
    for most, limit, wanted in ((32, 10, 8), (1, 100, 1), (20, 100, 20)):
        engine = Timed(clock, most=limit)
        engine.load(config)
        assert tune(engine, config, rows(1), most=most, clock=clock).rows == wanted


@pytest.mark.parametrize("known", [True, False])
async def test_door_takes_what_is_known_or_finds_it_out_and_keeps_it(tmp_path: Path, *, known: bool) -> None:
    clock = ManualClock()
    kept: list[Tuned] = []
    told: list[object] = []
    before = Tuned(threads=2, rows=8, trials=()) if known else None
    config = msgspec.structs.replace(toy_config(tmp_path), threads=4)
    model = TensorModel(
        config=config,
        engine="toy-tensor",
        limits=Limits(max_rows=32),
        tuning=Memory(recall=lambda: before, keep=kept.append),
    )
    engine = Timed(clock)
    door = V2Door(model, engine, clock=clock, tell=told.append)
    took = await door.start()
    assert took.tuned == ("tuned to 2 threads and batches of 8" if known else "tuned to 4 threads and batches of 32")
    assert door.runner.queue.limits.max_rows == (8 if known else 32)
    assert engine.loads == ([4, 2] if known else [4, 2, 1, 4])
    assert len(kept) == (0 if known else 1)
    assert len(told) == 1
    await door.stop()
