"""Requests of texts: rows of one length share batches, one poison fails alone, answers come back in their order."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.core.errors.calls import ContextTooLong, EngineFailed, Overloaded
from modelwright.core.ports.clock import ManualClock
from modelwright.core.ports.engines import EngineConfig, Tokens
from modelwright.serving.batching import Limits
from modelwright.serving.execution import Tensors
from modelwright.serving.levels import Levels
from modelwright.serving.pipelines.divided import INLINE_BYTES, TextRunner, runner_of
from modelwright.serving.runner import Pending
from tests.unit.serving.pipelines.parts import Letters, Spread, letters, means, texts


class Bench:
    def __init__(self, engine: Spread, tokenizer: Letters, runner: TextRunner, clock: ManualClock) -> None:
        self.engine = engine
        self.tokenizer = tokenizer
        self.runner = runner
        self.clock = clock

    def submit(self, *values: str, deadline: float = math.inf, priority: int = 0) -> Pending:
        arrays = texts(*values)
        given = Tensors(arrays=arrays, rows=len(values), nbytes=arrays["text"].nbytes, key=())
        return self.runner.submit(given, deadline=deadline, priority=priority)


async def bench(
    *, pooled: bool = True, rules: dict[str, object] | None = None, levels: Levels | None = None, **limits: Any
) -> Bench:
    engine, tokenizer, clock = Spread(), Letters(), ManualClock()
    pipeline = letters(tokenizer, engine, pooled=pooled, **(rules or {}))
    signature = pipeline.load(EngineConfig(model="m", path=""))
    bounds = Limits(**limits)
    runner = runner_of(pipeline, signature, limits=bounds, levels=levels, model="m", clock=clock, tell=lambda _: None)
    assert isinstance(runner, TextRunner)
    arrays = texts("")
    await runner.calibrate(Tensors(arrays=arrays, rows=1, nbytes=8, key=()))
    engine.shapes.clear()
    return Bench(engine, tokenizer, runner, clock)


Setup = Callable[..., Awaitable[Bench]]


@pytest.fixture
async def setup() -> AsyncIterator[Setup]:
    made: list[Bench] = []

    async def make(**more: Any) -> Bench:
        made.append(await bench(**more))
        return made[-1]

    yield make
    for one in made:
        one.tokenizer.gate.set()
        await one.runner.stop()


async def answer(pending: Pending) -> list[list[float]]:
    outcome = await pending.result
    assert isinstance(outcome, dict), outcome
    return next(iter(outcome.values())).tolist()


async def test_short_texts_do_not_pay_for_long_ones(setup: Setup) -> None:
    at = await setup()
    values = ["a", "b" * 50, "cc", "d" * 60, "e" * 20]
    assert await answer(at.submit(*values)) == means(*values)
    assert sorted(at.engine.shapes) == [(1, 24), (2, 16), (2, 64)]


async def test_requests_of_one_length_share_a_batch(setup: Setup) -> None:
    at = await setup()
    pending = [at.submit("a"), at.submit("b" * 40), at.submit("c"), at.submit("d", "e" * 41)]
    assert [await answer(one) for one in pending] == [means("a"), means("b"), means("c"), means("d", "e")]
    assert sorted(at.engine.shapes) == [(2, 48), (3, 16)]


@given(
    st.lists(st.lists(st.text("abc", min_size=1, max_size=64), min_size=1, max_size=6), min_size=1, max_size=6),
    st.integers(1, 4),
)
@settings(max_examples=30, deadline=None)
async def test_nothing_is_lost_and_everything_is_in_order(requests: list[list[str]], max_rows: int) -> None:
    at = await bench(max_rows=max_rows)
    pending = [at.submit(*values) for values in requests]
    found = [await answer(one) for one in pending]
    for values, rows in zip(requests, found, strict=True):
        np.testing.assert_allclose(rows, means(*values), rtol=1e-5)
    await at.runner.stop()


@pytest.mark.parametrize("place", range(4))
async def test_poison_fails_its_own_request_in_whatever_place(setup: Setup, place: int) -> None:
    at = await setup()
    values = ["a", "b", "c", "d"]
    values[place] = "!"
    pending = [at.submit(value, "x" * 30) for value in values]
    outcomes = [await one.result for one in pending]
    failed = outcomes[place]
    assert isinstance(failed, EngineFailed)
    assert "step spread: the batch holds the poison" in failed.message
    assert [isinstance(outcome, dict) for outcome in outcomes].count(True) == 3


async def test_rows_stay_together_when_outputs_depend_on_their_length(setup: Setup) -> None:
    at = await setup(pooled=False)
    outcome = await at.submit("a", "b" * 40).result
    assert isinstance(outcome, dict)
    assert outcome["hidden"].shape == (2, 48, 2)
    assert at.engine.shapes == [(2, 48)]


async def test_long_texts_are_tokenised_beside_the_loop(setup: Setup) -> None:
    at = await setup(rules={"cuts": True})
    at.tokenizer.gate.clear()
    pending = at.submit("a" * (INLINE_BYTES + 1), "b")
    await asyncio.sleep(0)
    assert not pending.result.done()
    at.tokenizer.gate.set()
    assert await answer(pending) == means("a", "b")
    assert pending.seconds == 0.0  # by this clock


async def test_a_large_request_leaves_turns_to_others_and_keeps_its_order(setup: Setup) -> None:
    at = await setup(rules={"cuts": True})
    many = [letter * 30_000 for letter in "abcdefgh"]
    seen: list[str] = []

    async def read(texts: list[str], name: str) -> list[Tokens]:
        found = await at.runner.read(texts)
        seen.append(name)
        return found

    large, small = await asyncio.gather(read(many, "large"), read(["z" * 5000], "small"))
    assert [row.ids[0] for row in large] == [ord(letter) for letter in "abcdefgh"]
    assert [row.ids[0] for row in small] == [ord("z")]
    assert seen == ["small", "large"], "it has waited for one piece and not for all"


async def test_what_is_refused_by_the_tokenizer_reaches_the_client_either_way(setup: Setup) -> None:
    at = await setup()
    with pytest.raises(ContextTooLong):
        at.submit("a" * 65)
    outcome = await at.submit("a" * (INLINE_BYTES + 1)).result
    assert isinstance(outcome, ContextTooLong)


async def test_bounds_count_what_is_being_tokenised(setup: Setup) -> None:
    at = await setup(queue_rows=3, rules={"cuts": True})
    at.tokenizer.gate.clear()
    long = "a" * (INLINE_BYTES + 1)
    first = at.submit(long, long)
    with pytest.raises(Overloaded):
        at.submit(long, long)
    at.tokenizer.gate.set()
    assert await answer(first) == means("a", "a")


async def test_who_leaves_is_computed_no_further(setup: Setup) -> None:
    at = await setup()
    pending = at.submit("a", "b" * 40)
    at.runner.abandon(pending)
    assert at.runner.queue.rows == 0
    await asyncio.sleep(0.01)
    assert at.engine.shapes == []


async def test_who_leaves_or_is_late_while_being_tokenised_is_not_computed(setup: Setup) -> None:
    at = await setup(rules={"cuts": True})
    at.tokenizer.gate.clear()
    gone = at.submit("a" * (INLINE_BYTES + 1))
    late = at.submit("a" * (INLINE_BYTES + 1), deadline=at.clock.monotonic() + 1)
    at.runner.abandon(gone)
    at.clock.advance(2)
    at.tokenizer.gate.set()
    assert isinstance(await late.result, Overloaded)
    assert isinstance(await gone.result, Overloaded)
    assert at.engine.shapes == []
    assert at.runner.queue.rows == 0


async def test_tokens_of_a_client_go_the_same_way(setup: Setup) -> None:
    at = await setup()
    tokens = at.runner.front.checked([[97], [98] * 40])
    assert await answer(at.runner.submit_tokens(tokens)) == means("a", "b")


async def test_priority_holds_for_every_share_of_a_request(setup: Setup) -> None:
    at = await setup(max_rows=2, levels=Levels(count=2, default=2, patience=100), rules={"cuts": True})
    ends: list[str] = []
    low = at.submit("a", "b" * 20)
    high = at.submit("c", "d" * 20, "g", "h" * 20, priority=1)
    long = at.submit("e" * (INLINE_BYTES + 1), "f", priority=1)
    for name, pending in (("low", low), ("high", high)):
        pending.result.add_done_callback(lambda _, name=name: ends.append(name))
    assert [await answer(one) for one in (low, high, long)] == [means("a", "b"), means(*"cdgh"), means("e", "f")]
    assert ends == ["high", "low"]


async def test_bound_of_a_level_counts_all_shares(setup: Setup) -> None:
    at = await setup(levels=Levels(count=2, default=2, queue_rows={1: 2}))
    with pytest.raises(Overloaded):
        at.submit("a", "b" * 20, "c" * 30, priority=1)
    assert await answer(at.submit("a", "b" * 20, priority=1)) == means("a", "b")
