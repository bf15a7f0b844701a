"""Variants for the command line, through control; while nothing runs there is nothing to look at or to change."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, urlencode

import msgspec

from modelwright.app.supervise.ask import ask
from modelwright.app.supervise.devices.runtime import running
from modelwright.core.errors import StartError, UnknownEndpoint, Unprocessable
from modelwright.core.experiments.observations import Observation

WITHIN = 30.0
"""Seconds that control may take for one answer."""


class VariantFacts(msgspec.Struct, kw_only=True):
    """As control tells it (app/variants/desk.py)."""

    variant: str
    provider: str
    model: str
    weight: float
    manifest_weight: float | None
    share: float
    seen: Observation


class EndpointFacts(msgspec.Struct, kw_only=True):
    """As control tells it."""

    endpoint: str
    since: float
    calls: int
    whole: bool
    variants: list[VariantFacts]


class ChangeFacts(msgspec.Struct, kw_only=True):
    """One entry of the weights' history."""

    weights: dict[str, float]
    who: str
    why: str
    at: float


class Spread(msgspec.Struct, kw_only=True):
    """How far a change has come."""

    serial: int
    confirmed: list[str] = []
    unconfirmed: list[str] = []
    problem: str = ""


class Changed(msgspec.Struct, kw_only=True):
    """The weights after a change."""

    endpoint: str
    weights: dict[str, float]
    spread: Spread | None


class _Error(msgspec.Struct):
    code: str
    message: str
    hint: str = ""


class _Envelope(msgspec.Struct):
    error: _Error


class VariantOffice:
    """The verbs of `modelwright variants`; they block. Raise NotRunning, StartError, UnknownEndpoint, Unprocessable."""

    def __init__(self, state: Path, *, who: str) -> None:
        self._state = state
        self._who = who

    def look(self, endpoint: str | None, *, since: str) -> bytes:
        """JSON of EndpointFacts."""
        query = {"since": since, **({"endpoint": endpoint} if endpoint is not None else {})}
        return self._ask("GET", f"/variants?{urlencode(query)}")

    def weigh(self, endpoint: str, weights: dict[str, float], *, why: str) -> Changed:
        """Set live weights; none: back to the manifest's."""
        wish = {"weights": weights, "why": why, "who": self._who}
        return self._change("PUT", f"{_path(endpoint)}/weights", wish)

    def roll_back(self, endpoint: str, *, why: str) -> Changed:
        """Back to the weights before the present ones."""
        return self._change("POST", f"{_path(endpoint)}/rollback", {"why": why, "who": self._who})

    def history(self, endpoint: str) -> bytes:
        """JSON of ChangeFacts, the newest first."""
        return self._ask("GET", f"{_path(endpoint)}/history")

    def _change(self, method: str, target: str, wish: object) -> Changed:
        return msgspec.json.decode(self._ask(method, target, msgspec.json.encode(wish)), type=Changed)

    def _ask(self, method: str, target: str, body: bytes = b"") -> bytes:
        socket = Path(running(self._state).runtime, "control.sock")
        try:
            answer = ask(socket, target, method=method, body=body, within=WITHIN)
        except OSError as error:
            raise StartError(f"control does not answer ({error})", hint="see modelwright status and its log") from error
        if answer.status < 400:
            return answer.body
        try:
            error = msgspec.json.decode(answer.body, type=_Envelope).error
        except msgspec.MsgspecError:
            raise StartError(f"control answered {answer.status}", hint="see its log") from None
        kinds = {kind.code: kind for kind in (UnknownEndpoint, Unprocessable)}
        raise kinds.get(error.code, StartError)(error.message, hint=error.hint)


def _path(endpoint: str) -> str:
    return f"/variants/{quote(endpoint, safe='')}"
