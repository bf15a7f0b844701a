"""Rows as a scikit-learn model takes them: what their columns are called on the wire, and their datatypes."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from modelwright.core.errors.converting import CannotConvert

Column = NDArray[Any]
_DATATYPES = {"f": "FP64", "i": "INT64", "u": "INT64", "b": "BOOL", "U": "BYTES", "O": "BYTES", "T": "BYTES"}


def columns_of(sample: Any) -> dict[str, Column]:
    """The inputs of a sample by name: `x` for a matrix or for texts, one for each column of a data frame.

    Raises CannotConvert for what is no sample.
    """
    if hasattr(sample, "columns") and hasattr(sample, "iloc"):
        found = {str(name): _plain(sample[name].to_numpy()).reshape(-1, 1) for name in sample.columns}
    else:
        found = {"x": _plain(np.asarray(sample))}
    if any(array.ndim not in {1, 2} or not len(array) for array in found.values()) or not found:
        raise CannotConvert("the sample holds no rows", hint="give some rows as the model takes them")
    return found


def datatype_of(array: Column) -> str:
    """Its V2 name."""
    if array.dtype == np.float32:
        return "FP32"
    return _DATATYPES[array.dtype.kind]


def shape_of(array: Column) -> list[int]:
    """Of one row after the other: the first dimension is the batch."""
    return [-1, *array.shape[1:]]


def first_request(sample: Any, inputs: dict[str, str]) -> bytes:
    """A JSON request of the sample's first row, for these inputs and their datatypes."""
    rows = {name: array[:1] for name, array in columns_of(sample).items()}
    return msgspec.json.encode(
        {
            "inputs": [
                {"name": name, "datatype": datatype, "shape": list(rows[name].shape), "data": rows[name].tolist()}
                for name, datatype in inputs.items()
            ]
        }
    )


def _plain(array: Column) -> Column:
    """Without a data frame's own kinds of elements."""
    if array.dtype.kind not in _DATATYPES:
        array = array.astype(object)
    if array.dtype.kind == "O":
        elements = array.ravel().tolist()
        if all(isinstance(element, str) for element in elements):
            return array.astype(str)
        if any(not isinstance(element, int | float) for element in elements):
            raise CannotConvert(
                "the sample holds other things than numbers and texts", hint="fill in what is missing, and convert it"
            )
        return array.astype(np.float64)
    return array.astype(np.int64) if array.dtype.kind in "iu" else array
