"""Writes a scikit-learn model for serving: as ONNX, or as a skops file where it cannot be; its answers are compared.

For programs that train: `modelwright.save_sklearn(model, "churn.onnx", sample=x_test)`. It reads no pickle.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import msgspec

from modelwright.core.errors.starting import MissingExtra

_LIBRARIES = {"onnx": ("sklearn", "numpy", "skl2onnx", "onnxruntime"), "skops": ("sklearn", "numpy", "skops")}
_WAYS = {"onnx": "sklearn_to_onnx", "skops": "sklearn_to_skops"}


class SavedModel(msgspec.Struct, frozen=True, kw_only=True):
    """What was written, and how near its answers come to the model's own."""

    path: str
    format: str
    """onnx | skops"""
    inputs: dict[str, str]
    """Datatype of each input, as clients send it."""
    outputs: dict[str, str]
    rows: int
    """Of the sample that was compared."""
    difference: float
    """The largest one, relative to answers above 1."""
    tolerance: float
    """What was allowed."""
    trusted: tuple[str, ...] = ()
    """skops: types that the manifest has to list under `engine.options.trusted`."""


def save_sklearn(
    model: Any,
    path: str | Path,
    *,
    sample: Any,
    tolerance: float = 1e-5,
    format: Literal["onnx", "skops"] = "onnx",  # noqa: A002 - the word that everybody uses for it
    check: str | Path | None = None,
) -> SavedModel:
    """Write a fitted model or pipeline to `path`, unless it would answer otherwise there.

    `sample` is some rows as the model takes them: a matrix, a data frame (each column becomes an input of its own), or
    a list of texts. The written model answers the sample, and no answer may differ by more than `tolerance` (relative
    to answers above 1). `check` names a file that gets the sample's first row as a request, for the manifest's `check`.

    Raises CannotConvert with the way out, or MissingExtra.
    """
    _require(_LIBRARIES[format])
    way = import_module(f"modelwright.adapters.engines.converting.{_WAYS[format]}")
    saved: SavedModel = way.save(model, Path(path), sample=sample, tolerance=tolerance)
    if check is not None:
        first = import_module("modelwright.adapters.engines.converting.sample_rows").first_request(sample, saved.inputs)
        Path(check).write_bytes(first)
    return saved


def _require(libraries: Sequence[str]) -> None:
    missing = [name for name in libraries if find_spec(name) is None]
    if missing:
        raise MissingExtra(
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed",
            hint="pip install 'modelwright[sklearn]'",
        )
