"""Makes a fresh site usable: in development it sees to a key, then it says what to do."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path

import msgspec

from modelwright.app.supervise.ask import Answer, ask
from modelwright.app.supervise.devices.runtime import Claim
from modelwright.app.supervise.welcome.commands import Place, Shown, asked, commands
from modelwright.app.supervise.welcome.examples import TensorTold, Told, plain_body
from modelwright.app.supervise.welcome.key import NAME, development_key
from modelwright.core.contracts.snapshot import Snapshot
from modelwright.core.errors.tree import ModelwrightError
from modelwright.core.status import Status

WITHIN = 30.0
"""Seconds that control may take: it may be busy with what an earlier run left to it."""
DESCRIBED_WITHIN = 2.0
"""Seconds that a model may take to say what it takes."""


class _Metadata(msgspec.Struct):
    inputs: tuple[TensorTold, ...] = ()


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

    async def lines(self, status: Status) -> Sequence[str]:
        """Commands to paste, and what went wrong with the key."""
        states = {part.name: part.state for part in status.parts}
        shown = [model for model in self._shown if states.get(model.part) != "broken"]
        silent = [model for model in shown if model.check is None and states.get(model.part) == "ready"]
        told = await asyncio.to_thread(self._told_by, silent)
        lines = commands(self._snapshot, shown, public=status.public, key=self._key, place=self._place, told=told)
        return [self._problem, *lines] if self._problem else lines

    def _told_by(self, models: Sequence[Shown]) -> Mapping[str, Told]:
        """What these models say of themselves, as far as it is shown; one that does not say it is left out."""
        found: dict[str, Told] = {}
        for model, _ in asked(self._snapshot, models).values():
            socket = self._control.with_name(f"{model.part}.sock")
            with suppress(OSError, ValueError):
                found[model.model] = told_by(socket, model.model)
        return found

    def _ask(self, method: str, target: str, body: bytes) -> Answer:
        return ask(Path(self._control), target, method=method, body=body, within=WITHIN)


def told_by(socket: Path, model: str) -> Told:
    """Raises OSError, and ValueError for what no request can be made of."""
    metadata = ask(socket, f"/v2/models/{model}", within=DESCRIBED_WITHIN)
    tensors = msgspec.json.decode(metadata.body, type=_Metadata).inputs if metadata.status == HTTPStatus.OK else ()
    if tensors:
        return Told(inputs=tensors)
    described = ask(socket, f"/predict/{model}/openapi.json", within=DESCRIBED_WITHIN)
    if described.status != HTTPStatus.OK:
        raise ConnectionError(f"{model} answered {described.status}")
    told = Told(document=msgspec.json.decode(described.body))
    try:
        plain_body(told)
    except Exception as error:  # a schema of the user's may hold anything
        raise ValueError(f"no example can be made for {model}") from error
    return told
