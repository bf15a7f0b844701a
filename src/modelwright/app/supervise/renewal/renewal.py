"""Follows the files that a run was configured by: a change is applied whole and without a restart, or refused whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

from modelwright.app.manifest.sections.models import in_versions
from modelwright.app.supervise.fleet.variables import of_models
from modelwright.app.supervise.renewal.configuration import Configuration, fixed_changes
from modelwright.app.supervise.renewal.publishing import Publishing
from modelwright.core.errors.tree import ManifestError, ModelwrightError

REGISTRY = "registry:"
"""How a source begins that the registry knows."""
LOOK = 0.5
"""Seconds between two looks at the files; a change counts when two looks have seen the same."""

Marks: TypeAlias = tuple[tuple[int, int, int] | None, ...]


class Site(Protocol):
    """The running site that is told."""

    turn: asyncio.Lock
    """Held by whoever changes which processes run models."""

    async def prepare(self, configuration: Configuration) -> str:
        """Bring up whatever models it has anew; why that cannot be done, empty when they are ready."""
        ...

    def give_up(self) -> None:
        """What was brought up shall not be used after all."""
        ...

    def renew(self, configuration: Configuration) -> None:
        """This is what it runs by from now on."""
        ...

    def say(self, line: str) -> None:
        """Something that whoever watches should read."""
        ...


class Renewal:
    """Beside one run."""

    def __init__(
        self,
        publishing: Publishing,
        *,
        read: Callable[[], Configuration],
        site: Site,
        look: float = LOOK,
    ) -> None:
        """`read` is the manifest's reading, which raises what is wrong with it; `look` the seconds between looks."""
        self._look = look
        self._begin = marks_of(publishing.in_force.loaded.files)
        self._publishing = publishing
        self._read = read
        self._site = site
        self._turn = asyncio.Lock()
        self._following: set[asyncio.Task[None]] = set()

    def follow(self, reference: str) -> None:
        """An alias of the registry, `name@alias`, leads elsewhere: take what it means now where a model has it."""
        models = in_versions(self._publishing.in_force.loaded.manifest.models).values()
        if any(model.source == f"{REGISTRY}{reference}" for model in models):
            self._follow(always=False)

    def follow_secrets(self, names: Collection[str]) -> None:
        """These secrets have other values: start the models anew whose variables they are."""
        if of_models(self._publishing.in_force.loaded.manifest) & set(names):
            self._follow(always=True)

    def _follow(self, *, always: bool) -> None:
        task = asyncio.get_running_loop().create_task(self.renew(always=always))
        self._following.add(task)
        task.add_done_callback(self._following.discard)

    async def run(self) -> None:
        """Until cancelled."""
        # Of what was read last: taken before it was read, so that no change in between is missed. None: of files that
        # were read before anybody looked at their marks; what they hold is read again.
        known: Marks | None = self._begin
        seen = known
        while True:
            await asyncio.sleep(self._look)
            files = self._publishing.in_force.loaded.files
            marks = marks_of(files)
            if marks != known and marks == seen:
                await self.renew()
                known = marks if self._publishing.in_force.loaded.files == files else None
            seen = marks

    async def renew(self, *, always: bool = True) -> None:
        """Read the files and apply what they say, or say why not; unless `always`, only when it is something else."""
        async with self._turn:
            await self._renew(always=always)

    async def _renew(self, *, always: bool) -> None:
        name = self._publishing.in_force.loaded.path.name
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
        if not always and new.release == self._publishing.in_force.release:
            return
        fixed = fixed_changes(self._publishing.in_force, new)
        if fixed:
            places = ", ".join(fixed)
            self._refuse(f"{name} was not applied, for {places} changed: stop and start `modelwright up` for that")
            return
        async with self._site.turn:
            problem = await self._take(new)
            if problem:
                self._refuse(f"{name} was not applied, the site runs as before: {problem}")
                return
            for warning in new.loaded.warnings:
                self._site.say(f"warning: {warning}")
            await self._publishing.spread()

    async def _take(self, new: Configuration) -> str:
        """Run by this configuration from now on; what is in the way."""
        problem = await self._site.prepare(new)
        if problem:
            return problem
        try:
            self._publishing.put(new)
        except OSError as error:
            self._site.give_up()
            return str(error)
        self._site.renew(new)
        return ""

    def _refuse(self, *lines: str) -> None:
        for line in lines:
            self._site.say(line)


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
