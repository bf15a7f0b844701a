"""Where a folder stands in git, when it stands in it at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from modelwright.adapters.images.program import run
from modelwright.core.deploying.images import Commit

PATIENCE = 20.0


async def standing(folder: Path, *, env: Mapping[str, str]) -> Commit | None:
    """None where there is no git, no repository, or no commit of the folder."""
    last = await _git(folder, "log", "-1", "--format=%H %ct", "--", ".", env=env)
    if not last:
        return None
    commit, at = last.split()
    changed = await _git(folder, "status", "--porcelain", "--", ".", env=env)
    source = await _git(folder, "config", "--get", "remote.origin.url", env=env)
    return Commit(id=commit, at=int(at), source=public(source), dirty=bool(changed))


def public(address: str) -> str:
    """The address without a password in it; empty for a path of this machine."""
    parts = urlsplit(address)
    if parts.scheme in {"http", "https"} and parts.hostname:
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    if parts.scheme == "ssh" and parts.hostname:
        user = f"{parts.username}@" if parts.username else ""
        return urlunsplit(("ssh", user + parts.netloc.rpartition("@")[2], parts.path, "", ""))
    return address if not parts.scheme and "@" in address and ":" in address else ""


async def _git(folder: Path, *words: str, env: Mapping[str, str]) -> str:
    try:
        ended = await run(("git", "-C", str(folder), *words), env=env, seconds=PATIENCE)
    except (OSError, TimeoutError):
        return ""
    return ended.out.decode("utf-8", "replace").strip() if ended.status == 0 else ""
