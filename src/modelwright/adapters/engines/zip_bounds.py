"""Opens zip archives within bounds: no directory without end is listed, and nothing small becomes huge unseen."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterable
from typing import BinaryIO

MOST_MEMBERS = 50_000
"""Of one archive: files of models have some thousand at most."""
MOST_DIRECTORY = 32 << 20
"""Bytes of the list of members."""
FREE = 64 << 20
"""Bytes that any archive may become."""
RATIO = 100
"""How many times its size a larger one may become."""
_ENTRY = b"PK\x01\x02"
_BROKEN = (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, ValueError, RuntimeError, struct.error)
"""What the library raises for archives that are none, are damaged, encrypted, or of a kind that it does not know."""


class CrowdedArchive(ValueError):
    """An archive of more members than a model has."""


def open_zip(file: BinaryIO) -> zipfile.ZipFile:
    """The archive with its directory read; raises CrowdedArchive, and ValueError for what cannot be read as one."""
    bounded = _Bounded(file)
    try:
        archive = zipfile.ZipFile(bounded)
    except CrowdedArchive:
        raise
    except _BROKEN as error:
        raise ValueError(f"its directory cannot be read: {error}") from error
    bounded.lists = False
    return archive


def read_member(archive: zipfile.ZipFile, name: str, *, most: int) -> bytes:
    """The first `most` bytes of a member; raises ValueError when it cannot be read."""
    try:
        with archive.open(name) as member:
            return member.read(most)
    except (*_BROKEN, KeyError) as error:
        raise ValueError(f"its member {name[:200]!r} cannot be read: {error}") from error


def check_unpacked(archive: zipfile.ZipFile, *, size: int, reads: Iterable[str] = ()) -> None:
    """Raise ValueError when its members, and those that are read once more, become too large.

    `size` is the file's own. What a member becomes is what its directory says: the library reads no further.
    """
    sizes = {info.filename: info.file_size for info in archive.infolist()}
    total = sum(sizes.values()) + sum(sizes.get(name, 0) for name in reads)
    most = max(FREE, RATIO * size)
    for info in archive.infolist():
        if info.filename.endswith(".npz") and total <= most:
            total += _inside(archive, info)
    if total > most:
        raise ValueError(f"its {size} bytes would become {total}, at most {most} are unpacked")


def _inside(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> int:
    """Bytes that an archive within the archive becomes; 0 when it is none."""
    try:
        with open_zip(io.BytesIO(read_member(archive, info.filename, most=info.file_size))) as inner:
            return sum(member.file_size for member in inner.infolist())
    except CrowdedArchive:
        raise
    except ValueError:  # who reads it says so
        return 0


class _Bounded(io.RawIOBase):
    """A file whose directory is looked at before the library makes anything of it.

    The library reads the directory at once, and nothing else of that length; it does not believe the count of members
    that the archive states, and neither does this.
    """

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self.lists = True

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1, /) -> bytes:
        if self.lists and size > MOST_DIRECTORY:
            raise CrowdedArchive(f"its list of members has {size} bytes, at most {MOST_DIRECTORY} are read")
        found = self._file.read(size)
        if self.lists and found.count(_ENTRY) > MOST_MEMBERS:
            raise CrowdedArchive(f"it has {found.count(_ENTRY)} members, at most {MOST_MEMBERS} are listed")
        return found
