"""The device around an engine: greedy batches, bounds, clients that leave, deadlines, failures, drain."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.core.contracts.events import BatchFailed
from modelwright.core.errors.calls import EngineFailed, Overloaded
from modelwright.core.ports.clock import ManualClock
from modelwright.serving.batching import UNBOUNDED, Limits
from modelwright.serving.execution import Tensors
from modelwright.serving.runner import INLINE_SECONDS, Pace, Pending, Runner
from tests.unit.serving.machines import POISON, GatedToy, LoneToy, NotedToy, loaded, rows


class Bench:
    """A runner with what belongs to it."""

    def __init__(self, engine: NotedToy, **limits: Any) -> None:
        self.engine = engine
        self.clock = ManualClock()
        self.told: list[BatchFailed] = []
        self.runner = Runner(engine, Limits(**limits), model="toy", clock=self.clock, tell=self.told.append)

    async def quick(self) -> None:
        """Let the runner learn that the engine is quick, so that it works on the event loop."""
        await self.runner.calibrate(rows(0))
        self.engine.seen.clear()

    def submit(self, *values: float, **more: Any) -> Pending:
        return self.runner.submit(rows(*values), **more)


Setup = Callable[..., Bench]


@pytest.fixture
async def setup(tmp_path: Path) -> AsyncIterator[Setup]:
    benches: list[Bench] = []

    def make(engine: NotedToy | None = None, **limits: Any) -> Bench:
        engine = engine or NotedToy()
        loaded(engine, tmp_path)
        benches.append(Bench(engine, **limits))
        return benches[-1]

    yield make
    for bench in benches:
        if isinstance(bench.engine, GatedToy):
            bench.engine.gate.set()
        await bench.runner.stop()


async def answer(pending: Pending) -> list[float]:
    outcome = await pending.result
    assert isinstance(outcome, dict), outcome
    return outcome["y"][:, 0].tolist()


async def entered(engine: GatedToy) -> None:
    await asyncio.to_thread(engine.entered.wait, 30)
    engine.entered.clear()


async def test_quick_engine_works_on_the_loop_and_joins_what_arrived(setup: Setup) -> None:
    bench = setup()
    await bench.quick()
    pending = [bench.submit(value) for value in (1, 2, 3)]
    assert await asyncio.gather(*map(answer, pending)) == [[2], [4], [6]]
    assert bench.engine.seen == [[1, 2, 3]]
    assert not bench.runner.threaded


def picture(value: float) -> Tensors:
    """One row that says it is a large one."""
    return msgspec.structs.replace(rows(value), nbytes=3 * 224 * 224 * 4)


async def test_large_rows_are_not_moved_together_for_a_quick_engine(setup: Setup) -> None:
    bench = setup()
    await bench.runner.calibrate(picture(0))
    bench.engine.seen.clear()
    pending = [bench.runner.submit(picture(value)) for value in (1, 2, 3)]
    assert await asyncio.gather(*map(answer, pending)) == [[2], [4], [6]]
    assert bench.engine.seen == [[1], [2], [3]]


async def test_large_rows_are_joined_where_each_takes_longer_than_that(setup: Setup) -> None:
    bench = setup(engine := GatedToy(), max_rows=2)
    bench.runner.pace.learn(picture(0).nbytes, rows=1, seconds=0.01)
    engine.gate.clear()
    first = bench.runner.submit(picture(1))
    await entered(engine)
    others = [bench.runner.submit(picture(value)) for value in (2, 3)]
    engine.gate.set()
    assert await asyncio.gather(*map(answer, [first, *others])) == [[2], [4], [6]]
    assert engine.seen == [[1], [2, 3]]


async def test_full_batch_of_a_quick_engine_does_not_wait(setup: Setup) -> None:
    bench = setup(max_rows=2, queue_rows=2)
    await bench.quick()
    pending = [bench.submit(value) for value in range(6)]
    assert [item.result.done() for item in pending] == [True] * 6
    assert bench.engine.seen == [[0, 1], [2, 3], [4, 5]]


async def test_slow_engine_takes_what_has_gathered_when_it_is_free(setup: Setup) -> None:
    bench = setup(engine := GatedToy())
    engine.gate.clear()
    first = bench.submit(1)
    await entered(engine)
    others = [bench.submit(value) for value in (2, 3, 4)]
    assert bench.runner.threaded
    assert bench.runner.queue.rows == 3
    engine.gate.set()
    assert await answer(first) == [2]
    assert await asyncio.gather(*map(answer, others)) == [[4], [6], [8]]
    assert engine.seen == [[1], [2, 3, 4]]


async def test_full_batch_is_taken_while_another_runs_and_another_gathers(setup: Setup) -> None:
    bench = setup(engine := GatedToy(), max_rows=2)
    engine.gate.clear()
    pending = [bench.submit(1)]
    await entered(engine)
    pending += [bench.submit(value) for value in (2, 3, 4)]
    assert bench.runner.queue.rows == 1
    pending.append(bench.submit(5))
    engine.gate.set()
    assert await asyncio.gather(*map(answer, pending)) == [[2], [4], [6], [8], [10]]
    assert engine.seen == [[1], [2, 3], [4, 5]]


async def test_large_request_is_split_and_rejoined(setup: Setup) -> None:
    bench = setup(max_rows=3)
    values = [float(value) for value in range(20, 31)]
    large, small = bench.submit(*values), bench.submit(1)
    assert await answer(large) == [2 * value for value in values]
    assert await answer(small) == [2]
    assert all(len(batch) <= 3 for batch in bench.engine.seen)
    assert bench.engine.computed == [*values, 1]


async def test_one_request_too_many_is_refused_with_the_time_to_wait(setup: Setup) -> None:
    bench = setup(engine := GatedToy(), queue_rows=3)
    engine.gate.clear()
    bench.submit(0)
    await entered(engine)
    bench.submit(1, 2)
    with pytest.raises(Overloaded) as caught:
        bench.submit(3, 4)
    assert caught.value.retry_after is not None
    fits = bench.submit(5)
    engine.gate.set()
    assert await answer(fits) == [10]
    assert bench.runner.counts.overloaded == 1


async def test_bytes_that_wait_are_bounded_too(setup: Setup) -> None:
    bench = setup(engine := GatedToy(), queue_bytes=16)
    engine.gate.clear()
    bench.submit(0)
    await entered(engine)
    bench.submit(1, 2)
    with pytest.raises(Overloaded):
        bench.submit(3)


async def test_abandoned_requests_are_never_computed(setup: Setup) -> None:
    bench = setup(engine := GatedToy(), max_rows=2)
    engine.gate.clear()
    first = bench.submit(1)
    await entered(engine)
    waiting = [bench.submit(value) for value in (2, 3, 4, 5, 6)]
    for gone in (waiting[0], waiting[2], waiting[3]):
        bench.runner.abandon(gone)
    assert bench.runner.queue.rows == 1, "one batch is taken already, and still not computed"
    engine.gate.set()
    await asyncio.gather(answer(first), answer(waiting[1]), answer(waiting[4]))
    assert engine.computed == [1, 3, 6]
    assert bench.runner.counts.abandoned == 3


async def test_rest_of_an_abandoned_large_request_is_not_computed(setup: Setup) -> None:
    bench = setup(engine := GatedToy(), max_rows=2)
    engine.gate.clear()
    large, small = bench.submit(1, 2, 3, 4, 5, 6), bench.submit(7)
    await entered(engine)
    bench.runner.abandon(large)
    engine.gate.set()
    assert await answer(small) == [14]
    assert engine.computed == [1, 2, 7]


async def test_request_whose_time_ran_out_is_never_computed(setup: Setup) -> None:
    bench = setup(engine := GatedToy())
    engine.gate.clear()
    first = bench.submit(1)
    await entered(engine)
    late, patient = bench.submit(2, deadline=5.0), bench.submit(3, deadline=50.0)
    bench.clock.advance(10.0)
    engine.gate.set()
    assert await answer(first) == [2]
    outcome = await late.result
    assert isinstance(outcome, Overloaded)
    assert await answer(patient) == [6]
    assert engine.computed == [1, 3]


@pytest.mark.parametrize("place", range(8))
async def test_poison_fails_alone_wherever_it_stands(setup: Setup, place: int) -> None:
    bench = setup(max_rows=8)
    values = [float(value) for value in range(20, 28)]
    values[place] = POISON
    outcomes = await asyncio.gather(*(bench.submit(value).result for value in values))
    failed = [index for index, outcome in enumerate(outcomes) if isinstance(outcome, EngineFailed)]
    assert failed == [place]
    assert bench.told == [
        BatchFailed(at=bench.clock.now(), model="toy", rows=8, error="the batch holds the poison value 13")
    ]


async def test_poisoned_piece_ends_its_request_and_no_other(setup: Setup) -> None:
    bench = setup(max_rows=2)
    large, small = bench.submit(1, 2, POISON, 4, 5, 6), bench.submit(7)
    assert isinstance(await large.result, EngineFailed)
    assert await answer(small) == [14]
    assert 5 not in bench.engine.computed


async def test_cancelled_caller_disturbs_nobody(setup: Setup) -> None:
    bench = setup()
    gone, stays = bench.submit(1), bench.submit(2)
    gone.result.cancel()
    assert await answer(stays) == [4]


async def test_calibration_finds_a_model_whose_rows_are_no_requests(setup: Setup) -> None:
    bench = setup(LoneToy())
    await bench.runner.calibrate(rows(1))
    assert not bench.runner.queue.limits.joins
    assert await asyncio.gather(*map(answer, [bench.submit(2), bench.submit(3)])) == [[4], [6]]
    assert bench.runner.counts.split == 0


async def test_such_a_model_found_at_work_is_joined_no_more(setup: Setup) -> None:
    bench = setup(LoneToy())
    assert await asyncio.gather(*map(answer, [bench.submit(2), bench.submit(3)])) == [[4], [6]]
    assert not bench.runner.queue.limits.joins


async def test_stop_answers_what_waits_and_then_closes(setup: Setup) -> None:
    bench = setup(engine := GatedToy(), max_rows=1)
    engine.gate.clear()
    pending = [bench.submit(value) for value in (1, 2, 3)]
    stopping = asyncio.ensure_future(bench.runner.stop())
    await entered(engine)
    assert not stopping.done()
    assert not engine.closed
    engine.gate.set()
    await stopping
    assert [item.result.done() for item in pending] == [True] * 3
    assert engine.closed


async def test_counts_tell_rows_runs_and_sizes(setup: Setup) -> None:
    bench = setup(max_rows=4)
    await asyncio.gather(bench.submit(1, 2, 3).result, bench.submit(POISON).result)
    counts = bench.runner.counts
    assert (counts.rows, counts.runs, counts.split) == (4, 3, 1)
    assert counts.by_rows == [0, 0, 1, 0]
    families = {family.name: family for family in counts.collect("toy")}
    assert families["modelwright_serving_rows"].samples[0].value == 4
    buckets = families["modelwright_serving_batch_rows"].samples
    assert [sample.value for sample in buckets if sample.name.endswith("_bucket")] == [0, 0, 1, 1]


Step = tuple[str, int]
steps = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), st.integers(1, 9)),
        st.tuples(st.just("leave"), st.integers(0, 20)),
        st.tuples(st.just("breathe"), st.just(0)),
    ),
    max_size=30,
)


@settings(max_examples=60)
@given(steps, st.integers(1, 5))
def test_everyone_gets_exactly_his_own_rows(
    tmp_path_factory: pytest.TempPathFactory, plan: list[Step], most: int
) -> None:
    engine = NotedToy()
    loaded(engine, tmp_path_factory.getbasetemp())
    asyncio.run(_live(engine, plan, most))


async def _live(engine: NotedToy, plan: list[Step], most: int) -> None:
    bench = Bench(engine, max_rows=most, queue_rows=1000)
    sent: dict[int, tuple[Pending, list[float]]] = {}
    gone: set[int] = set()
    for verb, number in plan:
        if verb == "submit":
            values = [100.0 * len(sent) + row for row in range(number)]
            sent[len(sent)] = bench.submit(*values), values
        elif verb == "leave" and number in sent and not sent[number][0].result.done():
            bench.runner.abandon(sent[number][0])
            gone.add(number)
        else:
            await asyncio.sleep(0)
    await bench.runner.stop()
    for number, (pending, values) in sent.items():
        if number not in gone:
            assert await answer(pending) == [2 * value for value in values]
    assert len(engine.computed) == len(set(engine.computed))


def test_pace_guesses_a_size_that_it_has_not_seen() -> None:
    pace = Pace()
    assert pace.expected(100) > INLINE_SECONDS
    pace.learn(100, rows=4, seconds=0.0001)
    assert pace.expected(120) == pytest.approx(0.0001)
    assert pace.expected(10) == pytest.approx(0.0001)
    assert pace.expected(1000) == pytest.approx(0.0008)


def test_pace_knows_what_a_row_takes_alone_whatever_disturbs_it_at_times() -> None:
    pace = Pace()
    assert pace.alone(100) == math.inf
    for seconds in (0.002, 0.0001, 0.002, 0.002):
        pace.learn(100, rows=1, seconds=seconds)
    pace.learn(100, rows=2, seconds=0.00005)
    assert 0.0001 <= pace.alone(100) < 0.00011
    assert pace.alone(1000) == math.inf
    for _ in range(200):
        pace.learn(100, rows=1, seconds=0.002)
    assert pace.alone(100) == 0.002


def test_pace_follows_the_engine() -> None:
    pace = Pace()
    for _ in range(50):
        pace.learn(100, rows=2, seconds=0.5)
    assert pace.expected(100) == pytest.approx(0.5)
    assert pace.seconds_for(8) == pytest.approx(2.0)
    for _ in range(50):
        pace.learn(100, rows=2, seconds=0.1)
    assert pace.expected(100) == pytest.approx(0.1, rel=0.01)
    assert pace.seconds_for(8) == pytest.approx(0.4, rel=0.01)


@given(st.floats(0, 0.05), st.floats(1e-5, 0.01), st.lists(st.integers(1, 64), min_size=4, max_size=60))
def test_pace_knows_from_how_many_rows_on_a_row_costs_the_same(fixed: float, each: float, sizes: list[int]) -> None:
    pace = Pace()
    for size in (1, 32, *sizes):
        pace.learn(256 * size, rows=size, seconds=fixed + each * size)
    enough = pace.enough
    overhead = fixed + 0.0001
    assert overhead / enough <= 0.05 * each * 1.01
    assert enough == 1 or overhead / (enough - 1) >= 0.05 * each * 0.99


def test_pace_does_not_know_it_from_batches_of_one_size_or_when_rows_cost_nothing() -> None:
    pace = Pace()
    for _ in range(100):
        pace.learn(256, rows=8, seconds=0.01)
    assert pace.enough == UNBOUNDED
    for rows_ in (1, 32, 4) * 20:
        pace.learn(256, rows=rows_, seconds=0.01)
    assert pace.enough >= 1000


async def test_what_would_be_one_batch_is_two_when_that_costs_no_more(setup: Setup) -> None:
    engine = GatedToy()
    bench = setup(engine, max_rows=8)
    for size in (1, 8, 2, 8):
        bench.runner.pace.learn(8 * size, rows=size, seconds=0.0007 * size)
    engine.gate.clear()
    pending = [bench.submit(value) for value in (1, 2, 3, 4, 5, 6)]
    await entered(engine)
    assert bench.runner.queue.rows == 0  # the other half stands beside the engine
    engine.gate.set()
    assert await asyncio.gather(*map(answer, pending)) == [[2], [4], [6], [8], [10], [12]]
    assert engine.seen == [[1, 2, 3], [4, 5, 6]]
