"""What an environment has on this machine: one folder, and a keeper."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from modelwright.adapters.targets.kept import Look, Memory
from modelwright.adapters.targets.local.kernel import require_linux
from modelwright.adapters.targets.local.session import Session
from modelwright.core.errors.deploying import DeployError

STATE, VOLUMES, INSTANCES, EDGE = "state", "volumes", "instances", "edge"
"""In the folder: the memory, what instances share, what each finds, and what the edge shares with the keeper."""
LISTED = "listed"
"""In the folder, for monitors: which instances there are."""
FILES = "files"
"""In the memory, by their digests."""


class Environment:
    """That of one project on this machine."""

    def __init__(self, folder: Path, runtime: Path, *, env: Mapping[str, str]) -> None:
        """`runtime`: a short path to where its sockets are; `env`: of whoever deploys."""
        self.folder = folder
        self.ask = Session(folder, runtime, env=env)

    async def prepare(self) -> None:
        """Make what is not there; whoever does it at the same time does no harm. Raises DeployError."""
        require_linux()
        try:
            for folder in (self.folder, self.folder / STATE, self.folder / VOLUMES):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            hint = "let this user write there, or set XDG_STATE_HOME"
            raise DeployError(f"{error.filename} cannot be made: {error.strerror}", hint=hint) from error
        await self.ask.begin()

    def is_there(self) -> bool:
        """Whether anything was ever done here."""
        return (self.folder / STATE).is_dir()

    async def memory(self) -> Memory:
        """All that is remembered."""
        return await self.ask(Look(), Memory)

    def volume(self, name: str) -> Path:
        """Its folder."""
        return self.folder / VOLUMES / name


def program(name: str, env: Mapping[str, str]) -> str:
    """Where a program lies; empty: nowhere."""
    return shutil.which(name, path=env["PATH"]) or ""
