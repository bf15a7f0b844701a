"""Makes a backup of a site, also while it runs, and puts one back where nothing runs and nothing is."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import IO, Any

import msgspec

from modelwright.adapters.secrets.age import identities
from modelwright.adapters.stores.postgres_dump import is_empty, load
from modelwright.app.admin.store import DATABASE
from modelwright.app.backups.archive import PIECE, Head, read
from modelwright.app.backups.keeping import Kept, Restored, Wanted, keep_it, key_text
from modelwright.app.backups.site import (
    ARTIFACTS_PLACE,
    DUMP,
    MANIFEST_PLACE,
    MEMORY,
    SQLITE,
    STATE_PLACE,
    Place,
    members,
    place_of,
)
from modelwright.app.settings.settings import STATE, process_environment
from modelwright.app.supervise.devices.runtime import running
from modelwright.core.errors.backups import BackupDamaged, BackupError, RestoreError
from modelwright.core.errors.starting import AlreadyRunning, NotRunning

_DUMP_FILE = "dump"


def make(manifest: Path, *, environment: str, how: Wanted) -> Kept:
    """Of what `modelwright up` runs beside it. Raises ManifestError, StartError, BackupError."""
    place = place_of(manifest, environment=environment)
    if not place.state.is_dir():
        raise BackupError(f"there is no state beside {manifest}", hint="start it first: modelwright up")
    head = Head(
        project=place.project,
        environment=environment,
        at=time.time(),
        made_by=version("modelwright"),
        manifest=place.manifest.name,
        postgres=place.address is not None,
    )
    try:
        with tempfile.TemporaryDirectory(dir=place.state, prefix=".backup-") as scratch:
            left_out = _without(members(place, scratch=Path(scratch)), Path(scratch).name)
            kept = keep_it(head, left_out, how)
    except OSError as error:
        raise BackupError(f"{place.state} cannot be written to: {error.strerror}", hint="make room") from error
    return msgspec.structs.replace(kept, elsewhere=place.elsewhere)


def put_back(file: Path, manifest: Path, *, environment: str, key: Path) -> Restored:
    """Into a place where there is no state. Raises StartError, RestoreError, with all as it was before."""
    base = manifest.absolute().parent
    state = base / STATE
    _is_free(state)
    known = identities(key_text(key))
    try:
        base.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=base, prefix=f"{STATE}.restoring-"))
    except OSError as error:
        raise RestoreError(
            f"{base} cannot be written to: {error.strerror}", hint="let this user write there"
        ) from error
    try:
        taken = _Taken(scratch, file)
        head = read(file, known, into=taken.take)
        if head.target:
            raise _of_a_target(file)
        written = _put_manifest(scratch / MANIFEST_PLACE / Path(head.manifest).name, manifest)
        try:
            place = place_of(manifest, environment=environment)
            _settle(place, scratch, head)
        except BaseException:
            if written:
                manifest.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise RestoreError(f"{base} took nothing in: {error.strerror}", hint="make room, and restore again") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return Restored(
        project=head.project,
        environment=head.environment,
        at=head.at,
        files=taken.files,
        database=head.postgres or (state / DATABASE).exists(),
        manifest=written,
    )


class _Taken:
    """Puts members below a folder; names lead nowhere else."""

    def __init__(self, folder: Path, archive: Path) -> None:
        self._folder = folder
        self._archive = archive
        self.files = 0

    def take(self, name: str, content: IO[bytes]) -> None:
        """Raises RestoreError at the first one of a target's environment, before any of it lies here."""
        if name == MEMORY:
            raise _of_a_target(self._archive)
        parts = PurePosixPath(name).parts
        if not parts or ".." in parts or name.startswith("/"):
            raise BackupDamaged(f"{name!r} is no name in a backup", hint="")
        is_dump = parts[0] == DUMP and len(parts) > 1
        path = self._folder / _DUMP_FILE if is_dump else self._folder.joinpath(*parts)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if is_dump else os.O_EXCL)
        with os.fdopen(os.open(path, flags, 0o600), "wb") as out:
            while piece := content.read(PIECE):
                out.write(piece)
        self.files += 1


def _of_a_target(file: Path) -> RestoreError:
    problem = f"{file} is of an environment on a target"
    return RestoreError(problem, hint="restore it beside a manifest whose environment has a target")


def _settle(place: Place, scratch: Path, head: Head) -> None:
    """The database first, which takes all or nothing; then the state, by one rename."""
    if head.postgres != (place.address is not None):
        kept, wanted = ("PostgreSQL", "a file") if head.postgres else ("a file", "PostgreSQL")
        raise RestoreError(f"its database was {kept}, the manifest's is {wanted}", hint="restore with its own manifest")
    if place.address is not None and not is_empty(place.address, process_environment()):
        raise RestoreError(f"{place.address} holds state already", hint="name an empty database, or drop our schema")
    if place.artifacts is not None and place.artifacts.is_dir() and any(place.artifacts.iterdir()):
        raise RestoreError(f"there are artifacts already: {place.artifacts}", hint="move them away first")
    (scratch / STATE_PLACE).mkdir(mode=0o700, exist_ok=True)
    if (scratch / SQLITE).exists():
        (scratch / SQLITE).rename(scratch / STATE_PLACE / DATABASE)
    if place.address is not None:
        load(place.address, scratch / _DUMP_FILE, process_environment())
    if place.artifacts is not None and (scratch / ARTIFACTS_PLACE).exists():
        shutil.copytree(scratch / ARTIFACTS_PLACE, place.artifacts, dirs_exist_ok=True)
    if place.state.exists():
        place.state.rmdir()
    (scratch / STATE_PLACE).rename(place.state)


def _put_manifest(found: Path, manifest: Path) -> bool:
    if manifest.exists() or not found.exists():
        return False
    shutil.copyfile(found, manifest)
    return True


def _is_free(state: Path) -> None:
    try:
        pid = running(state).pid
    except NotRunning:
        if state.exists() and any(state.iterdir()):
            raise RestoreError(f"there is state already: {state}", hint="move it away first") from None
        return
    raise AlreadyRunning(f"this manifest runs (pid {pid})", hint=f"stop it first: kill {pid}")


def _without(found: Any, name: str) -> Any:
    """Our own scratch folder lies in the state, for a disk that has room for it, and is none of it."""
    return (member for member in found if not member.name.startswith(f"{STATE_PLACE}/{name}/"))
