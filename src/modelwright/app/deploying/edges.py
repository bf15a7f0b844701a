"""Puts an edge together: what composes its configuration, what speaks to it while it runs, and what lies beside it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from modelwright.adapters.edges.files import read, write
from modelwright.adapters.edges.haproxy import HAProxyEdge
from modelwright.adapters.edges.nginx import NginxEdge
from modelwright.core.deploying.edges import Answered, Composed, Place
from modelwright.core.deploying.front import Front
from modelwright.core.errors.deploying import DeployError
from modelwright.deploy.edges import haproxy, nginx
from modelwright.deploy.edges.doors import PROOFS, Doors

CERTIFICATES = "certificates"
"""In its folder: `HOST.DIGEST.pem`, the newest of each host."""
SHOWN = "proofs"
"""In its folder: texts for an authority, by the name that it asks for."""
_FRONT = "front.json"
_LONGEST = 4096
_COMPOSERS = {"haproxy": haproxy.composed, "nginx": nginx.composed}


class StandingEdge:
    """One that remembers what it was told, so that it can be told again when what lies beside it has changed."""

    def __init__(self, folder: Path, *, kind: str, doors: Doors) -> None:
        if kind not in _COMPOSERS:
            raise DeployError(f"there is no edge of kind {kind!r}", hint="write `edge: haproxy`, or nginx")
        self._folder = folder
        self._doors = doors
        self._composer = _COMPOSERS[kind]
        self._edge = (HAProxyEdge if kind == "haproxy" else NginxEdge)(folder, self._compose)

    async def configure(self, front: Front) -> None:
        """As the port says."""
        self._compose(front, ())  # what no edge can be told is not remembered
        write(self._folder / _FRONT, msgspec.json.encode(front).decode())
        await self._edge.configure(front)

    async def open_streams(self, workload: str, release: str) -> int:
        """As the port says."""
        return await self._edge.open_streams(workload, release)

    async def seen(self, since: float) -> Sequence[Answered]:
        """As the port says."""
        return await self._edge.seen(since)

    @property
    def front(self) -> Front:
        """That it was told last."""
        return front_in(self._folder)

    async def again(self) -> None:
        """Tell it the same once more: with the certificates and proofs that lie beside it now."""
        await self._edge.configure(self.front)

    def _compose(self, front: Front, before: Sequence[Place]) -> Composed:
        doors = msgspec.structs.replace(
            self._doors,
            certificates=self._doors.certificates | certificates_in(self._folder),
            proofs=self._doors.proofs | {PROOFS + name: text for name, text in _shown(self._folder / SHOWN)},
        )
        return self._composer(front, before, doors)


def edge_in(folder: Path, *, kind: str, doors: Doors) -> StandingEdge:
    """The one that shares this folder; `doors` are as it sees them itself. Raises DeployError for an unknown kind."""
    return StandingEdge(folder, kind=kind, doors=doors)


def front_in(folder: Path) -> Front:
    """What the edge of this folder was told last; nothing, if it was told nothing."""
    text = read(folder / _FRONT)
    return msgspec.json.decode(text, type=Front) if text else Front()


def certificates_in(folder: Path) -> dict[str, str]:
    """Paths of those that were asked for, by host; of several the one that came last."""
    files = sorted(_files(folder / CERTIFICATES), key=lambda path: path.stat().st_mtime_ns)
    return {path.name.rsplit(".", 2)[0]: str(path) for path in files if path.suffix == ".pem"}


def _shown(folder: Path) -> Iterator[tuple[str, str]]:
    """(name, text). The edge writes beside it, and has no say in what is shown: no links, and no files of others."""
    try:
        within = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        for name in sorted(os.listdir(within)):  # noqa: PTH208 - a descriptor
            if not name.startswith(".") and (text := _own(name, within)):
                yield name, text
    finally:
        os.close(within)


def _own(name: str, within: int) -> str:
    try:
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=within)
    except OSError:
        return ""
    try:
        found = os.fstat(file)
        mine = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
        return os.read(file, _LONGEST).decode("ascii", "replace") if mine else ""
    finally:
        os.close(file)


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob("[!.]*")) if path.is_file()] if folder.is_dir() else []
