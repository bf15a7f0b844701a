"""Shapes that a model cannot take, in any order: each is the caller's fault, and good calls go on rightly."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.app.plugins import tensor_engine
from modelwright.core.errors.calls import Unprocessable
from modelwright.core.ports.engines import EngineConfig, TensorEngine
from tests.making import tflite_models
from tests.making.onnx_models import pair
from tests.making.openvino_models import converted

MODELS: dict[str, Callable[[Path], Path]] = {
    "onnxruntime": lambda folder: pair(folder / "pair.onnx"),
    "openvino": lambda folder: converted(pair(folder / "pair.onnx"), folder / "pair.xml"),
    "tflite": lambda folder: tflite_models.pair(folder / "pair.tflite"),
}
sizes = st.integers(1, 5)


@pytest.fixture(scope="module", params=MODELS)
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TensorEngine:
    made = tensor_engine(request.param)
    made.load(EngineConfig(model="m", path=str(MODELS[request.param](tmp_path_factory.mktemp("models")))))
    return made


@settings(max_examples=25, deadline=None)
@given(calls=st.lists(st.tuples(sizes, sizes, sizes, sizes), min_size=1, max_size=6))
def test_products_that_fit_are_right_and_others_are_the_callers_fault(
    engine: TensorEngine, calls: list[tuple[int, int, int, int]]
) -> None:
    for rows, inner, other, columns in calls:
        a = np.arange(rows * inner, dtype=np.float32).reshape(rows, inner)
        b = np.arange(other * columns, dtype=np.float32).reshape(other, columns)
        if inner == other:
            np.testing.assert_allclose(engine.predict({"a": a, "b": b})["y"], a @ b, rtol=1e-5)
        else:
            with pytest.raises(Unprocessable) as caught:
                engine.predict({"a": a, "b": b})
            assert "refuses these values" in caught.value.message
