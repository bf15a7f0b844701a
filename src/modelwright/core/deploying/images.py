"""Images: how one is made, and one that is there."""

from __future__ import annotations

from typing import Literal

import msgspec

Manager = Literal["pypi", "deb", "apk", "npm"]


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """How an image is made, told so that nothing about it is read off the machine that makes it."""

    name: str
    """The workload that it is for."""
    repository: str
    """What it is called, without a registry and without a tag: `support/api`."""
    version: str
    """Of the program in it; empty where nobody says."""
    project: str = ""
    """The manifest's name; empty for what is the same in all of them."""
    dockerfile: str
    ignore: str
    """Patterns of what must not get into a build, as a `.dockerignore` has them."""
    bases: tuple[str, ...]
    """The images that it starts from, as the Dockerfile names them; the last one is what it runs on. Empty: nothing."""
    folder: str = ""
    """What is copied from; empty: only `files`."""
    files: dict[str, bytes] = {}
    """Made for the build, beside what is in the folder."""
    notices: tuple[str, ...] = ()
    """What somebody should know about it."""


class Built(msgspec.Struct, frozen=True, kw_only=True):
    """An image that is there."""

    name: str
    """The workload that it is for."""
    reference: str
    """What a target is told: the image's id, or `repository@sha256:…` once it is in a registry."""
    id: str
    """`sha256:…` in the engine that has built it; empty where only the registry has it."""
    tags: tuple[str, ...]
    size: int
    """Bytes."""
    above: int
    """Bytes beyond what it starts from."""
    inputs: str
    """`sha256:…` of all that it was made from: the same, wherever that is the same."""
    bom: str = ""
    """Path of the list of what is in it (CycloneDX); empty: none was made."""
    fresh: bool = True
    """Whether it had to be built; otherwise it was there."""
    notices: tuple[str, ...] = ()


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """Where a folder stands in its repository."""

    id: str
    """Of the last commit that changed the folder: another commit elsewhere changes no image."""
    at: int
    """Unix seconds."""
    source: str = ""
    """Address of the repository, without what opens it."""
    dirty: bool = False
    """Whether there is what no commit has."""

    @property
    def revision(self) -> str:
        """The commit, and whether there is more."""
        return f"{self.id}-dirty" if self.dirty else self.id


class Part(msgspec.Struct, frozen=True, order=True, kw_only=True):
    """Something that was installed."""

    manager: Manager
    name: str
    version: str
    licence: str = ""
    """As its makers have written it."""
