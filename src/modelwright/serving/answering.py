"""Counts a door's requests and tells each failure in OpenAI's envelope; what an answer is, the door knows."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable

from modelwright.core.errors.calls import CallError, Stopped
from modelwright.core.wire.openai import error_body
from modelwright.core.wire.status import status_of
from modelwright.serving.door import JSON, Send, send_answer

_log = logging.getLogger(__name__)


class Answering:
    """The requests of one door."""

    def __init__(self, model: str) -> None:
        self.in_flight = 0
        self.calls = 0
        self.errors = 0
        """Calls that were not answered well."""
        self._model = model

    async def one(self, work: Awaitable[None], send: Send) -> None:
        """Let `work` answer one request; every failure of it becomes an envelope, and is nobody else's."""
        self.calls += 1
        self.in_flight += 1
        try:
            await work
        except Stopped:
            self.errors += 1  # the client left: there is nobody to tell
        except CallError as error:
            self.errors += 1
            await send_error(send, error)
            error.__traceback__ = None  # its frames hold the body
        except Exception:  # noqa: BLE001 - one request's defect is its own
            self.errors += 1
            _log.exception("model %s: a request was not answered", self._model)
            await send_error(send, CallError("an internal error", hint="see the worker's log"))
        finally:
            self.in_flight -= 1


async def send_error(send: Send, error: CallError) -> None:
    """An error in OpenAI's envelope."""
    headers = [JSON]
    if error.retry_after is not None:
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(error.retry_after))))
    await send_answer(send, status_of(error), error_body(error), headers=headers)
