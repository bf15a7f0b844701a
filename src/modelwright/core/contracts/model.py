"""Contract: the document of a model's version, version 1; its digest names the version, and it names the files.

It says what the version is made of and where it came from. Who registered it, when and why stands in the history.
"""

from __future__ import annotations

import msgspec

from modelwright.core.ports.engines import TensorSpec

MODEL_VERSION = 1


class ModelFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file."""

    path: str
    """Relative, with `/`; a single file's own name."""
    digest: str
    size: int


class Tensors(msgspec.Struct, frozen=True, kw_only=True):
    """What a tensor model takes and gives, as its engine read it."""

    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()


class Lineage(msgspec.Struct, frozen=True, kw_only=True):
    """Where a version came from; what nobody told is empty."""

    parent: str = ""
    """`name@version` that it was made of."""
    recipe: str = ""
    """How."""
    data: str = ""
    """Digest of the data."""
    machine: str = ""
    libraries: dict[str, str] = {}
    """Version by name."""


class ModelVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a model."""

    v: int = MODEL_VERSION
    digest: str
    """Of the file, or of the folder (app/artifacts/digests)."""
    name: str
    """What the file or folder is called."""
    folder: bool = False
    main: str = ""
    """Of a folder that is a model's file with its companions: that file."""
    files: tuple[ModelFile, ...]
    format: str = ""
    """As app/artifacts/formats names it; empty when it is none of these."""
    signature: Tensors | None = None
    """None when it could not be read."""
    licence: str = ""
    source: str = ""
    metrics: dict[str, float] = {}
    lineage: Lineage = Lineage()
    tags: dict[str, str] = {}

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)
