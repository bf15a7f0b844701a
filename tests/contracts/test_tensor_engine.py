"""One suite over every tensor engine: signature, rows, failures that leave it usable, files that are no model."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.adapters.engines.onnxruntime import OnnxRuntimeEngine
from modelwright.adapters.engines.openvino import OpenVinoEngine
from modelwright.adapters.engines.toy_tensor import ToyTensorEngine
from modelwright.core.errors.calls import CallError, EngineFailed, Unprocessable
from modelwright.core.errors.starting import BadModelFile, StartError
from modelwright.core.ports.engines import Array, EngineConfig, Signature, TensorEngine
from tests.making.onnx_models import double, pick, reshape
from tests.making.openvino_models import converted


class Family:
    """How one engine is made, and what makes it fail."""

    make: Callable[[], TensorEngine]
    path: Path
    """A model that computes what the toy does."""
    failing: EngineConfig
    """A model that takes `good` and fails on `bad`."""
    input: str
    good: Array
    bad: Array

    def config(self, path: Path | None = None, **options: object) -> EngineConfig:
        return EngineConfig(model="m", path=str(path or self.path), options=options)


class Toy(Family):
    def __init__(self, folder: Path) -> None:
        self.make = ToyTensorEngine
        self.path = folder / "toy.json"
        self.path.write_bytes(msgspec.json.encode({"toy": 1, "columns": 4}))
        self.failing = self.config(poison=13.0)
        self.input, self.good, self.bad = "x", np.ones((2, 4), np.float32), np.full((2, 4), 13, np.float32)


class OnnxRuntime(Family):
    def __init__(self, folder: Path) -> None:
        self.make = OnnxRuntimeEngine
        self.path = double(folder / "double.onnx")
        self.failing = self.config(pick(folder / "pick.onnx"))
        self.input, self.good, self.bad = "index", np.array([0, 2]), np.array([0, 99])


class OpenVino(Family):
    def __init__(self, folder: Path) -> None:
        self.make = OpenVinoEngine
        self.path = converted(double(folder / "double.onnx"), folder / "double.xml")
        self.failing = self.config(converted(reshape(folder / "reshape.onnx"), folder / "reshape.xml"))
        self.input, self.good, self.bad = "sizes", np.array([3, 2]), np.array([5, 2])


FAMILIES: dict[str, Callable[[Path], Family]] = {"toy": Toy, "onnxruntime": OnnxRuntime, "openvino": OpenVino}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Family:
    return FAMILIES[request.param](tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def loaded(family: Family) -> tuple[TensorEngine, Signature]:
    engine = family.make()
    return engine, engine.load(family.config())


Loaded = tuple[TensorEngine, Signature]
matrices = st.integers(1, 8).flatmap(
    lambda rows: st.lists(
        st.lists(st.floats(-1e6, 1e6, width=32), min_size=4, max_size=4), min_size=rows, max_size=rows
    )
)


def test_signature_says_what_goes_in_and_out(loaded: Loaded) -> None:
    _, signature = loaded
    assert [(spec.name, spec.datatype, spec.shape) for spec in signature.inputs] == [("x", "FP32", (-1, 4))]
    assert [(spec.name, spec.datatype, spec.shape) for spec in signature.outputs] == [
        ("y", "FP32", (-1, 4)),
        ("total", "FP32", (-1,)),
    ]
    assert signature.batches
    assert signature.platform
    assert signature.precision == "f32"


@given(matrices)
def test_every_output_comes_by_name_in_order(loaded: Loaded, values: list[list[float]]) -> None:
    x = np.array(values, np.float32)
    outputs = loaded[0].predict({"x": x})
    assert list(outputs) == ["y", "total"]
    np.testing.assert_allclose(outputs["y"], 2 * x, rtol=1e-6)
    np.testing.assert_allclose(outputs["total"], x.sum(axis=1), rtol=1e-4, atol=1)
    assert {array.dtype for array in outputs.values()} == {np.dtype("<f4")}


@given(matrices, matrices)
def test_rows_do_not_know_their_neighbours(loaded: Loaded, first: list[list[float]], second: list[list[float]]) -> None:
    engine, _ = loaded
    one, two = np.array(first, np.float32), np.array(second, np.float32)
    joined = engine.predict({"x": np.concatenate([one, two])})
    apart = [engine.predict({"x": x}) for x in (one, two)]
    for name, array in joined.items():
        np.testing.assert_allclose(array, np.concatenate([outputs[name] for outputs in apart]), rtol=1e-6)


def test_inputs_are_left_as_they_are_and_may_be_read_only(loaded: Loaded) -> None:
    data = np.arange(8, dtype=np.float32)
    x = np.frombuffer(data.tobytes(), np.float32).reshape(2, 4)
    loaded[0].predict({"x": x})
    np.testing.assert_array_equal(x.ravel(), data)


def test_failure_is_a_call_error_and_leaves_the_engine_usable(family: Family) -> None:
    engine = family.make()
    engine.load(family.failing)
    before = engine.predict({family.input: family.good})
    for _ in range(3):
        with pytest.raises(CallError) as caught:
            engine.predict({family.input: family.bad})
        assert isinstance(caught.value, EngineFailed | Unprocessable)
        assert caught.value.message
    after = engine.predict({family.input: family.good})
    for name in before:
        np.testing.assert_array_equal(after[name], before[name])


def test_wrong_rank_is_a_call_error_too(loaded: Loaded) -> None:
    with pytest.raises((CallError, ValueError)):
        loaded[0].predict({"x": np.ones(4, np.float32)})


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_truncated_file_is_named_with_a_remedy(family: Family, tmp_path: Path, share: float) -> None:
    content = family.path.read_bytes()
    broken = tmp_path / "broken.model"
    broken.write_bytes(content[: int(len(content) * share)])
    _refused(family, broken)


@pytest.mark.parametrize("content", [b"GGUF\x03\x00\x00\x00", b"PK\x03\x04", b"\x80\x04\x95", b"hello", b"\x00" * 4096])
def test_file_of_another_format_is_named_with_a_remedy(family: Family, tmp_path: Path, content: bytes) -> None:
    broken = tmp_path / "other.model"
    broken.write_bytes(content)
    _refused(family, broken)


def test_missing_file_is_named_with_a_remedy(family: Family, tmp_path: Path) -> None:
    _refused(family, tmp_path / "none.model")


def _refused(family: Family, path: Path) -> None:
    with pytest.raises(BadModelFile) as caught:
        family.make().load(family.config(path))
    assert str(path) in str(caught.value)
    assert caught.value.hint
    assert caught.value.place == "model m"


def test_unknown_option_is_refused_with_the_known_ones(family: Family) -> None:
    with pytest.raises(StartError, match="speling"):
        family.make().load(family.config(speling=1))


def test_engine_that_is_not_loaded_or_closed_says_so(family: Family) -> None:
    engine = family.make()
    x: dict[str, Array] = {"x": np.ones((1, 4), np.float32)}
    with pytest.raises(EngineFailed, match="not loaded"):
        engine.predict(x)
    engine.load(family.config())
    engine.predict(x)
    engine.close()
    with pytest.raises(EngineFailed, match="not loaded"):
        engine.predict(x)
