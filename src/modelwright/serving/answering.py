"""Counts a door's requests and tells each failure in its wire's envelope; what an answer is, the door knows."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable

from modelwright.core.errors.calls import CallError, Stopped
from modelwright.core.wire import openai, v2
from modelwright.core.wire.status import status_of
from modelwright.serving.door import JSON, Send, send_answer

_V2 = "/v2"
_log = logging.getLogger(__name__)


class Answering:
    """The requests of one door."""

    def __init__(self, model: str) -> None:
        self.in_flight = 0
        self.calls = 0
        self.errors = 0
        """Calls that were not answered well."""
        self._model = model

    async def one(self, work: Awaitable[None], send: Send, *, path: str) -> None:
        """Let `work` answer one request; every failure of it becomes the envelope of its path, and is nobody else's."""
        self.calls += 1
        self.in_flight += 1
        try:
            await work
        except Stopped:
            self.errors += 1  # the client left: there is nobody to tell
        except CallError as error:
            self.errors += 1
            await send_error(send, error, path=path)
            error.__traceback__ = None  # its frames hold the body
        except Exception:  # noqa: BLE001 - one request's defect is its own
            self.errors += 1
            _log.exception("model %s: a request was not answered", self._model)
            await send_error(send, CallError("an internal error", hint="see the worker's log"), path=path)
        finally:
            self.in_flight -= 1


async def send_error(send: Send, error: CallError, *, path: str) -> None:
    """An error in the envelope of a path: V2's below /v2, otherwise OpenAI's."""
    headers = [JSON]
    if error.retry_after is not None:
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(error.retry_after))))
    body = v2.error_body(error) if path.startswith(_V2) else openai.error_body(error)
    await send_answer(send, status_of(error), body, headers=headers)
