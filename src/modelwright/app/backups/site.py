"""What belongs to a backup of a site: its files, its database, and where they are put back; all in a fixed order."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from modelwright.adapters.stores.postgres_address import Address
from modelwright.adapters.stores.postgres_dump import dump
from modelwright.app.admin.store import DATABASE
from modelwright.app.backups.archive import PIECE, Member
from modelwright.app.manifest.load import database_of, sketch
from modelwright.app.settings.settings import STATE, Settings, process_environment
from modelwright.app.settings.shared_database import SharedDatabase
from modelwright.core.errors.backups import BackupError

STATE_PLACE, SQLITE, DUMP, MANIFEST_PLACE, ARTIFACTS_PLACE = "state", "database.db", "dump", "manifest", "artifacts"
MEMORY = "environment.json"
"""That of a target's environment begins with it, and that of a site has none."""
_SPOOL = "spool"
_LEFT_OUT = frozenset({"logs", "run.json", DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm"})
"""What a run makes anew, and the database, which is copied in its own way."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A site's places, whether they are there or not."""

    manifest: Path
    project: str
    environment: str
    state: Path
    artifacts: Path | None = None
    """Of the registry, where they lie outside of the state."""
    elsewhere: str = ""
    """Where they are kept that no backup holds, such as `s3://bucket`."""
    address: Address | None = field(default=None, repr=False)
    """Of a PostgreSQL; None: the database is a file."""


def place_of(manifest: Path, *, environment: str) -> Place:
    """Raises ManifestError, StartError."""
    base = manifest.absolute().parent
    found = sketch(manifest, environment=environment).manifest
    text = database_of(manifest, environment=environment)
    settings = Settings(base, environment=environment, state=base / STATE)
    address = SharedDatabase(text=text, base=base, resolve=settings.resolve, pepper=b"").address() if text else None
    at = found.store.artifacts.at
    own = at and "://" not in at and not (base / at).resolve().is_relative_to((base / STATE).resolve())
    return Place(
        manifest=manifest.absolute(),
        project=found.name,
        environment=environment,
        state=base / STATE,
        artifacts=(base / at).resolve() if own else None,
        elsewhere=at if "://" in at else "",
        address=address,
    )


def members(place: Place, *, scratch: Path) -> Iterator[Member]:
    """The spool comes before the database: what goes from one to the other meanwhile is in both, never in none."""
    yield from _below(place.state / _SPOOL, f"{STATE_PLACE}/{_SPOOL}")
    if place.address is not None:
        yield from _dumped(place.address)
    else:
        yield from _copied(place.state / DATABASE, scratch / SQLITE)
    for path in sorted(place.state.iterdir()):
        if path.name == _SPOOL or path.name in _LEFT_OUT or path.name.endswith(".lock"):
            continue
        if path.is_dir():
            yield from _below(path, f"{STATE_PLACE}/{path.name}")
        else:
            yield from _one(path, f"{STATE_PLACE}/{path.name}")
    if place.artifacts is not None:
        yield from _below(place.artifacts, ARTIFACTS_PLACE)
    yield from _one(place.manifest, f"{MANIFEST_PLACE}/{place.manifest.name}")


def _below(folder: Path, name: str) -> Iterator[Member]:
    """Every file; links lead to what is somebody else's."""
    for at, folders, files in os.walk(folder):
        folders.sort()
        for file in sorted(files):
            path = Path(at) / file
            yield from _one(path, f"{name}/{path.relative_to(folder).as_posix()}")


def _one(path: Path, name: str) -> Iterator[Member]:
    """As long as it is now: a file that grows has the rest in the next backup. One that has gone was finished with."""
    if path.is_symlink() or not path.is_file():
        return
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            yield Member(name, size, _pieces(file.fileno(), size))
    except FileNotFoundError:
        return
    except PermissionError as error:
        raise BackupError(f"{path} cannot be read: {error.strerror}", hint="let this user read it") from error


def _pieces(descriptor: int, size: int) -> Iterator[bytes]:
    at = 0
    while at < size and (piece := os.pread(descriptor, min(PIECE, size - at), at)):
        at += len(piece)
        yield piece


def _copied(database: Path, copy: Path) -> Iterator[Member]:
    """By SQLite's own online backup: whoever writes meanwhile goes on, and what is copied is of one moment."""
    if not database.is_file():
        return
    try:
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")
            faults = target.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        raise BackupError(
            f"{database} cannot be copied: {error}", hint="see that it is whole, and that there is room"
        ) from error
    if faults != "ok":
        raise BackupError(f"{database} is damaged: {faults}", hint="restore it from a backup that was made before")
    yield from _one(copy, SQLITE)


def _dumped(address: Address) -> Iterator[Member]:
    """In numbered pieces: nobody knows beforehand how long a dump will be."""
    for number, piece in enumerate(dump(address, process_environment())):
        yield Member(f"{DUMP}/{number:08}", len(piece), _only(piece))


def _only(piece: bytes) -> Iterable[bytes]:
    return (piece,)
