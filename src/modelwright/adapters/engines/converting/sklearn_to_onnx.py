"""Writes a scikit-learn model as ONNX by skl2onnx, in 64 bits where every step can be, otherwise in 32."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import (
    BooleanTensorType,
    DoubleTensorType,
    FloatTensorType,
    Int64TensorType,
    StringTensorType,
)

from modelwright.adapters.engines.converting.comparing import Answers, difference
from modelwright.adapters.engines.converting.sample_rows import Column, columns_of, datatype_of, shape_of
from modelwright.adapters.engines.converting.sklearn import SavedModel
from modelwright.adapters.engines.sklearn_answers import sklearn_answers
from modelwright.core.errors.converting import CannotConvert

_TYPES = {
    "FP32": FloatTensorType,
    "FP64": DoubleTensorType,
    "INT64": Int64TensorType,
    "BOOL": BooleanTensorType,
    "BYTES": StringTensorType,
}
_OPSETS = (None, {"": 18, "ai.onnx.ml": 3})
"""The library's own choice, and an older one: some steps can be written in one of them alone."""
_GIVEN = {"tensor(float)": "FP32", "tensor(double)": "FP64", "tensor(int64)": "INT64", "tensor(string)": "BYTES"}
_OTHER = "write it by format='skops', or serve it by a class of your own"


def save(model: Any, path: Path, *, sample: Any, tolerance: float) -> SavedModel:
    """See `save_sklearn`."""
    columns = columns_of(sample)
    own = sklearn_answers(model, sample)
    problem: Exception | None = None
    for given, opset in product(_widths(columns), _OPSETS):
        try:
            content, answers, outputs = _converted(model, given, names=list(own), opset=opset)
            far = difference(own, answers, tolerance=tolerance)
        except Exception as error:  # noqa: BLE001 - skl2onnx and ONNX Runtime share no base class of errors
            problem = problem if isinstance(problem, CannotConvert) else error
            continue
        rows = len(next(iter(columns.values())))
        path.write_bytes(_with_facts(content, model, rows=rows, far=far, tolerance=tolerance))
        inputs = {name: datatype_of(array) for name, array in given.items()}
        return SavedModel(
            path=str(path),
            format="onnx",
            inputs=inputs,
            outputs=outputs,
            rows=rows,
            difference=far,
            tolerance=tolerance,
        )
    if isinstance(problem, CannotConvert):
        raise problem
    raise CannotConvert(f"{type(model).__name__} cannot be converted to ONNX: {_first_line(problem)}", hint=_OTHER)


def _widths(columns: dict[str, Column]) -> Iterator[dict[str, Column]]:
    """As it was given, and with 32 bits for 64: not every step can be computed in 64 bits in ONNX."""
    yield columns
    if any(array.dtype == np.float64 for array in columns.values()):
        yield {name: _narrow(array) for name, array in columns.items()}


def _narrow(array: Column) -> Column:
    return array.astype(np.float32) if array.dtype == np.float64 else array


def _converted(
    model: Any, given: dict[str, Column], *, names: list[str], opset: dict[str, int] | None
) -> tuple[Any, Answers, dict[str, str]]:
    """The file's content, what it says to the sample, and the datatypes of its outputs."""
    types = [(name, _TYPES[datatype_of(array)]([None, *shape_of(array)[1:]])) for name, array in given.items()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converters warn of what they use themselves
        content: Any = convert_sklearn(model, initial_types=types, options=_options(model), target_opset=opset)
    _rename(content.graph, names)
    session = onnxruntime.InferenceSession(content.SerializeToString(), providers=["CPUExecutionProvider"])
    sent = {name: array.astype(object) if array.dtype.kind == "U" else array for name, array in given.items()}
    answers: Any = dict(zip(names, session.run(names, sent), strict=True))
    return content, answers, {node.name: _GIVEN[node.type] for node in session.get_outputs()}


def _options(model: Any) -> dict[int, Any] | None:
    """Probabilities as one tensor, not as a list of maps, where the last step gives some."""
    best = getattr(model, "best_estimator_", model)
    last = best.steps[-1][1] if hasattr(best, "steps") else best
    return {id(last): {"zipmap": False}} if hasattr(last, "predict_proba") else None


def _rename(graph: Any, names: list[str]) -> None:
    """Outputs get the names that every engine here gives them; further ones are left out."""
    del graph.output[len(names) :]
    new = dict(zip((output.name for output in graph.output), names, strict=True))
    for node in graph.node:
        for ends in (node.input, node.output):
            ends[:] = [new.get(end, end) for end in ends]
    for output in graph.output:
        output.name = new[output.name]


def _with_facts(content: Any, model: Any, *, rows: int, far: float, tolerance: float) -> bytes:
    facts = {
        "modelwright.from": f"{type(model).__module__}.{type(model).__qualname__}",
        "modelwright.by": f"scikit-learn {version('scikit-learn')}, skl2onnx {version('skl2onnx')}",
        "modelwright.compared_rows": str(rows),
        "modelwright.difference": f"{far:.3g}",
        "modelwright.tolerance": f"{tolerance:g}",
    }
    for name, value in facts.items():
        content.metadata_props.add(key=name, value=value)
    return content.SerializeToString()


def _first_line(error: Exception | None) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)[:300]
