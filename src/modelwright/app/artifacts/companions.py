"""Files beside a model's file that belong to it: what is loaded with it is part of its digest."""

from __future__ import annotations

from pathlib import Path

from modelwright.adapters.engines.onnx_file import read_onnx
from modelwright.app.artifacts.formats import ONNX, OPENVINO, format_of


def companions(path: Path) -> list[str]:
    """Paths relative to the folder of `path`, a file, sorted: an IR's weights, and what an ONNX file keeps elsewhere.

    Only files that are there, and below that folder: engines refuse the rest. Raises OSError.
    """
    folder = path.parent
    return sorted(name for name in _named(path) if _is_below(folder, name) and (folder / name).is_file())


def _named(path: Path) -> tuple[str, ...]:
    """What the file says that it needs, wherever that leads."""
    found = format_of(path)
    if found == OPENVINO:
        return (path.with_suffix(".bin").name,)
    if found != ONNX:
        return ()
    try:
        return tuple(read_onnx(path).external)
    except ValueError:  # cut short: the engine says so when it loads the file
        return ()


def _is_below(folder: Path, name: str) -> bool:
    try:
        return (folder / name).resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError):
        return False
