"""What an ONNX file says without a library."""

from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnxruntime.quantization import QuantType, quantize_dynamic

from modelwright.adapters.engines.onnx_file import OnnxFacts, _fields, read_onnx
from tests.making.onnx_models import beside, identity, product

TYPES = onnx.TensorProto


@pytest.mark.parametrize(("dtype", "precision"), [(np.float32, "f32"), (np.float16, "f16"), (np.float64, "f64")])
def test_precision_is_that_of_the_weights(tmp_path: Path, dtype: Any, precision: str) -> None:
    assert read_onnx(product(tmp_path / "m.onnx", dtype=dtype)) == OnnxFacts(precision)


def test_a_quantised_model_says_so(tmp_path: Path) -> None:
    quantize_dynamic(product(tmp_path / "m.onnx"), tmp_path / "q.onnx", weight_type=QuantType.QInt8)
    assert read_onnx(tmp_path / "q.onnx").precision == "int8"


def test_a_model_without_weights_is_f32(tmp_path: Path) -> None:
    assert read_onnx(identity(tmp_path / "m.onnx", TYPES.INT64)) == OnnxFacts("f32")


def test_files_with_weights_are_named_once(tmp_path: Path) -> None:
    path = beside(product(tmp_path / "product.onnx"), tmp_path / "m.onnx")
    assert read_onnx(path) == OnnxFacts("f32", ("m.onnx.data",))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_what_is_cut_short_is_no_protobuf(tmp_path: Path, share: float) -> None:
    path = product(tmp_path / "m.onnx")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(ValueError, match="longer than its message"):
        read_onnx(path)


@given(st.binary(max_size=100))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    fields = _fields(BytesIO(content), 0, len(content))
    with suppress(ValueError):
        assert all(field.number >= 0 for field in fields)
