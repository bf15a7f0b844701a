"""Tensor engine: scikit-learn models in skops files, for what cannot be converted to ONNX; never a pickle.

A skops file names the types that it is made of. Those beyond skops's own list are loaded only when the manifest lists
them, and nothing is made of the file before all of them are known.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import skops.io
from threadpoolctl import threadpool_limits

from modelwright.adapters.engines.checked import one_line, only_on, only_stored_precision, options_of, unreadable
from modelwright.adapters.engines.sklearn_answers import sklearn_answers
from modelwright.adapters.engines.skops_file import check_skops
from modelwright.core.errors.calls import EngineFailed, Unprocessable
from modelwright.core.errors.starting import BadModelFile, StartError
from modelwright.core.ports.engines import Array, EngineConfig, Signature, TensorSpec

_DATATYPES = {
    "bool": "BOOL",
    "int8": "INT8",
    "uint8": "UINT8",
    "int16": "INT16",
    "uint16": "UINT16",
    "int32": "INT32",
    "uint32": "UINT32",
    "int64": "INT64",
    "uint64": "UINT64",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
    "object": "BYTES",
}
_REMEDY = "write it again by modelwright.save_sklearn(…, format='skops'), with the scikit-learn that is installed here"


class SklearnOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the manifest may say."""

    trusted: tuple[str, ...] = ()
    """Types that the file may be made of, beside those that skops knows."""
    text: bool = False
    """The model takes texts, one for each row, and no matrix."""


class SklearnEngine:
    """Input `x`, FP64 [-1, features] or BYTES [-1]; outputs: see sklearn_answers."""

    def __init__(self) -> None:
        self._model: Any = None
        self._text = False
        self._limits: threadpool_limits | None = None

    def load(self, config: EngineConfig) -> Signature:
        options = options_of(config, SklearnOptions)
        only_stored_precision(config, "scikit-learn computes in f64")
        only_on(config, ("cpu",), library="scikit-learn")
        model = _read(config, options)
        self._text = options.text
        self._limits = threadpool_limits(limits=config.threads)
        _share_threads(model, config.threads)
        trial = _trial(model, config, text=options.text)
        self._model = model
        try:
            answers = self.predict({"x": trial})
        except (EngineFailed, Unprocessable) as error:
            self._model = None
            raise _no_matrix(config, error.message) from error
        return Signature(
            inputs=(_spec("x", trial),),
            outputs=tuple(_spec(name, array) for name, array in answers.items()),
            platform="sklearn",
            precision="f64",
        )

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        model = self._model
        if model is None:
            raise EngineFailed("the model is not loaded")
        x = _texts(inputs["x"]) if self._text else inputs["x"]
        try:
            return {name: _plain(array) for name, array in sklearn_answers(model, x).items()}
        except ValueError as error:
            raise Unprocessable(f"scikit-learn refuses these values: {one_line(error)}", hint="mend them") from error
        except Exception as error:  # estimators raise what they like
            raise EngineFailed(f"scikit-learn failed: {one_line(error)}") from error

    def close(self) -> None:
        self._model = None
        if self._limits is not None:
            self._limits.restore_original_limits()
            self._limits = None


def _read(config: EngineConfig, options: SklearnOptions) -> Any:
    try:
        check_skops(Path(config.path))
        found = skops.io.get_untrusted_types(file=config.path)
        unknown = [name for name in found if name not in options.trusted]
        if not unknown:
            return skops.io.load(config.path, trusted=list(options.trusted))
    except Exception as error:  # it raises whatever the model's own types do
        raise unreadable(config, "a skops file", problem=one_line(error), remedy=_REMEDY) from error
    raise BadModelFile(
        f"{config.path} is made of types that nobody has said to trust: {', '.join(unknown)}",
        hint="look at what they are, and list those you trust: "
        f"engine: {{options: {{trusted: [{', '.join((*options.trusted, *unknown))}]}}}}",
        place=f"model {config.model}",
    )


def _share_threads(model: Any, threads: int) -> None:
    """Estimators that would start threads of their own get their share of the one budget."""
    if hasattr(model, "get_params"):
        own = [name for name in model.get_params(deep=True) if name.rpartition("__")[2] == "n_jobs"]
        model.set_params(**dict.fromkeys(own, threads))


def _trial(model: Any, config: EngineConfig, *, text: bool) -> Array:
    """One row that shows which outputs the model has."""
    if text:
        return np.array([b"text"], object)
    columns = getattr(model, "n_features_in_", None)
    if columns is None:
        raise StartError(
            f"{config.path} does not say how many features it takes",
            hint="if it takes texts, say so: engine: {options: {text: true}}",
            place=f"model {config.model}.engine.options",
        )
    return np.zeros((1, columns))


def _plain(array: Array) -> Array:
    """Texts as bytes, everything else as it is."""
    if array.dtype.kind not in "UOST":
        return array
    encoded = np.empty(array.size, object)
    encoded[:] = [str(element).encode() for element in array.ravel().tolist()]
    return encoded.reshape(array.shape)


def _texts(array: Array) -> list[str]:
    try:
        return [element.decode() for element in array.tolist()]
    except UnicodeDecodeError as error:
        problem = f"input 'x' is not valid UTF-8: {error.reason}"
        raise Unprocessable(problem, hint="send UTF-8", param="x") from None


def _spec(name: str, array: Array) -> TensorSpec:
    return TensorSpec(name=name, datatype=_DATATYPES[array.dtype.name], shape=(-1, *array.shape[1:]))


def _no_matrix(config: EngineConfig, problem: str) -> BadModelFile:
    return BadModelFile(
        f"{config.path} does not answer a row of zeros: {problem}",
        hint="a model of data frames or of several kinds of columns is served as ONNX: modelwright.save_sklearn",
        place=f"model {config.model}",
    )
