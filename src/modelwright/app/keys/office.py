"""Keys for the command line: through control while it runs, otherwise by `alone`; never both."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from pydantic import TypeAdapter

from modelwright.app.keys.types import KeyChanged, KeyFacts, KeyMade, KeyRotated, KeyWish, RotationWish
from modelwright.app.supervise.control import Control
from modelwright.core.errors.access import AccessError, KeyNameTaken, KeyNotFound
from modelwright.core.errors.starting import NotRunning

if TYPE_CHECKING:
    from modelwright.app.keys.alone import Alone

PATIENCE = 20.0
"""Seconds to wait for another command that holds the database."""

_LIST = TypeAdapter(list[KeyFacts])


class KeyOffice:
    """The verbs of `modelwright keys`; they block. All raise AccessError, and StartError when nobody can do it."""

    def __init__(self, state: Path, *, manifest: Path, environment: str) -> None:
        """The manifest is read, and the environment matters, while nothing runs."""
        self._control = Control(state, refusals=(AccessError, KeyNameTaken, KeyNotFound))
        self._state = state
        self._manifest = manifest
        self._environment = environment

    def create(self, wish: KeyWish) -> KeyMade:
        """Make a key."""
        body = wish.model_dump_json().encode()
        answer = self._ask("POST", "/keys", body)
        if answer is not None:
            return KeyMade.model_validate_json(answer)
        return self._alone().create(wish)

    def rotate(self, which: str, wish: RotationWish) -> KeyRotated:
        """Replace a key of this id or name by a new one."""
        answer = self._ask("POST", f"/keys/{quote(which, safe='')}/rotate", wish.model_dump_json().encode())
        if answer is not None:
            return KeyRotated.model_validate_json(answer)
        return self._alone().rotate(which, wish)

    def list(self) -> list[KeyFacts]:
        """The newest keys, at most 10,000, the newest first."""
        answer = self._ask("GET", "/keys")
        return _LIST.validate_json(answer) if answer is not None else self._alone().list()

    def revoke(self, which: str) -> KeyChanged:
        """Revoke a key by id or name."""
        answer = self._ask("DELETE", f"/keys/{quote(which, safe='')}")
        if answer is not None:
            return KeyChanged.model_validate_json(answer)
        return self._alone().revoke(which)

    def _ask(self, method: str, target: str, body: bytes = b"") -> bytes | None:
        """The answer of control; None when nothing runs."""
        try:
            return self._control.ask(method, target, body)
        except NotRunning:
            return None

    def _alone(self) -> Alone:
        """The database's libraries are loaded only here: with control at hand nobody needs them."""
        alone: type[Alone] = import_module("modelwright.app.keys.alone").Alone
        return alone(self._state, manifest=self._manifest, environment=self._environment, patience=PATIENCE)
