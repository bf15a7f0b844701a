"""The engine's time, shared by the answers that run."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from modelwright.core.ports.clock import ManualClock
from modelwright.core.ports.engines import Delta, EngineConfig, Sampling, TextSignature
from modelwright.serving.text.loop import Answers, TextLoop

STEP = 0.012


class SteppingEngine:
    """Gives every request one token a step, as many as it wants; each step takes STEP by its clock."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._left: dict[int, int] = {}
        self.cache_usage = 0.0

    def load(self, config: EngineConfig) -> TextSignature:
        return TextSignature(architecture="toy", context=100, vocabulary=10, eos=(0,))

    def submit(self, request: int, prompt: Sequence[int], sampling: Sampling) -> None:
        self._left[request] = sampling.max_tokens

    def step(self) -> list[Delta]:
        self._clock.advance(STEP)
        deltas = []
        for request in list(self._left):
            self._left[request] -= 1
            ends = self._left[request] == 0
            if ends:
                del self._left[request]
            deltas.append(Delta(request=request, tokens=(1,), finish="length" if ends else None))
        return deltas

    def cancel(self, request: int) -> None:
        self._left.pop(request, None)


async def read(answers: Answers) -> int:
    """To its end; the tokens."""
    tokens = 0
    while True:
        for _, delta in await answers.next():
            tokens += len(delta.tokens)
            if delta.finish:
                return tokens


async def test_a_step_is_shared_evenly_by_the_answers_that_run() -> None:
    clock = ManualClock()
    loop = TextLoop(
        SteppingEngine(clock), max_sequences=2, queue_limit=8, on_lost=lambda _: None, now=clock.monotonic
    )  # fmt: skip
    await loop.load(EngineConfig(model="toy", path=""))
    answers = [loop.submit([([1], Sampling(max_tokens=wanted))]) for wanted in (3, 5, 4)]
    assert [await read(answer) for answer in answers] == [3, 5, 4]
    await loop.stop()
    assert sum(answer.seconds for answer in answers) == pytest.approx(clock.monotonic())
    assert all(answer.seconds >= STEP / 2 * wanted for answer, wanted in zip(answers, (3, 5, 4), strict=True))


async def test_an_answer_that_runs_alone_has_the_engine_for_itself() -> None:
    clock = ManualClock()
    loop = TextLoop(SteppingEngine(clock), max_sequences=1, queue_limit=8, on_lost=lambda _: None, now=clock.monotonic)
    await loop.load(EngineConfig(model="toy", path=""))
    answers = [loop.submit([([1], Sampling(max_tokens=wanted))]) for wanted in (2, 7)]
    for answer in answers:
        await read(answer)
    await loop.stop()
    assert [answer.seconds for answer in answers] == pytest.approx([2 * STEP, 7 * STEP])
