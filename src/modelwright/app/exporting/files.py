"""Writes what was rendered: nothing that somebody has changed is overwritten unless he says so."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from modelwright.core.errors.starting import StartError


def write(files: Mapping[str, bytes], folder: Path, *, force: bool) -> str:
    """Below the folder, by relative path; what was done, for a person. Raises StartError before anything is written."""
    for name, content in files.items():
        path = folder / name
        if not force and path.exists() and path.read_bytes() != content:
            raise StartError(f"{path} is there and differs", hint="move it away, or write over it with --force")
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return "\n".join(f"wrote {folder / name}" for name in files)
