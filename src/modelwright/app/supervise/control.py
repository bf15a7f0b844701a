"""What the command line asks of control, and control's refusals as the errors that they are; it blocks."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from modelwright.app.supervise.ask import Answer, ask
from modelwright.app.supervise.devices.runtime import running
from modelwright.core.errors.starting import StartError
from modelwright.core.errors.tree import ModelwrightError

PATIENCE = 20.0
"""Seconds to wait for a control that starts or stops."""
WITHIN = 30.0
"""Seconds that control may take for one answer."""
_PAUSE = 0.2


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """How far a change has come, as control tells it (app/keys/types.py)."""

    serial: int
    """Of the snapshot that holds the change; 0 when none could be written."""
    confirmed: tuple[str, ...] = ()
    unconfirmed: tuple[str, ...] = ()
    problem: str = ""


class _Error(msgspec.Struct):
    code: str
    message: str
    hint: str = ""


class _Envelope(msgspec.Struct):
    error: _Error


class Control:
    """The control process of one installation, over its Unix socket."""

    def __init__(
        self, state: Path, *, refusals: Iterable[type[ModelwrightError]], within: float = WITHIN, passing: bool = True
    ) -> None:
        """`refusals` are the errors that it may answer; any other one becomes a StartError.

        `within` are the seconds that one answer may take; `passing`: a refusal with 503 is asked again, as all of 503.
        """
        self._state = state
        self._within = within
        self._passing = passing
        self._refusals = {kind.code: kind for kind in refusals}

    def ask(self, method: str, target: str, body: bytes = b"") -> bytes:
        """The body of its answer; raises NotRunning when nothing runs, StartError, or one of the refusals."""
        until = time.monotonic() + PATIENCE
        while True:
            socket = Path(running(self._state).runtime, "control.sock")
            try:
                answer = ask(socket, target, method=method, body=body, within=self._within)
            except (FileNotFoundError, ConnectionRefusedError):  # it is just starting or stopping
                answer = Answer(503, b"")
            except OSError as error:
                hint = "see modelwright status and its log"
                raise StartError(f"control does not answer ({error})", hint=hint) from error
            if answer.status != 503 or time.monotonic() >= until or (not self._passing and self._is_refusal(answer)):
                return self._accepted(answer)
            time.sleep(_PAUSE)

    def _is_refusal(self, answer: Answer) -> bool:
        try:
            return msgspec.json.decode(answer.body, type=_Envelope).error.code in self._refusals
        except msgspec.MsgspecError:
            return False

    def _accepted(self, answer: Answer) -> bytes:
        if answer.status < 400:
            return answer.body
        try:
            error = msgspec.json.decode(answer.body, type=_Envelope).error
        except msgspec.MsgspecError:
            raise StartError(f"control answered {answer.status}", hint="see its log") from None
        raise self._refusals.get(error.code, StartError)(error.message, hint=error.hint)
