"""Keys for the command line: through control while it runs, otherwise by `alone`; never both."""

from __future__ import annotations

import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec
from pydantic import TypeAdapter

from modelwright.app.keys.types import KeyChanged, KeyFacts, KeyMade, KeyRotated, KeyWish, RotationWish
from modelwright.app.supervise.ask import Answer, ask
from modelwright.app.supervise.devices.runtime import running
from modelwright.core.errors import AccessError, KeyNameTaken, KeyNotFound, ModelwrightError, NotRunning, StartError

if TYPE_CHECKING:
    from modelwright.app.keys.alone import Alone

PATIENCE = 20.0
"""Seconds to wait for a control that starts, or for another command that holds the database."""
WITHIN = 15.0
"""Seconds that control may take for one answer."""
_PAUSE = 0.2

_LIST = TypeAdapter(list[KeyFacts])
_ERRORS: dict[str, type[ModelwrightError]] = {kind.code: kind for kind in (AccessError, KeyNameTaken, KeyNotFound)}


class _Error(msgspec.Struct):
    code: str
    message: str
    hint: str = ""


class _Envelope(msgspec.Struct):
    error: _Error


class KeyOffice:
    """The verbs of `modelwright keys`; they block. All raise AccessError, and StartError when nobody can do it."""

    def __init__(self, state: Path, *, base: Path, environment: str) -> None:
        """`base` is the manifest's directory; the environment matters while nothing runs."""
        self._state = state
        self._base = base
        self._environment = environment

    def create(self, wish: KeyWish) -> KeyMade:
        """Make a key."""
        body = wish.model_dump_json().encode()
        answer = self._control("POST", "/keys", body)
        if answer is not None:
            return KeyMade.model_validate_json(answer)
        return self._alone().create(wish)

    def rotate(self, which: str, wish: RotationWish) -> KeyRotated:
        """Replace a key of this id or name by a new one."""
        answer = self._control("POST", f"/keys/{quote(which, safe='')}/rotate", wish.model_dump_json().encode())
        if answer is not None:
            return KeyRotated.model_validate_json(answer)
        return self._alone().rotate(which, wish)

    def list(self) -> list[KeyFacts]:
        """The newest keys, at most 10,000, the newest first."""
        answer = self._control("GET", "/keys")
        return _LIST.validate_json(answer) if answer is not None else self._alone().list()

    def revoke(self, which: str) -> KeyChanged:
        """Revoke a key by id or name."""
        answer = self._control("DELETE", f"/keys/{quote(which, safe='')}")
        if answer is not None:
            return KeyChanged.model_validate_json(answer)
        return self._alone().revoke(which)

    def _control(self, method: str, target: str, body: bytes = b"") -> bytes | None:
        """The answer of control; None when nothing runs."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                answer = ask(
                    Path(running(self._state).runtime, "control.sock"), target, method=method, body=body, within=WITHIN
                )
            except NotRunning:
                return None
            except (FileNotFoundError, ConnectionRefusedError):  # it is just starting or stopping
                answer = Answer(503, b"")
            except OSError as error:
                raise StartError(
                    f"control does not answer ({error})", hint="see modelwright status and its log"
                ) from error
            if answer.status != 503 or time.monotonic() >= until:
                return _accepted(answer)
            time.sleep(_PAUSE)

    def _alone(self) -> Alone:
        """The database's libraries are loaded only here: with control at hand nobody needs them."""
        alone: type[Alone] = import_module("modelwright.app.keys.alone").Alone
        return alone(self._state, base=self._base, environment=self._environment, patience=PATIENCE)


def _accepted(answer: Answer) -> bytes:
    if answer.status < 400:
        return answer.body
    try:
        error = msgspec.json.decode(answer.body, type=_Envelope).error
    except msgspec.MsgspecError:
        raise StartError(f"control answered {answer.status}", hint="see its log") from None
    raise _ERRORS.get(error.code, StartError)(error.message, hint=error.hint)
