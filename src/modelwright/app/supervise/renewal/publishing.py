"""Brings what a run is configured by to its gateways, by way of control, and tells when they have it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

import msgspec

from modelwright.app.supervise.ask import ask
from modelwright.app.supervise.control import Spread
from modelwright.app.supervise.devices.runtime import Claim
from modelwright.app.supervise.renewal.configuration import Configuration
from modelwright.core.contracts.snapshot import Snapshot

LOOK = 0.5
"""Seconds between two attempts."""
WITHIN = 10.0
"""Seconds that control may take to answer."""


class Served(Protocol):
    """Who knows what is served where, and is told when the gateways know it too."""

    turn: asyncio.Lock
    """Held by whoever changes which processes run models, until that is published or owed."""

    def addressed(self, configuration: Configuration) -> Snapshot:
        """Its snapshot with the sockets that are in use."""
        ...

    def retire(self, serial: int) -> None:
        """All shall answer by this snapshot: end whatever it does not name, once nobody waits for it."""
        ...

    def say(self, line: str) -> None:
        """Something that whoever watches should read."""
        ...


class Publishing:
    """Of one run."""

    def __init__(self, first: Configuration, *, claim: Claim, site: Served, look: float = LOOK) -> None:
        self.in_force = first
        self.owed = False
        """The files are written, and control has not said yet that it took them."""
        self._claim = claim
        self._site = site
        self._look = look
        self._waiting = ""
        """Why it has not, as it was told last."""
        self._is_news = False
        """It is a change of the manifest, which is told."""

    def put(self, configuration: Configuration) -> None:
        """Write it where control finds it; raises OSError, and then nothing has changed."""
        configuration.write(self._claim, self._site.addressed(configuration))
        self._is_news = self._is_news or configuration is not self.in_force
        self.owed = self.owed or configuration is not self.in_force
        self.in_force = configuration

    async def again(self) -> None:
        """The same configuration, whose models have other sockets by now; for who holds the site's `turn`."""
        self.owed = True
        try:
            self.put(self.in_force)
        except OSError as error:
            self._wait_for(str(error))
            return
        await self.spread()

    async def run(self) -> None:
        """Try again what is owed, until cancelled."""
        while True:
            await asyncio.sleep(self._look)
            if self.owed:
                async with self._site.turn:
                    await self.again()

    async def spread(self) -> None:
        """Have control write the gateways' snapshot; it does that by itself when it starts anew."""
        try:
            answer = await asyncio.to_thread(
                ask, self._claim.runtime / "control.sock", "/publish", method="POST", body=b"{}", within=WITHIN
            )
            spread = msgspec.json.decode(answer.body, type=Spread)
        except (OSError, msgspec.MsgspecError) as error:
            self._wait_for(str(error))
            return
        if spread.problem or not spread.serial:
            self._wait_for(spread.problem or "it wrote no snapshot")
            return
        self._waiting = ""
        self.owed = False
        self._site.retire(spread.serial)
        if self._is_news:
            self._is_news = False
            self._site.say(told(self.in_force, confirmed=spread.confirmed, unconfirmed=spread.unconfirmed))

    def _wait_for(self, problem: str) -> None:
        if problem != self._waiting:
            self._site.say(f"the change is not at the gateways yet, it is tried again: {problem}")
        self._waiting = problem


def told(configuration: Configuration, *, confirmed: Sequence[str], unconfirmed: Sequence[str]) -> str:
    """What is said of a change that was applied."""
    line = f"{configuration.loaded.path.name} was applied without a restart: {', '.join(confirmed) or 'no worker yet'}"
    return f"{line}; {', '.join(unconfirmed)} will follow within a second" if unconfirmed else line
