"""The form of a backup: a tar that age has encrypted, written and read in pieces, with digests of all that is in it.

It begins with who and when, and ends with the digests: one that was cut lacks them. `age -d -i KEY FILE | tar x` opens
it too.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import msgspec
import pyrage as library

from modelwright.core.errors.backups import BackupDamaged, BackupError, WrongKey

pyrage: Any = library
"""Compiled, and without types."""
VERSION = 1
HEAD, DIGESTS = "backup.json", "digests.json"
PIECE = 1 << 20
_SMALL = 64 << 20
"""Bytes of the two files of our own."""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """Whose it is."""

    version: int = VERSION
    project: str
    environment: str
    at: float
    """Unix seconds."""
    made_by: str
    manifest: str
    """Name of its file."""
    postgres: bool = False
    """Whether it holds a dump."""
    target: bool = False
    """Whether it is of an environment on a target; otherwise of a site beside its manifest."""
    server: int = 0
    """Major version of the PostgreSQL that a target has dumped."""


class Member(msgspec.Struct, frozen=True):
    """One file in it."""

    name: str
    size: int
    content: Iterable[bytes]
    """Exactly so many bytes, read when their turn comes."""


def write(head: Head, members: Iterable[Member], *, to: Path, recipients: list[Any]) -> int:
    """The file, whole or not at all; its size. Raises BackupError, or whatever the members raise."""
    part = to.with_name(f".{to.name}.part")
    source = _Pieces(_tar(head, members))
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            pyrage.encrypt_io(source, out, recipients)
            out.flush()
            os.fsync(descriptor)
        part.replace(to)
    except (OSError, pyrage.EncryptError) as error:
        if source.trouble is not None:
            raise source.trouble from None
        problem = getattr(error, "strerror", None) or str(error)
        raise BackupError(f"{to} cannot be written: {problem}", hint="make room, or name another place") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return to.stat().st_size


def read(file: Path, identities: list[Any], *, into: Callable[[str, IO[bytes]], None]) -> Head:
    """Hands each member to `into`, and has seen at the end that all of it is as it was written.

    Raises WrongKey, BackupDamaged, or whatever `into` raises.
    """
    inner, outer = os.pipe()
    trouble: list[BaseException] = []

    def decrypt() -> None:
        try:
            with os.fdopen(outer, "wb") as plain, file.open("rb") as encrypted:
                pyrage.decrypt_io(encrypted, plain, identities)
        except BrokenPipeError:
            pass
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            trouble.append(error)

    thread = threading.Thread(target=decrypt, daemon=True)
    thread.start()
    try:
        with os.fdopen(inner, "rb") as plain:
            head = _members(plain, into)
            while plain.read(PIECE):
                pass
    except (tarfile.TarError, msgspec.MsgspecError, EOFError, BackupDamaged) as error:
        thread.join()
        raise _told(file, trouble[0] if trouble else error) from error
    finally:
        thread.join()
    if trouble:
        raise _told(file, trouble[0]) from trouble[0]
    return head


def _members(plain: IO[bytes], into: Callable[[str, IO[bytes]], None]) -> Head:
    head: Head | None = None
    told: dict[str, str] | None = None
    seen: dict[str, str] = {}
    with tarfile.open(fileobj=plain, mode="r|") as archive:
        for info in archive:
            content = archive.extractfile(info)
            if content is None or not info.isreg() or told is not None:
                raise BackupDamaged(f"{info.name} does not belong there", hint="")
            if head is None:
                if info.name != HEAD:
                    raise BackupDamaged("it does not begin as a backup does", hint="")
                head = msgspec.json.decode(content.read(min(info.size, _SMALL)), type=Head)
            elif info.name == DIGESTS:
                told = msgspec.json.decode(content.read(min(info.size, _SMALL)), type=dict[str, str])
            else:
                summed = _Summed(content)
                into(info.name, summed)  # type: ignore[arg-type]
                seen[info.name] = summed.digest
    if head is None or told is None or told != seen:
        raise BackupDamaged("its end is missing", hint="")
    return head


def _told(file: Path, error: BaseException) -> Exception:
    if isinstance(error, FileNotFoundError):
        return BackupDamaged(f"{file} is not there", hint="name a file that `modelwright backup` has written")
    if isinstance(error, pyrage.DecryptError) and "No matching keys" in str(error):
        return WrongKey(f"{file} is encrypted for another key", hint="name the one whose recipient it was written for")
    why = error.message if isinstance(error, BackupDamaged) else "it was cut short or changed, or is no backup"
    return BackupDamaged(f"{file} is damaged: {why}", hint="take another backup; nothing was changed")


def _tar(head: Head, members: Iterable[Member]) -> Iterator[bytes]:
    digests: dict[str, str] = {}
    yield from _file(HEAD, msgspec.json.encode(head))
    for member in members:
        yield _header(member.name, member.size)
        summed, size = hashlib.sha256(), 0
        for piece in member.content:
            summed.update(piece)
            size += len(piece)
            yield piece
        if size != member.size:
            raise BackupError(f"{member.name} changed while it was read", hint="make the backup again")
        yield bytes(-size % tarfile.BLOCKSIZE)
        digests[member.name] = summed.hexdigest()
    yield from _file(DIGESTS, msgspec.json.encode(digests))
    yield bytes(2 * tarfile.BLOCKSIZE)


def _file(name: str, content: bytes) -> Iterator[bytes]:
    yield _header(name, len(content))
    yield content
    yield bytes(-len(content) % tarfile.BLOCKSIZE)


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info.tobuf(tarfile.PAX_FORMAT)


class _Pieces:
    """An iterator as a file that is read; it keeps what went wrong, which the library would put into words."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = memoryview(b"")
        self.trouble: Exception | None = None

    def read(self, most: int = -1) -> bytes:
        try:
            while not self._left:
                self._left = memoryview(next(self._pieces))
        except StopIteration:
            return b""
        except Exception as error:
            self.trouble = error
            raise
        most = len(self._left) if most < 0 else most
        taken, self._left = self._left[:most], self._left[most:]
        return bytes(taken)


class _Summed:
    """A file that is read, and its digest."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._sum = hashlib.sha256()

    def read(self, most: int = -1) -> bytes:
        piece = self._file.read(most)
        self._sum.update(piece)
        return piece

    @property
    def digest(self) -> str:
        """Of all of it, whoever read how much."""
        while self.read(PIECE):
            pass
        return self._sum.hexdigest()
