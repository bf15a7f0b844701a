"""One suite over every tensor engine: signature, rows, failures that leave it usable, files that are no model."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.adapters.engines.lightgbm import LightGBMEngine
from modelwright.adapters.engines.litert import LiteRtEngine
from modelwright.adapters.engines.onnxruntime import OnnxRuntimeEngine
from modelwright.adapters.engines.openvino import OpenVinoEngine
from modelwright.adapters.engines.sklearn import SklearnEngine
from modelwright.adapters.engines.torch import TorchEngine
from modelwright.adapters.engines.toy_tensor import ToyTensorEngine
from modelwright.adapters.engines.xgboost import XGBoostEngine
from modelwright.core.errors.calls import CallError, EngineFailed, Unprocessable
from modelwright.core.errors.starting import BadModelFile, StartError
from modelwright.core.ports.engines import Array, EngineConfig, Signature, TensorEngine
from modelwright.serving.v2.inputs import DTYPES
from tests.making import tflite_models
from tests.making.onnx_models import double, pick, reshape
from tests.making.openvino_models import converted
from tests.making.torch_models import Double, Pick, exported, scripted
from tests.making.trained_models import Trained, lightgbm_irises, sklearn_irises, xgboost_irises


class Family:
    """How one engine is made, what its model computes, and what makes it fail."""

    make: Callable[[], TensorEngine]
    path: Path
    """A model of four columns."""
    failing: EngineConfig
    """A model that takes `good` and fails on `bad`."""
    input: str = "x"
    good: Array
    bad: Array
    takes = ("FP32", np.dtype("<f4"))
    gives: tuple[tuple[str, str, tuple[int, ...]], ...] = (("y", "FP32", (-1, 4)), ("total", "FP32", (-1,)))
    precision = "f32"

    def config(self, path: Path | None = None, **options: object) -> EngineConfig:
        return EngineConfig(model="m", path=str(path or self.path), options=options)

    def expected(self, x: Array) -> dict[str, Array]:
        """What the model says by other means: by the library itself, or by hand."""
        return {"y": 2 * x, "total": x.sum(axis=1)}

    def near(self, name: str) -> tuple[float, float]:
        """How near an output must come to what is expected: relative and absolute tolerance."""
        return (1e-4, 1.0) if name == "total" else (1e-6, 0.0)


class Toy(Family):
    def __init__(self, folder: Path) -> None:
        self.make = ToyTensorEngine
        self.path = folder / "toy.json"
        self.path.write_bytes(msgspec.json.encode({"toy": 1, "columns": 4}))
        self.failing = self.config(poison=13.0)
        self.good, self.bad = np.ones((2, 4), np.float32), np.full((2, 4), 13, np.float32)


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


class LiteRt(Family):
    def __init__(self, folder: Path) -> None:
        self.make = LiteRtEngine
        self.path = tflite_models.double(folder / "double.tflite")
        self.failing = self.config(tflite_models.pick(folder / "pick.tflite"))
        self.input, self.good, self.bad = "index", np.array([0, 2], np.int32), np.array([0, 99], np.int32)

    def near(self, name: str) -> tuple[float, float]:
        rtol, atol = super().near(name)
        return rtol, max(atol, 1e-37)  # numbers below the smallest normal one become 0


class Classifier(Family):
    """Of irises, by a library of its own: four measures, three kinds."""

    def __init__(self, made: Trained, *, engine: Callable[[], TensorEngine], datatype: str) -> None:
        self.make = engine
        self.path = made.path
        self.failing = self.config()
        self.takes = (datatype, DTYPES[datatype])
        self.gives = (("label", "INT64", (-1,)), ("probabilities", datatype, (-1, 3)))
        self.good, self.bad = (np.ones((2, columns), self.takes[1]) for columns in (4, 3))
        self._made = made

    def expected(self, x: Array) -> dict[str, Array]:
        return {"label": self._made.labels(x), "probabilities": self._made.probabilities(x)}


class XGBoost(Classifier):
    def __init__(self, folder: Path) -> None:
        super().__init__(xgboost_irises(folder / "irises.ubj"), engine=XGBoostEngine, datatype="FP32")


class LightGBM(Classifier):
    precision = "f64"

    def __init__(self, folder: Path) -> None:
        super().__init__(lightgbm_irises(folder / "irises.txt"), engine=LightGBMEngine, datatype="FP64")


class Sklearn(Classifier):
    precision = "f64"

    def __init__(self, folder: Path) -> None:
        super().__init__(sklearn_irises(folder / "irises.skops"), engine=SklearnEngine, datatype="FP64")


class Torch(Family):
    def __init__(self, folder: Path) -> None:
        self.make = TorchEngine
        self.path = exported(Double(), (np.ones((2, 4), np.float32),), folder / "double.pt2")
        self.failing = self.config(exported(Pick(), (np.array([0, 2]),), folder / "pick.pt2"))
        self.input, self.good, self.bad = "index", np.array([0, 2]), np.array([0, 99])


class TorchScript(Family):
    def __init__(self, folder: Path) -> None:
        self.make = TorchEngine
        self.path = scripted(Double(), (np.ones((2, 4), np.float32),), folder / "double.pt")
        pick = scripted(Pick(), (np.array([0, 2]),), folder / "pick.pt")
        self.failing = EngineConfig(
            model="m", path=str(pick), options={"inputs": {"index": {"datatype": "INT64", "shape": [-1]}}}
        )
        self.input, self.good, self.bad = "index", np.array([0, 2]), np.array([0, 99])

    def config(self, path: Path | None = None, **options: object) -> EngineConfig:
        return super().config(path, inputs={"x": {"datatype": "FP32", "shape": [-1, 4]}}, **options)


FAMILIES: dict[str, Callable[[Path], Family]] = {
    "toy": Toy,
    "onnxruntime": OnnxRuntime,
    "openvino": OpenVino,
    "tflite": LiteRt,
    "xgboost": XGBoost,
    "lightgbm": LightGBM,
    "sklearn": Sklearn,
    "torch": Torch,
    "torchscript": TorchScript,
}


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


def test_signature_says_what_goes_in_and_out(family: Family, loaded: Loaded) -> None:
    _, signature = loaded
    datatype, _ = family.takes
    assert [(spec.name, spec.datatype, spec.shape) for spec in signature.inputs] == [("x", datatype, (-1, 4))]
    assert [(spec.name, spec.datatype, spec.shape) for spec in signature.outputs] == list(family.gives)
    assert signature.batches
    assert signature.platform
    assert signature.precision == family.precision


@given(matrices)
def test_every_output_comes_by_name_in_order(family: Family, loaded: Loaded, values: list[list[float]]) -> None:
    x = np.array(values, family.takes[1])
    outputs = loaded[0].predict({"x": x})
    assert list(outputs) == [name for name, _, _ in family.gives]
    for name, expected in family.expected(x).items():
        rtol, atol = family.near(name)
        np.testing.assert_allclose(outputs[name], expected, rtol=rtol, atol=atol)
    assert {name: array.dtype for name, array in outputs.items()} == {
        name: DTYPES[datatype] for name, datatype, _ in family.gives
    }


@given(matrices, matrices)
def test_rows_do_not_know_their_neighbours(
    family: Family, loaded: Loaded, first: list[list[float]], second: list[list[float]]
) -> None:
    engine, _ = loaded
    one, two = np.array(first, family.takes[1]), np.array(second, family.takes[1])
    joined = engine.predict({"x": np.concatenate([one, two])})
    apart = [engine.predict({"x": x}) for x in (one, two)]
    for name, array in joined.items():
        np.testing.assert_allclose(array, np.concatenate([outputs[name] for outputs in apart]), rtol=1e-6)


def test_inputs_are_left_as_they_are_and_may_be_read_only(family: Family, loaded: Loaded) -> None:
    data = np.arange(8, dtype=family.takes[1])
    x = np.frombuffer(data.tobytes(), data.dtype).reshape(2, 4)
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


def test_wrong_rank_is_a_call_error_too(family: Family, loaded: Loaded) -> None:
    with pytest.raises((CallError, ValueError)):
        loaded[0].predict({"x": np.ones(4, family.takes[1])})


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
    x: dict[str, Array] = {"x": np.ones((1, 4), family.takes[1])}
    with pytest.raises(EngineFailed, match="not loaded"):
        engine.predict(x)
    engine.load(family.config())
    engine.predict(x)
    engine.close()
    with pytest.raises(EngineFailed, match="not loaded"):
        engine.predict(x)
