"""Who listens on a TCP port of this machine, as far as /proc tells; it never fails, it only knows nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_LISTEN = "0A"


def holder_of(port: int, *, proc: Path = Path("/proc")) -> str:
    """`nginx (pid 12)`; empty when it cannot be found (another system, another user's process)."""
    inodes = set(_inodes(proc, port))
    if not inodes:
        return ""
    links = {f"socket:[{inode}]" for inode in inodes}
    for process in sorted(_numbered(proc)):
        if _holds(process, links):
            return f"{_program(process)} (pid {process.name})"
    return ""


def _inodes(proc: Path, port: int) -> Iterator[str]:
    for table in ("net/tcp", "net/tcp6"):
        for line in _lines(proc / table)[1:]:
            fields = line.split()
            if len(fields) > 9 and fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _numbered(proc: Path) -> list[Path]:
    try:
        return [entry for entry in proc.iterdir() if entry.name.isdigit()]
    except OSError:
        return []


def _holds(process: Path, links: set[str]) -> bool:
    try:
        return any(_link(entry) in links for entry in (process / "fd").iterdir())
    except OSError:
        return False


def _link(entry: Path) -> str:
    try:
        return os.fspath(entry.readlink())
    except OSError:
        return ""


def _program(process: Path) -> str:
    words = [word for word in "".join(_lines(process / "cmdline")).split("\0") if word]
    if any("modelwright" in word for word in words[:3]):
        return "another modelwright"
    name = "".join(_lines(process / "comm")).strip()
    return name or "a process"


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
