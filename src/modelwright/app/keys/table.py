"""The file of a large set of keys: control writes it beside the database, gateway workers map it into memory."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

from modelwright.core.errors.starting import StartError
from modelwright.core.ports.stores import KeyDump
from modelwright.core.wire.key_table import KeyTable, KeyTableWriter

FOLDER = "keys"
"""In the state directory."""
_SUFFIX = ".table"


def open_table(path: Path | str) -> KeyTable:
    """Map a table; raises StartError for a file that is none."""
    try:
        with Path(path).open("rb") as file:
            return KeyTable(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))
    except (OSError, ValueError) as error:
        raise StartError(f"{path} cannot be used: {error}", hint="let control write it again") from error


def find_table(state: Path, number: int) -> Path | None:
    """The table of a number, so that it is found again after a restart; no other is to be trusted."""
    return next((state / FOLDER).glob(f"*-{_name(number)}"), None)


async def write_table(state: Path, dump: KeyDump, *, number: int) -> Path:
    """Write a table as a whole and remove the others, which stay mapped where they are in use.

    The youngest other is kept, since the snapshot in force names it until the next is written.

    Raises OSError, and ValueError when the keys are not those that were counted.
    """
    folder = state / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{dump.mark:020}-{_name(number)}"
    part = folder / f".{path.name}.{os.getpid()}"
    writer = KeyTableWriter(count=dump.count, mark=dump.mark)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(writer.head)
            async for page in dump.pages:
                file.write(writer.records(page))
            file.write(writer.rights())
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    for old in sorted((each for each in folder.glob(f"*{_SUFFIX}") if each != path), key=_written)[:-1]:
        old.unlink(missing_ok=True)
    return path


def _name(number: int) -> str:
    """How the name of its file ends, whatever the mark is: after a backup was put back the same marks come again."""
    return f"{number:016x}{_SUFFIX}"


def _written(path: Path) -> tuple[int, str]:
    return path.stat().st_mtime_ns, path.name
