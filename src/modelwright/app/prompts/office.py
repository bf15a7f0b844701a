"""Prompts for the command line, through control; while nothing runs there is nothing to look at or to change."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from modelwright.app.supervise.ask import ask
from modelwright.app.supervise.devices.runtime import running
from modelwright.core.errors import (
    AliasHasMoved,
    Malformed,
    NotRegistered,
    PromptError,
    RegistryError,
    StartError,
    VersionTaken,
)

WITHIN = 30.0
"""Seconds that control may take for one answer."""
_KINDS = {
    kind.code: kind for kind in (AliasHasMoved, Malformed, NotRegistered, PromptError, RegistryError, VersionTaken)
}


class _Error(msgspec.Struct):
    code: str
    message: str
    hint: str = ""


class _Envelope(msgspec.Struct):
    error: _Error


class PromptOffice:
    """The verbs of `modelwright prompts`; they block. Raise NotRunning, StartError, RegistryError, PromptError."""

    def __init__(self, state: Path, *, who: str) -> None:
        self._state = state
        self._who = who

    def list(self) -> Any:
        """Every prompt."""
        return self._ask("GET", "/prompts")

    def show(self, name: str, word: str) -> Any:
        """One version."""
        return self._ask("GET", f"{_path(name)}/versions/{quote(word, safe='')}")

    def history(self, name: str) -> Any:
        """The oldest first."""
        return self._ask("GET", f"{_path(name)}/history")

    def push(self, name: str, version: str, *, source: str, why: str) -> Any:
        """Register a version."""
        wish = {"source": source, "why": why, "who": self._who}
        return self._ask("PUT", f"{_path(name)}/versions/{quote(version, safe='')}", wish)

    def alias(self, name: str, alias: str, *, version: str, expect: str | None, why: str) -> Any:
        """Move an alias."""
        wish = {"version": version, "expect": expect, "why": why, "who": self._who}
        return self._ask("PUT", f"{_path(name)}/aliases/{quote(alias, safe='')}", wish)

    def render(self, name: str, word: str, *, variables: dict[str, Any]) -> Any:
        """The messages for these values."""
        return self._ask("POST", f"{_path(name)}/versions/{quote(word, safe='')}/render", {"variables": variables})

    def _ask(self, method: str, target: str, wish: object = None) -> Any:
        socket = Path(running(self._state).runtime, "control.sock")
        body = b"" if wish is None else msgspec.json.encode(wish)
        try:
            answer = ask(socket, target, method=method, body=body, within=WITHIN)
        except OSError as error:
            raise StartError(f"control does not answer ({error})", hint="see modelwright status and its log") from error
        if answer.status < 400:
            return msgspec.json.decode(answer.body)
        try:
            error = msgspec.json.decode(answer.body, type=_Envelope).error
        except msgspec.MsgspecError:
            raise StartError(f"control answered {answer.status}", hint="see its log") from None
        raise _KINDS.get(error.code, StartError)(error.message, hint=error.hint)


def _path(name: str) -> str:
    return f"/prompts/{quote(name, safe='')}"
