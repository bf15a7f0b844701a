"""Runs a text engine on its own thread: admits waiting requests, steps all of them, hands tokens to the event loop.

Which request is next is plain first come, first served; the engine batches what runs.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from modelwright.core.errors.calls import CallError, EngineFailed, ModelUnavailable, Overloaded, Unprocessable
from modelwright.core.ports.engines import Delta, EngineConfig, Sampling, TextEngine, TextSignature

Arrived = tuple[int, Delta]
"""Which one of a request's answers, and what was added to it."""


class Answer(msgspec.Struct):
    """One sequence of a request."""

    number: int
    index: int
    """Among the answers of its request."""
    seconds: float = 0.0
    """Its share of the engine's time up to the newest delta: a step is shared evenly by the answers that run."""


class Answers:
    """What comes for one request, whose sequences run beside each other; made and read on the event loop."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self.each = [Answer(number, index) for index, number in enumerate(numbers)]
        self._ready: deque[tuple[int, Delta | CallError]] = deque()
        self._waiter: asyncio.Future[None] | None = None

    @property
    def seconds(self) -> float:
        """The request's share of the engine's time."""
        return sum(answer.seconds for answer in self.each)

    async def next(self) -> list[Arrived]:
        """All that came since the last call, at least one; raises the error that ended one of the sequences."""
        while not self._ready:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        arrived: list[Arrived] = []
        while self._ready:
            index, item = self._ready[0]
            if isinstance(item, CallError):
                if arrived:
                    break
                raise item
            arrived.append((index, item))
            self._ready.popleft()
        return arrived

    def put(self, index: int, item: Delta | CallError) -> None:
        """Called on the event loop only."""
        self._ready.append((index, item))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class TextLoop:
    """The device around a TextEngine; every public verb is called on the event loop."""

    def __init__(
        self,
        engine: TextEngine,
        *,
        max_sequences: int,
        queue_limit: int,
        on_lost: Callable[[BaseException], None],
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`now` measures the engine's steps, in seconds."""
        self._engine = engine
        self._max_sequences = max_sequences
        self._queue_limit = queue_limit
        self._on_lost = on_lost
        self._now = now
        self._wake = threading.Condition()
        self._waiting: deque[tuple[int, Sequence[int], Sampling]] = deque()
        self._cancelled: set[int] = set()
        self._stopping = False
        self._answers: dict[int, tuple[Answers, Answer]] = {}
        self._numbers = 0
        self.refused = 0
        """Requests for which there was no room."""
        self._loop = asyncio.get_running_loop()
        self._thread: threading.Thread | None = None

    async def load(self, config: EngineConfig) -> TextSignature:
        """Load the engine on its thread; raises what the engine raises."""
        loaded: asyncio.Future[TextSignature] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, args=(config, loaded), name="text-engine", daemon=True)
        self._thread.start()
        return await loaded

    def submit(self, sequences: Sequence[tuple[Sequence[int], Sampling]]) -> Answers:
        """Queue a request of one or more sequences, all or none; raises Overloaded when as many wait as may."""
        with self._wake:
            most = self._max_sequences + self._queue_limit
            if max(len(self._answers), len(self._waiting)) + len(sequences) > most:
                self.refused += 1
                raise Overloaded(
                    f"{len(self._waiting)} requests wait for this model, as many as may",
                    hint="send the request again later",
                    retry_after=1.0,
                )
            first = self._numbers + 1
            self._numbers += len(sequences)
            answers = Answers(range(first, self._numbers + 1))
            for answer, (prompt, sampling) in zip(answers.each, sequences, strict=True):
                self._answers[answer.number] = (answers, answer)
                self._waiting.append((answer.number, prompt, sampling))
            self._wake.notify()
        return answers

    def cancel(self, answer: Answer) -> None:
        """Nobody reads this answer any more: it is not computed further; harmless after its end."""
        if self._answers.pop(answer.number, None) is not None:
            with self._wake:
                self._cancelled.add(answer.number)
                self._wake.notify()

    @property
    def running(self) -> int:
        """Sequences that the engine has begun."""
        return max(0, len(self._answers) - len(self._waiting))

    @property
    def waiting(self) -> int:
        """Sequences that the engine has not begun."""
        return len(self._waiting)

    @property
    def cache_usage(self) -> float:
        """Share of the key-value cache that was in use at the last step."""
        return self._engine.cache_usage if self._answers else 0.0

    async def stop(self) -> None:
        """End the thread; requests that still run are forgotten."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, 5.0)

    def _run(self, config: EngineConfig, loaded: asyncio.Future[TextSignature]) -> None:
        try:
            signature = self._engine.load(config)
        except Exception as error:  # noqa: BLE001 - handed to whoever awaits the load
            self._post(lambda error=error: loaded.set_exception(error))
            return
        self._post(lambda: loaded.set_result(signature))
        try:
            self._advance()
        except Exception as error:  # noqa: BLE001 - a broken engine ends the worker, which says so
            self._post(lambda error=error: self._lost(error))

    def _advance(self) -> None:
        running: set[int] = set()
        spent: dict[int, float] = {}
        while True:
            with self._wake:
                while not (running or self._waiting or self._cancelled or self._stopping):
                    self._wake.wait()
                if self._stopping:
                    return
                gone, begun = self._take(running)
            for number in gone:
                self._engine.cancel(number)
                running.discard(number)
                spent.pop(number, None)
            running.update(request[0] for request in begun if self._begin(*request))
            deltas = self._step(running, spent)
            if deltas:
                shares = {delta.request: spent.get(delta.request, 0.0) for delta in deltas}
                for delta in deltas:
                    if delta.finish:
                        running.discard(delta.request)
                        spent.pop(delta.request, None)
                self._post(lambda deltas=deltas, shares=shares: self._deliver(deltas, shares))

    def _step(self, running: set[int], spent: dict[int, float]) -> list[Delta]:
        """Advance all by one step, and share its time among them."""
        if not running:
            return []
        begun = self._now()
        deltas = self._engine.step()
        share = (self._now() - begun) / len(running)
        for number in running:
            spent[number] = spent.get(number, 0.0) + share
        return deltas

    def _take(self, running: set[int]) -> tuple[list[int], list[tuple[int, Sequence[int], Sampling]]]:
        """What to cancel in the engine and what to begin; called under the lock."""
        cancelled, self._cancelled = self._cancelled, set()
        gone = [number for number in cancelled if number in running]
        if cancelled:
            self._waiting = deque(item for item in self._waiting if item[0] not in cancelled)
        free = self._max_sequences - len(running) + len(gone)
        return gone, [self._waiting.popleft() for _ in range(min(free, len(self._waiting)))]

    def _begin(self, number: int, prompt: Sequence[int], sampling: Sampling) -> bool:
        try:
            self._engine.submit(number, prompt, sampling)
        except CallError as error:
            self._post(lambda error=error: self._fail(number, error))
        except Exception as error:  # noqa: BLE001 - this request's own failure; its neighbours go on
            failed = EngineFailed(f"the engine refused the request: {error}", hint="change the request")
            self._post(lambda: self._fail(number, failed))
        else:
            return True
        return False

    def _deliver(self, deltas: list[Delta], shares: Mapping[int, float]) -> None:
        for delta in deltas:
            known = self._answers.get(delta.request)
            if known is None:
                continue
            answers, answer = known
            answer.seconds = shares[delta.request]
            if delta.finish:
                del self._answers[delta.request]
            answers.put(answer.index, _failure(delta) or delta)

    def _fail(self, number: int, error: CallError) -> None:
        known = self._answers.pop(number, None)
        if known is not None:
            answers, answer = known
            answers.put(answer.index, error)

    def _lost(self, error: BaseException) -> None:
        for number in list(self._answers):
            self._fail(number, ModelUnavailable("the engine was lost", hint="send the request again", retry_after=1.0))
        self._on_lost(error)

    def _post(self, action: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(action)
        except RuntimeError:  # the event loop is closed: nobody listens any more
            self._stopping = True


def _failure(delta: Delta) -> CallError | None:
    match delta.finish:
        case "error":
            return EngineFailed(delta.error, hint="change the request")
        case "refused":
            return Unprocessable(delta.error, hint="change the request")
        case _:
            return None
