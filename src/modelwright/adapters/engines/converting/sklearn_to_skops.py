"""Writes a scikit-learn model as a skops file: no pickle, and loaded only with types that somebody has listed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import skops.io

from modelwright.adapters.engines.converting.comparing import difference
from modelwright.adapters.engines.converting.sample_rows import columns_of, datatype_of
from modelwright.adapters.engines.converting.sklearn import SavedModel
from modelwright.adapters.engines.sklearn_answers import sklearn_answers
from modelwright.core.errors.converting import CannotConvert

_NUMBERS = {"f": "FP64", "i": "INT64", "u": "INT64", "b": "BOOL"}


def save(model: Any, path: Path, *, sample: Any, tolerance: float) -> SavedModel:
    """See `save_sklearn`; its types are trusted here, since the model is there already."""
    columns = columns_of(sample)
    if set(columns) != {"x"}:
        raise CannotConvert(
            "a skops file is served with one matrix, and the sample is a data frame",
            hint="fit the model to a matrix, or convert it to ONNX, where every column is an input",
        )
    own = sklearn_answers(model, sample)
    try:
        skops.io.dump(model, path)
        trusted = skops.io.get_untrusted_types(file=path)
        written = sklearn_answers(skops.io.load(path, trusted=trusted), sample)
    except Exception as error:  # it raises whatever the model's own types do
        path.unlink(missing_ok=True)
        words = " ".join(str(error).split())[:300]
        raise CannotConvert(
            f"{type(model).__name__} cannot be written by skops: {words}", hint="serve it by a class of your own"
        ) from error
    far = difference(own, written, tolerance=tolerance)
    given = datatype_of(columns["x"])
    return SavedModel(
        path=str(path),
        format="skops",
        inputs={"x": given if given == "BYTES" else "FP64"},
        outputs={name: _NUMBERS.get(array.dtype.kind, "BYTES") for name, array in own.items()},
        rows=len(columns["x"]),
        difference=far,
        tolerance=tolerance,
        trusted=tuple(trusted),
    )
