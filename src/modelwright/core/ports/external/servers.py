"""Ports: language models that an engine's own server runs, beside ours; how it is started is a value."""

from __future__ import annotations

from typing import Protocol

import msgspec

from modelwright.core.ports.engines import EngineConfig


class MetricNames(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine calls what we tell; empty: it does not tell it."""

    running: str = ""
    waiting: str = ""
    cache: str = ""
    """Share of the key-value cache in use, 0 to 1."""
    tokens_in: str = ""
    tokens_out: str = ""


class ServerPlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where an engine's server lives, and what it shall let through."""

    port: int
    """On the loopback address."""
    key: str
    """What it shall ask of whoever calls it, where it can."""
    folder: str
    """A folder for what it keeps."""
    grace: float
    """Seconds that its last answers may take."""


class ServerPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How an engine's own server is started, prepared and asked."""

    command: tuple[str, ...]
    env: dict[str, str] = {}
    """Beside our own."""
    prepare: tuple[tuple[str, ...], ...] = ()
    """Commands that are run once it lives, in the same environment."""
    files: dict[str, str] = {}
    """Small files that it or a command reads, by their name in the place's folder."""
    folder: str = ""
    """Where they go."""
    alive: str
    """A path that answers 200 while it lives; that weights are loaded is told by an answer alone."""
    model: str
    """What it calls the model."""
    metrics: str = ""
    """The path of its metrics; empty: it has none."""
    names: MetricNames = MetricNames()
    key: str = ""
    """The bearer token that it wants."""


class ServerProcess(Protocol):
    """The process of an engine's server; it ends with whoever started it, however that ends."""

    async def start(self, plan: ServerPlan) -> None:
        """Start it; raises StartError when there is no such program."""
        ...

    async def run(self, plan: ServerPlan, command: tuple[str, ...]) -> None:
        """One of the plan's other commands, to its end; raises EngineEnded when that fails."""
        ...

    async def ended(self) -> str:
        """Wait for its end; how it ended, and its last words."""
        ...

    async def stop(self) -> None:
        """Ask it to end, wait for its grace, and see to it that nothing of it is left."""
        ...


class PlanServer(Protocol):
    """One kind of engine: from what the manifest says to how its server is started."""

    def __call__(self, config: EngineConfig, place: ServerPlace) -> ServerPlan: ...
