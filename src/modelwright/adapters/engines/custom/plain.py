"""Custom engine: a class of the user's with annotated inputs, called with one request at a time."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from concurrent.futures import Future
from typing import Any, TypeVar

import msgspec

from modelwright.adapters.engines.custom.answers import answer_of, json_of
from modelwright.adapters.engines.custom.arguments import Arguments
from modelwright.adapters.engines.custom.loading import Home, lacks, line_of, make, method
from modelwright.adapters.engines.custom.running import UserThreads, failure, is_async
from modelwright.core.errors.calls import Unprocessable
from modelwright.core.errors.starting import StartError
from modelwright.core.ports.engines import Answer, CustomSignature, EngineConfig, Part, Pieces

AT_ONCE = 64
"""Calls of an `async` method that run at once when the manifest sets no number; of another method it is one."""

T = TypeVar("T")


class Verb(msgspec.Struct, frozen=True):
    """One of the two methods."""

    method: Callable[..., Any]
    arguments: Arguments
    is_async: bool


class PlainCustomEngine:
    """Calls `predict` and `predict_stream` with named values."""

    def __init__(self, found: type, home: Home, *, at_once: int = 0) -> None:
        """`at_once`: calls that run at once; 0: one, or AT_ONCE of an `async` method."""
        self._class = found
        self._home = home
        self._at_once = at_once
        self._logger = logging.getLogger(home.module)
        self._model = ""
        self._made: Any = None
        self._threads = UserThreads(threads=1)
        self._predict: Verb | None = None
        self._stream: Verb | None = None

    def load(self, config: EngineConfig) -> CustomSignature:
        self._model = config.model
        self._made = make(self._class, self._home, config=config)
        self._predict, self._stream = self._verb("predict"), self._verb("predict_stream")
        first = self._predict or self._stream
        if first is None:
            raise StartError(
                lacks("predict", self._made, self._home),
                hint="write `def predict(self, …)`, `async` or not, or predict_stream",
                place=self._home.place,
            )
        at_once = self._at_once or (AT_ONCE if first.is_async else 1)
        self._threads.close()
        self._threads = UserThreads(threads=at_once)
        return CustomSignature(
            takes=first.arguments.takes,
            gives=first.arguments.gives if self._predict else {"type": "array", "items": first.arguments.gives},
            pieces=self._stream.arguments.gives if self._stream else None,
            files=first.arguments.files,
            whole=self._predict is not None,
            at_once=at_once,
            one_loop=first.is_async,
        )

    def read(self, given: bytes | list[Part], *, stream: bool) -> PlainInvocation:
        wanted = self._stream if stream or self._predict is None else self._predict
        if wanted is None:
            raise Unprocessable(
                f"model {self._model!r} does not stream", hint="leave `accept` out, or write a method predict_stream"
            )
        arguments = wanted.arguments.read(given)
        return PlainInvocation(wanted, arguments, threads=self._threads, model=self._model, logger=self._logger)

    def close(self) -> None:
        self._threads.close()
        self._made = self._predict = self._stream = None

    def _verb(self, name: str) -> Verb | None:
        found = method(self._made, name, self._home)
        if found is None:
            return None
        where = line_of(found, self._home)
        yields = inspect.isgeneratorfunction(found) or inspect.isasyncgenfunction(found)
        if name == "predict_stream" and not yields:
            problem = f"{where}: predict_stream does not yield"
            raise StartError(problem, hint="use `yield` in it, for each piece", place=self._home.place)
        if name == "predict" and yields:
            problem = f"{where}: predict yields pieces, and an answer is one value"
            raise StartError(problem, hint="call it predict_stream, or return a list", place=self._home.place)
        return Verb(found, Arguments(found, where=where, place=self._home.place), is_async(found))


class PlainInvocation:
    """One call with checked arguments."""

    def __init__(
        self, verb: Verb, arguments: dict[str, Any], *, threads: UserThreads, model: str, logger: logging.Logger
    ) -> None:
        self._verb = verb
        self._arguments = arguments
        self._threads = threads
        self._model = model
        self._logger = logger

    def answer(self) -> Future[Answer]:
        if self._verb.is_async:
            return self._threads.run_async(self._told_async(self._answered()))
        return self._threads.run(lambda: self.told(lambda: answer_of(self._verb.method(**self._arguments))))

    def pieces(self) -> Pieces:
        made = self._verb.method(**self._arguments)
        return AsyncPieces(made, self) if self._verb.is_async else ThreadPieces(made, self)

    def told(self, work: Callable[[], T]) -> T:
        """Run the user's code; what it raises becomes an error of this call."""
        try:
            return work()
        except BaseException as error:  # noqa: BLE001 - SystemExit is judged, too
            raise failure(error, model=self._model, logger=self._logger) from None

    def on_thread(self, work: Callable[[], T]) -> Future[T]:
        return self._threads.run(lambda: self.told(work))

    def on_loop(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return self._threads.run_async(self._told_async(work))

    async def _answered(self) -> Answer:
        return answer_of(await self._verb.method(**self._arguments))

    async def _told_async(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return await work
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - as above
            raise failure(error, model=self._model, logger=self._logger) from None


class ThreadPieces:
    """Of an ordinary generator: every step runs on a thread."""

    def __init__(self, made: Generator[Any, None, Any], call: PlainInvocation) -> None:
        self._made = made
        self._call = call
        self._stepping = threading.Lock()

    def next(self) -> Future[bytes | None]:
        return self._call.on_thread(self._next)

    def close(self) -> Future[None]:
        return self._call.on_thread(self._close)

    def _next(self) -> bytes | None:
        with self._stepping:
            try:
                return json_of(next(self._made))
            except StopIteration:
                return None

    def _close(self) -> None:
        with self._stepping:
            self._made.close()


class AsyncPieces:
    """Of an `async` generator."""

    def __init__(self, made: AsyncGenerator[Any, None], call: PlainInvocation) -> None:
        self._made = made
        self._call = call

    def next(self) -> Future[bytes | None]:
        return self._call.on_loop(self._next())

    def close(self) -> Future[None]:
        return self._call.on_loop(self._made.aclose())

    async def _next(self) -> bytes | None:
        try:
            return json_of(await anext(self._made))
        except StopAsyncIteration:
            return None
