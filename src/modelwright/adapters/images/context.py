"""What a build is given: one archive, the same wherever its files are (order, times and owners are made equal)."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath

from docker.utils.build import PatternMatcher

from modelwright.core.deploying.places import RENDERED
from modelwright.core.errors.deploying import BuildFailed

DOCKERFILE = "Dockerfile"
_TIME = 315532800
"""1980: what is older troubles some programs."""


def listed(folder: Path, ignore: str) -> list[str]:
    """Paths of files and links within the folder that the patterns leave, sorted; raises BuildFailed.

    Folders that were written for Docker Compose are left out, since they hold secrets.
    """
    patterns = [line for line in ignore.splitlines() if line.strip() and not line.startswith("#")]
    try:
        left = sorted(path for path in PatternMatcher(patterns).walk(str(folder)) if _counts(folder / path))
        without = tuple(f"{path}/" for path in _rendered(folder, left))
        return [path for path in left if not path.startswith(without)]
    except OSError as error:
        raise _unreadable(Path(error.filename or folder), error) from error


def pack(folder: Path | None, files: Mapping[str, bytes], *, ignore: str, dockerfile: str, out: Path) -> str:
    """Write the archive; the digest of what is in it. What is made for the build comes before what is in the folder.

    Raises BuildFailed for a file that cannot be read.
    """
    made = {**files, DOCKERFILE: dockerfile.encode()}
    digest = hashlib.sha256()
    with tarfile.open(out, "w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in sorted(made.items()):
            info = _info(name)
            info.size = len(content)
            digest.update(f"{name}\0{info.mode}\0{hashlib.sha256(content).hexdigest()}\n".encode())
            archive.addfile(info, io.BytesIO(content))
        for name in listed(folder, ignore) if folder else ():
            if folder and name not in made:
                digest.update(_add(archive, folder / name, name).encode())
    return "sha256:" + digest.hexdigest()


def _add(archive: tarfile.TarFile, path: Path, name: str) -> str:
    """What counts of it for the digest."""
    info = _info(name)
    try:
        if path.is_symlink():
            info.type, info.linkname = tarfile.SYMTYPE, os.readlink(path)  # noqa: PTH115 - its text, not its target
            archive.addfile(info)
            return f"{name}\0link\0{info.linkname}\n"
        if path.stat().st_mode & stat.S_IXUSR:
            info.mode = 0o755
        with path.open("rb") as file:
            info.size = os.fstat(file.fileno()).st_size
            content = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            archive.addfile(info, file)
    except OSError as error:
        raise _unreadable(path, error) from error
    return f"{name}\0{info.mode}\0{content}\n"


def _rendered(folder: Path, paths: Sequence[str]) -> Iterator[str]:
    """Folders that nothing is taken from; where it is the program's own, what is secret or heavy in it."""
    told = {(folder / path).parent for path in paths if PurePath(path).name == PurePath(RENDERED[0]).name}
    for found in sorted(place for place in told if all((place / name).is_file() for name in RENDERED)):
        here = found.relative_to(folder).as_posix()
        yield from ("secrets", "weights") if here == "." else (here,)


def _unreadable(path: Path, error: OSError) -> BuildFailed:
    hint = "let this user read it, or name it in .dockerignore"
    return BuildFailed(f"{path} cannot be read: {error.strerror}", hint=hint)


def _info(name: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.mtime = _TIME
    info.mode = 0o644
    return info


def _counts(path: Path) -> bool:
    """Folders come with what is in them; pipes and sockets cannot."""
    return path.is_symlink() or path.is_file()
