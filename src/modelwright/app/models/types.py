"""What the verbs on models take and tell."""

from __future__ import annotations

from typing import Any

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from modelwright.app.wishes import WHO
from modelwright.core.contracts.model import ModelVersion


class ModelWish(BaseModel):
    """A version to be registered; its files are in the store of blobs already."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    document: dict[str, Any] = Field(description="What it is made of (core/contracts/model.py).")
    why: str = Field(description="One line for the history.")
    who: str = Field(default="", description=WHO)


class RemoveWish(BaseModel):
    """Why a version shall go."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    why: str = Field(description="One line for the history.")
    who: str = Field(default="", description=WHO)


class ModelLine(msgspec.Struct, frozen=True, kw_only=True):
    """One model as it stands."""

    name: str
    versions: dict[str, str]
    """Digest of the file or folder by version, in the order in which they were registered."""
    aliases: dict[str, str]
    """Version by alias."""
    removed: tuple[str, ...] = ()
    """Versions that are no more."""


class ModelShown(msgspec.Struct, frozen=True, kw_only=True):
    """One version."""

    name: str
    version: str
    document: str
    """Digest of what follows."""
    aliases: tuple[str, ...]
    """What means it."""
    model: ModelVersion
