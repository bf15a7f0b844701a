"""What a pipeline is made of, whatever the build server: programs to check, environments to deploy to."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["uv", "poetry", "pip", "npm", "other"]
"""How a program's dependencies are installed; `other`: it brings a Dockerfile, and its checks are its author's."""
Types = Literal["pyright", "mypy"]


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """One program of the user's."""

    name: str
    folder: str
    """From the root of the repository; `.` is the root."""
    kind: Kind
    runtime: str
    """Version of Python or Node, as `3.13`."""
    listed: bool = True
    """pip: whether its dependencies stand in requirements.txt; otherwise they are those of the project itself."""
    types: Types = "pyright"
    """Which checks Python's types, by what the program is set up for."""


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One environment that is deployed to, in the order in which a commit gets there."""

    name: str
    secrets: tuple[str, ...] = ()
    """Names that the manifest mentions for it."""
    ssh: bool = False
    """Whether its hosts are reached by SSH."""


class Pipeline(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, for one manifest."""

    project: str
    manifest: str
    """From the root of the repository."""
    requirement: str
    """What pip is told to install, as `modelwright[deploy]==1.2.3`."""
    programs: tuple[Program, ...] = ()
    stages: tuple[Stage, ...] = ()
    registry: str = ""
    """Where images are kept, as `ghcr.io/company`; empty: each deploy builds them and streams them to its hosts."""
    branch: str = "main"
    """Whose commits are deployed."""
