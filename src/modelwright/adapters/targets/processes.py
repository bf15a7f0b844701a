"""What a keeper of plain processes is asked, and how it describes them; other keepers have none."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from modelwright.adapters.targets.kept import Asking, Change


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """A program, and how it is started: the same description is the same process, again and again."""

    name: str
    workload: str
    release: str = ""
    index: str = "0"
    digest: str = ""
    """That it is known by."""
    peers: dict[str, str] = {}
    command: tuple[str, ...]
    """With `$PORT` for what `ports` names."""
    env: dict[str, str] = {}
    secrets: dict[str, str] = {}
    """By variable: a file with its value, which is read whenever it is started."""
    fills: dict[str, str] = {}
    """What stands in a command and in variables for something that only this machine knows, and what that is."""
    ports: tuple[str, ...] = ()
    """Variables that have a free port each, as long as there is a process of the name; it answers at the first."""
    address: str = ""
    """Where it answers, when it has no such port."""
    files: dict[str, str] = {}
    """What it finds in its folder: paths there, and of what they are another name."""
    folder: str = ""
    """Where it is started; empty: in its own."""
    grace: float = 30.0
    once: bool = False
    """It is to come to an end."""


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A process, as it is."""

    process: Process
    ports: dict[str, int] = {}
    pid: int = 0
    """0: it does not run, and is started again in a moment unless it was to be run once."""
    started: str = ""
    """When, in the kernel's own words: another process by the same pid has other ones."""
    restarts: int = 0
    status: int | None = None
    """With which it ended last."""

    @property
    def address(self) -> str:
        """Empty: it does not listen."""
        port = self.ports.get(self.process.ports[0]) if self.process.ports else None
        return f"127.0.0.1:{port}" if port else self.process.address


class Begin(Change, frozen=True, kw_only=True):
    """One that runs by just this description; another one of the name is gone."""

    process: Process


class End(Change, frozen=True, kw_only=True):
    """It is gone."""

    name: str
    grace: float


class Processes(Asking, frozen=True, kw_only=True):
    """All that there are."""


class Said(Asking, frozen=True, kw_only=True):
    """The last lines of what a process has logged."""

    name: str
    lines: int = 20


OfProcesses: TypeAlias = Begin | End | Processes | Said
