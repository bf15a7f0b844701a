"""What a model's source means on this machine now, as a value; nothing is looked up here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec


class Located(msgspec.Struct, frozen=True, kw_only=True):
    """A source that was found: everything that a worker needs to load it, and to see that it is what was found."""

    source: str
    """As the manifest has it."""
    path: str
    """Absolute, of the file or folder."""
    digest: str
    """`sha256:…` of the file or folder (app/artifacts/digests)."""
    version: str = ""
    """`name@version` when it came from the registry, whatever alias the source names."""
    promised: bool = False
    """Somebody said what the digest has to be: whoever loads it reads all of it once more, and compares."""
    marks: str = ""
    """Sizes, times and inodes when the digest was taken: while they are the same, nobody has changed it. Empty where
    nobody writes it, in the cache.
    """


Locate: TypeAlias = Callable[[str, str], Located]
"""(source, digest or nothing) → where it is. Blocks, perhaps for long; raises StartError and RegistryError."""
