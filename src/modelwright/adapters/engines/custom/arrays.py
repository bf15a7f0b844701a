"""Numpy arrays as arguments and answers of a user's method: nested lists in JSON, checked by their dtype."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

_WORDS = {"b": "boolean", "i": "integer", "u": "integer", "f": "number", "U": "string", "S": "string", "O": "string"}
_SOURCES: dict[str, str] = {"b": "b", "i": "iub", "u": "iub", "f": "fiub", "U": "U", "S": "U", "O": "U"}
"""Kinds that JSON's values may have for each kind of dtype."""


class ArrayOf:
    """Marks an argument that wants an array of a dtype, or of whatever its values are."""

    def __init__(self, dtype: np.dtype[Any] | None) -> None:
        self._dtype = dtype

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self._array)

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        word = _WORDS.get(self._dtype.kind) if self._dtype is not None else None
        items: dict[str, Any] = {"anyOf": [{"type": word}, {"type": "array"}]} if word else {}
        return {"type": "array", "items": items}

    def _array(self, value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return value
        if not isinstance(value, list):
            raise PydanticCustomError("array", "Input should be an array of values, nested as its shape is")
        try:
            found = np.array(value)
        except (ValueError, OverflowError):
            raise PydanticCustomError("ragged", "Input has rows of different lengths") from None
        wanted = self._dtype
        if wanted is None:
            if found.dtype.kind == "O":
                raise PydanticCustomError("mixed", "Input should hold numbers, booleans or strings of one kind")
            return found
        if found.size and found.dtype.kind not in _SOURCES.get(wanted.kind, found.dtype.kind):
            raise PydanticCustomError("dtype", "Input should hold values of {dtype}", {"dtype": str(wanted)})
        return _cast(value, wanted)


def array_dtype(annotation: Any) -> tuple[bool, np.dtype[Any] | None]:
    """Whether an annotation is an array, and of which dtype: `np.ndarray`, `NDArray[np.float32]`."""
    if annotation is np.ndarray:
        return True, None
    if getattr(annotation, "__origin__", None) is not np.ndarray:
        return False, None
    (kind,) = get_args(get_args(annotation)[1]) or (None,)
    try:
        return True, np.dtype(kind) if kind not in {None, Any} else None
    except TypeError:  # such as np.number, of which there are several
        return True, None


def _cast(value: list[Any], dtype: np.dtype[Any]) -> Any:
    try:
        with np.errstate(over="raise"):
            return np.array(value, dtype)
    except (OverflowError, FloatingPointError, ValueError, TypeError):
        raise PydanticCustomError("range", "Input holds a value that {dtype} cannot", {"dtype": str(dtype)}) from None
