"""Makes a fresh site usable: in development it sees to a key, then it says what to do."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec

from modelwright.app.supervise.ask import Answer, ask
from modelwright.app.supervise.devices.runtime import Claim
from modelwright.app.supervise.welcome.commands import Place, Shown, commands
from modelwright.app.supervise.welcome.key import NAME, development_key
from modelwright.core.contracts.snapshot import Snapshot
from modelwright.core.errors.tree import ModelwrightError
from modelwright.core.status import Status

WITHIN = 30.0
"""Seconds that control may take: it may be busy with what an earlier run left to it."""


class SiteGreeter:
    """Speaks for one run."""

    def __init__(
        self, snapshot: Snapshot, shown: Sequence[Shown], *, claim: Claim, place: Place, key_name: str = NAME
    ) -> None:
        """`key_name` is that of the development key."""
        self._snapshot = snapshot
        self._shown = shown
        self._state = claim.state
        self._control = claim.runtime / "control.sock"
        self._place = place
        self._key_name = key_name
        self._key = ""
        self._problem = ""

    async def prepare(self) -> None:
        """Have a key at hand, when this is development and calls want one; a failure is told, not raised."""
        if self._snapshot.environment != "development" or self._snapshot.auth == "none":
            return
        try:
            self._key = await asyncio.to_thread(development_key, self._state, self._ask, name=self._key_name)
        except (OSError, ModelwrightError, msgspec.MsgspecError) as error:
            self._problem = f"# no development key: {error}"

    def lines(self, status: Status) -> Sequence[str]:
        """Commands to paste, and what went wrong with the key."""
        lines = commands(self._snapshot, self._shown, public=status.public, key=self._key, place=self._place)
        return [self._problem, *lines] if self._problem else lines

    def _ask(self, method: str, target: str, body: bytes) -> Answer:
        return ask(Path(self._control), target, method=method, body=body, within=WITHIN)
