"""Runs a user's methods: ordinary ones on threads, `async` ones on an event loop of their own, none on the door's."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from modelwright.core.errors.calls import CallError, EngineFailed

DIED = 70
"""Exit status of the process when the user's code ends it by SystemExit (sysexits' EX_SOFTWARE)."""
LAST_WORDS = 0.1
"""Seconds in which its last log lines are written."""

T = TypeVar("T")


class UserThreads:
    """Where the user's code runs; made when the first call comes."""

    def __init__(self, *, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="custom")
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, work: Callable[[], T]) -> Future[T]:
        """On a thread."""
        return self._pool.submit(work)

    def run_async(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """On the user's event loop."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=_run, args=(self._loop,), name="custom-loop", daemon=True).start()
        return _Ending(work, self._loop)

    def close(self) -> None:
        """Wait for nothing."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    """Until it is stopped; what is left then is cancelled."""
    loop.run_forever()
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


class _Ending(Future[T]):
    """Of a task on another loop: done when the task has ended, however it was asked to."""

    def __init__(self, work: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._work = work
        self._home = loop
        self._task: asyncio.Task[T] | None = None
        self._unwanted = False
        loop.call_soon_threadsafe(self._begin)

    def cancel(self) -> bool:
        self._unwanted = True
        self._home.call_soon_threadsafe(self._cancel)
        return False

    def _begin(self) -> None:
        self._task = self._home.create_task(self._work)
        self._task.add_done_callback(self._end)
        if self._unwanted:
            self._task.cancel()

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _end(self, task: asyncio.Task[T]) -> None:
        if task.cancelled():
            self.set_exception(EngineFailed("the call was cancelled"))
        elif (error := task.exception()) is not None:
            self.set_exception(error)
        else:
            self.set_result(task.result())


def failure(error: BaseException, *, model: str, logger: logging.Logger) -> CallError:
    """The error of a call whose method raised; its traceback goes into the log, and nowhere else.

    SystemExit ends the process, as it does everywhere: whoever waits is told by the supervisor's other end.
    """
    if isinstance(error, CallError):
        return error
    if isinstance(error, SystemExit | KeyboardInterrupt):
        logger.critical("the code of model %s ended the process: %r", model, error)
        time.sleep(LAST_WORDS)
        os._exit(DIED)
    logger.error("model %s failed on a request", model, exc_info=error)
    return EngineFailed(f"model {model!r} failed on this request", hint="its log has the traceback")


def is_async(method: Any) -> bool:
    """Whether calling it gives something to await or to iterate with `async for`."""
    found = inspect.unwrap(method)
    return inspect.iscoroutinefunction(found) or inspect.isasyncgenfunction(found)
