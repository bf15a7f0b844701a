"""Prompts for the command line, through control; while nothing runs there is nothing to look at or to change."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from modelwright.app.supervise.control import Control
from modelwright.core.errors.calls import Malformed
from modelwright.core.errors.prompts import PromptError
from modelwright.core.errors.registry import AliasHasMoved, NotRegistered, RegistryError, VersionTaken

_REFUSALS = (AliasHasMoved, Malformed, NotRegistered, PromptError, RegistryError, VersionTaken)


class PromptOffice:
    """The verbs of `modelwright prompts`; they block. Raise NotRunning, StartError, RegistryError, PromptError."""

    def __init__(self, state: Path, *, who: str) -> None:
        self._control = Control(state, refusals=_REFUSALS)
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
        return msgspec.json.decode(
            self._control.ask(method, target, b"" if wish is None else msgspec.json.encode(wish))
        )


def _path(name: str) -> str:
    return f"/prompts/{quote(name, safe='')}"
