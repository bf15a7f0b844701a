"""Loaded models for the command line, through control."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import msgspec

from modelwright.app.supervise.control import Control
from modelwright.app.supervise.fleet.talk import WITHIN, Loaded
from modelwright.core.errors.calls import ModelUnavailable, UnknownEndpoint


class RepositoryOffice:
    """The verbs of `modelwright models` on what is loaded; they block. Raise NotRunning, StartError, CallError."""

    def __init__(self, state: Path) -> None:
        # What keeps a model from being loaded does not pass by itself, and each question starts its processes anew.
        refusals = (ModelUnavailable, UnknownEndpoint)
        self._control = Control(state, refusals=refusals, within=WITHIN, passing=False)

    def index(self) -> list[Loaded]:
        """Every version of every model."""
        return self._ask("GET", "/repository")

    def load(self, name: str) -> list[Loaded]:
        """Every one of them, after this one was loaded."""
        return self._ask("POST", f"/repository/{quote(name, safe='')}/load")

    def unload(self, name: str) -> list[Loaded]:
        """Likewise, unloaded."""
        return self._ask("POST", f"/repository/{quote(name, safe='')}/unload")

    def _ask(self, method: str, target: str) -> list[Loaded]:
        return msgspec.json.decode(self._control.ask(method, target), type=list[Loaded])
