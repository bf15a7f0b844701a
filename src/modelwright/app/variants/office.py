"""Variants for the command line, through control; while nothing runs there is nothing to look at or to change."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, urlencode

import msgspec

from modelwright.app.supervise.control import Control, Spread
from modelwright.core.errors.calls import UnknownEndpoint, Unprocessable
from modelwright.core.errors.registry import RegistryError


class Changed(msgspec.Struct, kw_only=True):
    """The weights after a change."""

    endpoint: str
    weights: dict[str, float]
    spread: Spread | None


class VariantOffice:
    """The verbs of `modelwright variants`; they block and raise what `Control` raises."""

    def __init__(self, state: Path, *, who: str) -> None:
        self._control = Control(state, refusals=(RegistryError, UnknownEndpoint, Unprocessable))
        self._who = who

    def look(self, endpoint: str | None, *, since: str) -> bytes:
        """JSON of EndpointView."""
        query = {"since": since, **({"endpoint": endpoint} if endpoint is not None else {})}
        return self._control.ask("GET", f"/variants?{urlencode(query)}")

    def weigh(self, endpoint: str, weights: dict[str, float], *, why: str) -> Changed:
        """Set live weights; none: back to the manifest's."""
        wish = {"weights": weights, "why": why, "who": self._who}
        return self._change("PUT", f"{_path(endpoint)}/weights", wish)

    def roll_back(self, endpoint: str, *, why: str) -> Changed:
        """Back to the weights before the present ones."""
        return self._change("POST", f"{_path(endpoint)}/rollback", {"why": why, "who": self._who})

    def history(self, endpoint: str) -> bytes:
        """JSON of Change, the newest first."""
        return self._control.ask("GET", f"{_path(endpoint)}/history")

    def _change(self, method: str, target: str, wish: object) -> Changed:
        return msgspec.json.decode(self._control.ask(method, target, msgspec.json.encode(wish)), type=Changed)


def _path(endpoint: str) -> str:
    return f"/variants/{quote(endpoint, safe='')}"
