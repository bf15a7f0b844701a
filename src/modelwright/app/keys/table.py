"""The file of a large set of keys: control writes it beside the database, gateway workers map it into memory."""

from __future__ import annotations

import mmap
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from modelwright.core.contracts.snapshot import Key
from modelwright.core.errors import StartError
from modelwright.core.wire.key_table import KeyTable, KeyTableWriter

FOLDER = "keys"
"""In the state directory."""
_SUFFIX = ".table"
_KEPT = 2
"""Tables: the snapshot in force names the one before until the next is written."""


def open_table(path: Path | str) -> KeyTable:
    """Map a table; raises StartError for a file that is none."""
    try:
        with Path(path).open("rb") as file:
            return KeyTable(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))
    except (OSError, ValueError) as error:
        raise StartError(f"{path} cannot be used: {error}", hint="let control write it again") from error


def newest_table(state: Path) -> Path | None:
    """The table that was written last; its name is the mark of the store, so that it is found again after a restart."""
    found = sorted((state / FOLDER).glob(f"*{_SUFFIX}"))
    return found[-1] if found else None


async def write_table(state: Path, *, mark: int, count: int, pages: AsyncIterator[Sequence[Key]]) -> Path:
    """Write a table as a whole and remove the oldest, which stay mapped where they are in use.

    Raises OSError, and ValueError when the keys are not those that were counted.
    """
    folder = state / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{mark:020}{_SUFFIX}"
    part = folder / f".{path.name}.{os.getpid()}"
    writer = KeyTableWriter(count=count, mark=mark)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(writer.head)
            async for page in pages:
                file.write(writer.records(page))
            file.write(writer.rights())
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    for old in sorted(folder.glob(f"*{_SUFFIX}"))[:-_KEPT]:
        old.unlink(missing_ok=True)
    return path
