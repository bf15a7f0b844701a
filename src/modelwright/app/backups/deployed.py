"""Makes a backup of an environment on a target, from wherever the target can be reached, and puts one back there.

A dump goes from the database's own container into the file, encrypted on the way, and back: nothing of it is held
whole, and nothing of it ever lies on a disk in clear.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import IO, Any

import msgspec

from modelwright.adapters.secrets.age import identities
from modelwright.app.backups.archive import PIECE, Head, Member, read
from modelwright.app.backups.keeping import Kept, Restored, Wanted, keep_it, key_text
from modelwright.app.backups.site import DUMP, MANIFEST_PLACE, MEMORY
from modelwright.app.deploying.reach import TARGETS, Lasting, Reach, Reached, Site, reach_of, site_of
from modelwright.app.deploying.supplies import Describe, Supplies
from modelwright.app.manifest.load import deploying_of
from modelwright.app.system import SystemClock
from modelwright.core.deploying.journal import Entry
from modelwright.core.deploying.observed import Observed, Served
from modelwright.core.deploying.trials import Rise
from modelwright.core.deploying.workloads import Desired
from modelwright.core.errors.backups import BackupError, RestoreError
from modelwright.core.errors.deploying import LeaseHeld, Undone
from modelwright.core.ports.deploying.data import Data, Database
from modelwright.core.words.counting import count_of
from modelwright.deploy.carrying import Author, Carrier
from modelwright.deploy.foundations import foundations
from modelwright.deploy.planning import planned
from modelwright.deploy.releases import name_of

POSTGRES = "postgres"
"""The service whose data are kept."""
_SMALL = 64 << 20
_MAJOR, _NEWEST = re.compile(r":(?:pg)?(\d+)"), 1000
_OTHER_SALT = (
    "this environment has passwords and keys of its own: API keys that were made in the other one do not open it,"
    " unless both have the same MODELWRIGHT_PEPPER"
)


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """What a target remembers of an environment, but for the contents of its files."""

    salt: str
    current: str
    releases: dict[str, Desired]
    history: tuple[Served, ...]


def is_deployed(manifest: Path, *, environment: str) -> bool:
    """Whether this environment is on a target. Raises ManifestError."""
    _, found = deploying_of(manifest, environment=environment)
    target = found.targets.get(found.target)
    return target is not None and target.kind in TARGETS


async def make(manifest: Path, *, environment: str, how: Wanted) -> Kept:
    """Of what runs on the environment's target. Raises ManifestError, BackupError, DeployError."""
    site = site_of(manifest, environment=environment)
    async with reach_of(site)(site, _Nothing()) as reached:
        lasting = _lasting(reached, site)
        observer = reached.target.observer
        observed = await observer.observe()
        if not observed.salt:
            raise BackupError(f"nothing was deployed to {environment}", hint=f"modelwright deploy --env {environment}")
        history = tuple(await observer.history())
        return await lasting.with_data(lambda data: _kept(site, observed, history, data=data, how=how))


async def put_back(
    file: Path,
    manifest: Path,
    *,
    environment: str,
    key: Path,
    overwrite: bool,
    describe: Describe,
    author: Author,
    tell: Callable[[Entry | LeaseHeld], None],
    targets: dict[str, Reach] | None = None,
) -> Restored:
    """Into an environment that was never deployed, or whose database is empty, or may lose what it holds.

    `describe` is asked where nothing serves yet, so that the database can be started. Raises ManifestError,
    RestoreError, DeployError; what the database holds stays then.
    """
    known = identities(key_text(key))
    looked = _Looked()
    head = read(file, known, into=looked.take)
    memory = _memory(file, head, looked)
    site = site_of(manifest, environment=environment)
    supplies = Supplies(describe)
    async with reach_of(site, targets or TARGETS)(site, supplies) as reached:
        lasting, notes = _lasting(reached, site), list[str]()
        carrier = Carrier(reached.target, author, clock=SystemClock(), tell=tell)
        supplies.salted_by(lasting.salt)
        if not (await reached.target.observer.observe()).current:
            described = (await supplies.described()).desired
            if head.postgres:
                check(head, to_come(described), project=site.project, environment=site.environment, overwrite=False)
            await _begin(lasting, supplies, carrier, salt=memory.salt)
            notes.append(
                f"services run with their data; the rest is started by: modelwright deploy --env {site.environment}"
            )
        elif await lasting.salt() != memory.salt:
            notes.append(_OTHER_SALT)
        if head.postgres:
            async with carrier.alone():
                await lasting.with_data(
                    lambda data: _load(file, known, head, data=data, site=site, overwrite=overwrite)
                )
    return Restored(
        project=head.project,
        environment=head.environment,
        at=head.at,
        files=looked.files,
        database=head.postgres,
        manifest=False,
        notes=tuple(notes),
    )


