"""Follows the files that a run was configured by: a change is applied whole and without a restart, or refused whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

import msgspec

from modelwright.app.supervise.ask import ask
from modelwright.app.supervise.control import Spread
from modelwright.app.supervise.devices.runtime import Claim
from modelwright.app.supervise.renewal.configuration import Configuration, fixed_changes
from modelwright.core.contracts.snapshot import Snapshot
from modelwright.core.errors.tree import ManifestError, ModelwrightError

LOOK = 0.5
"""Seconds between two looks at the files; a change counts when two looks have seen the same."""
WITHIN = 10.0
"""Seconds that control may take to answer."""

Marks: TypeAlias = tuple[tuple[int, int, int] | None, ...]


class Site(Protocol):
    """The running site that is told."""

    async def prepare(self, configuration: Configuration) -> str:
        """Bring up whatever models it has anew; why that cannot be done, empty when they are ready."""
        ...

    def addressed(self, configuration: Configuration) -> Snapshot:
        """Its snapshot with the sockets that are in use then."""
        ...

    def give_up(self) -> None:
        """What was brought up shall not be used after all."""
        ...

    def renew(self, configuration: Configuration) -> None:
        """This is what it runs by from now on."""
        ...

    def retire(self, serial: int) -> None:
        """All shall answer by this snapshot: end whatever it does not name, once nobody waits for it."""
        ...

    def say(self, line: str) -> None:
        """Something that whoever watches should read."""
        ...


class Renewal:
    """Beside one run."""

    def __init__(
        self,
        first: Configuration,
        *,
        claim: Claim,
        read: Callable[[], Configuration],
        site: Site,
        look: float = LOOK,
    ) -> None:
        """`read` is the manifest's reading, which raises what is wrong with it; `look` the seconds between looks."""
        self._look = look
        self._in_force = first
        self._begin = marks_of(first.loaded.files)
        self._claim = claim
        self._read = read
        self._site = site
        self._owed = False
        """The files are written, and control has not said yet that it took them."""
        self._waiting = ""
        """Why it has not, as it was told last."""

    async def run(self) -> None:
        """Until cancelled."""
        # Of what was read last: taken before it was read, so that no change in between is missed. None: of files that
        # were read before anybody looked at their marks; what they hold is read again.
        known: Marks | None = self._begin
        seen = known
        while True:
            await asyncio.sleep(self._look)
            files = self._in_force.loaded.files
            marks = marks_of(files)
            if marks != known and marks == seen:
                await self._renew()
                known = marks if self._in_force.loaded.files == files else None
            elif self._owed:
                await self._publish()
            seen = marks

    async def _renew(self) -> None:
        name = self._in_force.loaded.path.name
        try:
            new = await asyncio.to_thread(self._read)
        except ManifestError as error:
            self._refuse(f"{name} was not applied, the site runs as before", str(error))
            return
        except (ModelwrightError, OSError, UnicodeDecodeError) as error:
            self._refuse(f"{name} was not applied, the site runs as before: {error}")
            return
        except Exception as error:  # noqa: BLE001 - a defect of ours must not end the looking: the next state may be good
            self._refuse(f"{name} was not applied, the site runs as before: {error!r}")
            return
        fixed = fixed_changes(self._in_force, new)
        if fixed:
            places = ", ".join(fixed)
            self._refuse(f"{name} was not applied, for {places} changed: stop and start `modelwright up` for that")
            return
        problem = await self._site.prepare(new)
        if problem:
            self._refuse(f"{name} was not applied, the site runs as before: {problem}")
            return
        try:
            new.write(self._claim, self._site.addressed(new))
        except OSError as error:
            self._site.give_up()
            self._refuse(f"{name} was not applied, the site runs as before: {error}")
            return
        self._in_force = new
        self._site.renew(new)
        for warning in new.loaded.warnings:
            self._site.say(f"warning: {warning}")
        self._owed = True
        await self._publish()

    async def _publish(self) -> None:
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
        self._owed = False
        self._site.retire(spread.serial)
        self._site.say(told(self._in_force, confirmed=spread.confirmed, unconfirmed=spread.unconfirmed))

    def _wait_for(self, problem: str) -> None:
        if problem != self._waiting:
            self._site.say(f"the change is not at the gateways yet, it is tried again: {problem}")
        self._waiting = problem

    def _refuse(self, *lines: str) -> None:
        for line in lines:
            self._site.say(line)


def told(configuration: Configuration, *, confirmed: Sequence[str], unconfirmed: Sequence[str]) -> str:
    """What is said of a change that was applied."""
    line = f"{configuration.loaded.path.name} was applied without a restart: {', '.join(confirmed) or 'no worker yet'}"
    return f"{line}; {', '.join(unconfirmed)} will follow within a second" if unconfirmed else line


def marks_of(paths: Sequence[Path]) -> Marks:
    """What tells one state of these files from another; a file that is not there has none."""
    found: list[tuple[int, int, int] | None] = []
    for path in paths:
        try:
            stat = path.stat()
        except OSError:
            found.append(None)
        else:
            found.append((stat.st_ino, stat.st_mtime_ns, stat.st_size))
    return tuple(found)