def check(head: Head, database: Database | None, *, project: str, environment: str, overwrite: bool) -> None:
    """Whether a dump may be put back there. Raises RestoreError."""
    if database is None:
        hint = "keep `services.postgres` in the manifest, and deploy"
        raise RestoreError(f"no PostgreSQL of the target's own runs in {environment}", hint=hint)
    if head.server > database.version:
        problem = f"the dump is of PostgreSQL {head.server}, and that of {environment} is {database.version}"
        hint = f'write `version: "{head.server}"` under services.postgres, and restore where nothing was ever deployed'
        raise RestoreError(problem, hint=hint)
    if database.tables and not overwrite:
        problem = f"the database of {environment} holds {count_of(database.tables, 'table')} already"
        raise RestoreError(problem, hint="restore into another environment, or lose what it holds: --overwrite")
    if database.tables and head.project != project:
        problem = f"the backup is of the project {head.project}, and {environment} is of {project}"
        raise RestoreError(problem, hint="name a backup of this project; another's goes into an empty database only")


def to_come(desired: Desired) -> Database | None:
    """The database as it will be when it is first started, by the tag of its image; as new as can be without one."""
    image = next((work.image for work in desired.workloads if work.name == POSTGRES), None)
    if image is None:
        return None
    major = _MAJOR.search(image.rpartition("/")[2])
    return Database(version=int(major[1]) if major else _NEWEST, tables=0)


def _kept(site: Site, observed: Observed, history: tuple[Served, ...], *, data: Data, how: Wanted) -> Kept:
    """In a thread."""
    database = data.look(POSTGRES)
    head = Head(
        project=site.project,
        environment=site.environment,
        at=time.time(),
        made_by=version("modelwright"),
        manifest=site.manifest.name,
        postgres=database is not None,
        target=True,
        server=database.version if database is not None else 0,
    )
    services = {work.name for one in observed.releases for work in one.desired.workloads if work.kind == "service"}
    if database is None and POSTGRES in services:
        hint = f"`modelwright releases --env {site.environment}` says how it stands"
        raise BackupError(f"{POSTGRES} does not run in {site.environment}", hint=hint)
    kept = keep_it(head, _members(site, observed, history, data=data, dumped=head.postgres), how)
    return msgspec.structs.replace(kept, left_out=tuple(sorted(services - {POSTGRES})))


def _members(
    site: Site, observed: Observed, history: tuple[Served, ...], *, data: Data, dumped: bool
) -> Iterator[Member]:
    memory = Memory(
        salt=observed.salt,
        current=observed.current,
        releases={one.name: one.desired for one in observed.releases},
        history=history,
    )
    yield _whole(MEMORY, msgspec.json.encode(memory))
    yield _whole(f"{MANIFEST_PLACE}/{site.manifest.name}", site.manifest.read_bytes())
    for number, piece in enumerate(data.dump(POSTGRES) if dumped else ()):
        yield _whole(f"{DUMP}/{number:08}", piece)


def _whole(name: str, content: bytes) -> Member:
    return Member(name, len(content), (content,))


class _Looked:
    """What is small in a backup; the rest was read, and is as it was written."""

    def __init__(self) -> None:
        self.memory = b""
        self.files = 0

    def take(self, name: str, content: IO[bytes]) -> None:
        self.files += 1
        if name == MEMORY:
            self.memory = content.read(_SMALL)


def _memory(file: Path, head: Head, looked: _Looked) -> Memory:
    if not head.target:
        problem = f"{file} is of a site, and this environment is on a target"
        raise RestoreError(problem, hint="restore it beside a manifest whose environment has none")
    return msgspec.json.decode(looked.memory, type=Memory)


async def _begin(lasting: Lasting, supplies: Supplies, carrier: Carrier, *, salt: str) -> None:
    """With the salt of before, so that keys stay what they are; then services run, and nothing that uses them."""
    await lasting.prepare((await supplies.described()).keeper)
    if await lasting.salt() != salt:
        await lasting.adopt(salt)
    desired = (await supplies.described()).desired
    observed = await lasting.target.observer.observe()
    plan = foundations(planned(desired, observed, release=name_of(desired, observed), rise=Rise()), desired)
    if plan.steps and await carrier.deploy(plan) == "undone":
        raise Undone("the services could not be started, and it was undone", hint="mend that, and restore again")


def _load(file: Path, known: list[Any], head: Head, *, data: Data, site: Site, overwrite: bool) -> None:
    """In a thread. Raises RestoreError."""
    database = data.look(POSTGRES)
    check(head, database, project=site.project, environment=site.environment, overwrite=overwrite)

    def pour(take: Callable[[bytes], None]) -> None:
        def into(name: str, content: IO[bytes]) -> None:
            while PurePosixPath(name).parts[0] == DUMP and (piece := content.read(PIECE)):
                take(piece)

        read(file, known, into=into)

    data.load(POSTGRES, pour)


def _lasting(reached: Reached, site: Site) -> Lasting:
    if not isinstance(reached, Lasting):
        hint = "back up the folders that it names, and its database, by their own means"
        raise BackupError(f"a target of kind {site.target.kind} cannot be kept so", hint=hint)
    return reached


class _Nothing:
    """Contents for whoever only looks."""

    async def read(self, digest: str) -> AsyncIterator[bytes]:
        for piece in ():
            yield piece
