"""PyTorch programs: what archives say of themselves, what of them would run code, precision, declared shapes."""

import io
import json
import pickle
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelwright.adapters.engines.torch import TorchEngine
from modelwright.app.artifacts.formats import PT2, TORCH_CHECKPOINT, TORCHSCRIPT, format_of
from modelwright.core.errors.calls import Unprocessable
from modelwright.core.errors.starting import BadModelFile, StartError
from modelwright.core.ports.engines import EngineConfig
from tests.making.torch_models import Double, exported, scripted

torch: Any = import_module("torch")

X = np.arange(8, dtype=np.float32).reshape(2, 4)


class Wide(torch.nn.Module):
    """Weights, two inputs of different kinds, and a tuple of two."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 3)

    def forward(self, x, scale):
        return self.layer(x) * scale.unsqueeze(1), scale.argmax()


class Guarded(torch.nn.Module):
    """Fits even numbers of rows alone."""

    def forward(self, x):
        return x + 1 if x.shape[0] % 2 == 0 else x


class Writing(torch.nn.Module):
    """Writes into its input."""

    def forward(self, x):
        return x.mul_(2)


def config(path: Path, *, check: str = "", precision: str = "f32", **options: object) -> EngineConfig:
    return EngineConfig(model="m", path=str(path), check=check, precision=precision, options=options)


def changed(path: Path, change: Callable[[str, bytes], bytes]) -> Path:
    """The archive with other content of its members."""
    with zipfile.ZipFile(path) as archive:
        members = {name: change(name, archive.read(name)) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


class Bomb:
    """Tells when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> Any:
        return (Path.touch, (self._mark,))


def test_the_three_kinds_of_archives_are_told_apart(tmp_path: Path) -> None:
    assert format_of(exported(Double(), (X,), tmp_path / "a")) == PT2
    assert format_of(scripted(Double(), (X,), tmp_path / "b")) == TORCHSCRIPT
    torch.save(Double().state_dict(), tmp_path / "c")
    torch.save(Wide(), tmp_path / "d")
    torch.save(Wide().state_dict(), tmp_path / "e", _use_new_zipfile_serialization=False)
    assert [format_of(tmp_path / name) for name in "cde"] == [TORCH_CHECKPOINT] * 3


def test_an_archive_says_what_it_takes_and_gives(tmp_path: Path) -> None:
    model = Wide()
    scale = np.array([0.5, 2], np.float32)
    engine = TorchEngine()
    signature = engine.load(config(exported(model, (X, scale), tmp_path / "m.pt2")))
    assert [(spec.name, spec.datatype, spec.shape) for spec in signature.inputs] == [
        ("x", "FP32", (-1, 4)),
        ("scale", "FP32", (-1,)),
    ]
    assert [(spec.name, spec.datatype, spec.shape) for spec in signature.outputs] == [
        ("output_0", "FP32", (-1, 3)),
        ("output_1", "INT64", ()),
    ]
    assert not signature.batches, "one number for all rows belongs to no row"
    answer = engine.predict({"x": X, "scale": scale})
    with torch.inference_mode():
        expected = model(torch.from_numpy(X), torch.from_numpy(scale))
    np.testing.assert_allclose(answer["output_0"], expected[0].numpy(), rtol=1e-6)
    assert answer["output_1"] == 1


def test_a_shape_that_was_fixed_stays_fixed(tmp_path: Path) -> None:
    signature = TorchEngine().load(config(exported(Double(), (X,), tmp_path / "m.pt2", free=False)))
    assert signature.inputs[0].shape == (2, 4)
    assert not signature.batches


def test_a_guard_of_the_program_is_the_client_s_fault(tmp_path: Path) -> None:
    path = tmp_path / "m.pt2"
    shapes = ({0: torch.export.Dim.AUTO},)
    torch.export.save(torch.export.export(Guarded(), (torch.from_numpy(X),), dynamic_shapes=shapes), path)
    engine = TorchEngine()
    engine.load(config(path))
    np.testing.assert_array_equal(engine.predict({"x": X})["output"], X + 1)
    with pytest.raises(Unprocessable, match="Guard failed"):
        engine.predict({"x": X[:1]})


@pytest.mark.parametrize("make", [exported, scripted])
def test_a_program_that_writes_into_its_input_changes_nobody_s_array(tmp_path: Path, make: Any) -> None:
    engine = TorchEngine()
    declared: dict[str, Any] = {"inputs": {"x": {"datatype": "FP32", "shape": [-1, 4]}}} if make is scripted else {}
    engine.load(config(make(Writing(), (X.copy(),), tmp_path / "m"), **declared))
    given = X.copy()
    np.testing.assert_array_equal(engine.predict({"x": given})["output"], 2 * X)
    np.testing.assert_array_equal(given, X)


def test_precision_is_what_the_manifest_says(tmp_path: Path) -> None:
    scale = np.ones(2, np.float32)
    path = exported(Wide(), (X, scale), tmp_path / "m.pt2")
    engine, coarse = TorchEngine(), TorchEngine()
    assert engine.load(config(path)).precision == "f32"
    assert coarse.load(config(path, precision="bf16")).precision == "bf16"
    exact, rough = (one.predict({"x": X, "scale": scale})["output_0"] for one in (engine, coarse))
    assert rough.dtype == np.float32
    np.testing.assert_allclose(rough, exact, rtol=0.05, atol=0.05)
    assert np.abs(rough - exact).max() > 0


def test_a_device_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    path = exported(Double(), (X,), tmp_path / "m.pt2")
    device = f"cuda:{torch.cuda.device_count()}"
    with pytest.raises(StartError, match="finds no device"):
        TorchEngine().load(EngineConfig(model="m", path=str(path), device=device))


def test_torchscript_is_served_with_shapes_from_the_manifest_or_the_check(tmp_path: Path) -> None:
    path = scripted(Wide(), (X, np.ones(2, np.float32)), tmp_path / "m.pt")
    with pytest.raises(BadModelFile, match="its inputs are x, scale") as caught:
        TorchEngine().load(config(path))
    assert "inputs: {x: {datatype: FP32" in caught.value.hint
    with pytest.raises(BadModelFile, match="wide are declared"):
        TorchEngine().load(config(path, inputs={"wide": {"datatype": "FP32", "shape": [-1, 4]}}))
    check = json.dumps(
        {
            "inputs": [
                {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [0] * 4},
                {"name": "scale", "datatype": "FP32", "shape": [1], "data": [1]},
            ]
        }
    )
    signature = TorchEngine().load(config(path, check=check))
    assert [spec.shape for spec in signature.inputs] == [(-1, 4), (-1,)]
    assert [(spec.name, spec.shape) for spec in signature.outputs] == [("output_0", (-1, 3)), ("output_1", ())]


def test_pickles_in_an_archive_are_refused_before_they_are_read(tmp_path: Path) -> None:
    """PyTorch itself would unpickle each of them without bounds."""
    mark = tmp_path / "exploded"
    bomb = pickle.dumps(Bomb(mark))

    def pickled_weight(name: str, content: bytes) -> bytes:
        if name.endswith("weights_config.json"):
            found = json.loads(content)
            for how in found["config"].values():
                how["use_pickle"] = True
            return json.dumps(found).encode()
        return bomb if "/weights/weight" in name else content

    def opaque_constant(name: str, content: bytes) -> bytes:
        if name.endswith("constants_config.json"):
            return b'{"config": {"c": {"path_name": "opaque_obj_0", "is_param": false, "use_pickle": true}}}'
        return content

    def sample(name: str, content: bytes) -> bytes:
        if "/sample_inputs/" not in name:
            return content
        buffer = io.BytesIO()
        torch.save(Bomb(mark), buffer)
        return buffer.getvalue()

    for change in (pickled_weight, opaque_constant, sample):
        path = changed(exported(Wide(), (X, np.ones(2, np.float32)), tmp_path / "m.pt2"), change)
        with pytest.raises(BadModelFile, match="pickle") as caught:
            TorchEngine().load(config(path))
        assert "export it again" in caught.value.hint
    assert not mark.exists()


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').system('true')",
        "Symbol('s77').__class__",
        "eval('1')",
        "(lambda: 1)()",
        "[print(1) for x in (1,)]",
        "exec(chr(49))",
        "Symbol('s77'",
    ],
)
@pytest.mark.parametrize("field", ["expr_str", "guards_code"])
def test_expressions_that_are_more_than_arithmetic_are_refused(tmp_path: Path, expression: str, field: str) -> None:
    """PyTorch evaluates them as Python."""

    def change(name: str, content: bytes) -> bytes:
        if not name.endswith("models/model.json"):
            return content
        text = content.decode()
        if field == "guards_code":
            return text.replace('"guards_code": []', f'"guards_code": [{json.dumps(expression)}]').encode()
        found = json.dumps("Symbol('s77', positive=True, integer=True)")
        assert found in text
        return text.replace(found, json.dumps(expression)).encode()

    path = changed(exported(Double(), (X,), tmp_path / "m.pt2"), change)
    with pytest.raises(BadModelFile, match="it holds the expression"):
        TorchEngine().load(config(path))


def test_compiled_code_in_an_archive_is_refused(tmp_path: Path) -> None:
    path = exported(Double(), (X,), tmp_path / "m.pt2")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("m/data/aotinductor/model/wrapper.so", b"\x7fELF")
    with pytest.raises(BadModelFile, match="compiled code"):
        TorchEngine().load(config(path))


class Uneven(torch.nn.Module):
    """Its outputs are as many as its rows."""

    def forward(self, x):
        found = [x[0]][:0]
        for row in range(x.size(0)):
            found.append(x[row])
        return found


@pytest.mark.parametrize(
    ("shape", "datatype", "words"),
    [
        ([-1, 5], "FP32", "shapes cannot be multiplied"),
        ([-1, 4], "INT64", "must have the same dtype"),
        ([-1, 1 << 40], "FP32", "it does not take zeros of x FP32"),
        ([0, 4], "FP32", r"the shape \[0, 4\]"),
        ([-5, 4], "FP32", r"the shape \[-5, 4\]"),
    ],
)
def test_inputs_that_are_declared_wrong_are_named(tmp_path: Path, shape: list[int], datatype: str, words: str) -> None:
    path = scripted(torch.nn.Linear(4, 3), (X,), tmp_path / "m.pt")
    declared = {"input": {"datatype": datatype, "shape": shape}}
    with pytest.raises(BadModelFile, match=words.replace("of x", "of input")) as caught:
        TorchEngine().load(config(path, inputs=declared))
    assert "export" not in caught.value.hint


def test_a_program_whose_outputs_vary_in_number_is_said_so(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch would rather have torch.export
        torch.jit.script(Uneven()).save(str(tmp_path / "m.pt"))
    with pytest.raises(BadModelFile, match="it gives 2 tensors for 2 rows and 3 for 3"):
        TorchEngine().load(config(tmp_path / "m.pt", inputs={"x": {"datatype": "FP32", "shape": [-1, 4]}}))


@pytest.mark.parametrize("check", ["{", "[]", '{"inputs": [{"name": "x"}]}'])
def test_a_check_that_tells_no_shapes_is_said_so(tmp_path: Path, check: str) -> None:
    path = scripted(Double(), (X,), tmp_path / "m.pt")
    with pytest.raises(BadModelFile, match="the model's check is no request"):
        TorchEngine().load(config(path, check=check))


@pytest.mark.parametrize("make", [exported, scripted])
def test_archives_that_are_damaged_or_hold_more_are_read_or_refused_with_the_cause(tmp_path: Path, make: Any) -> None:
    declared: dict[str, Any] = {"inputs": {"x": {"datatype": "FP32", "shape": [-1, 4]}}} if make is scripted else {}
    path = make(Double(), (X,), tmp_path / ("m.pt2" if make is exported else "m.pt"))
    content = path.read_bytes()
    for length in (0, 10, len(content) // 2, len(content) - 30):
        path.write_bytes(content[:length])
        with pytest.raises(BadModelFile) as caught:
            TorchEngine().load(config(path, **declared))
        assert "warnings above" not in caught.value.message
    path.write_bytes(content)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("m/extra/readme.txt", b"hello")
    engine = TorchEngine()
    engine.load(config(path, **declared))
    np.testing.assert_array_equal(engine.predict({"x": X})["y"], 2 * X)


STRANGE = """
import sys, warnings
import torch
warnings.simplefilter("ignore")
library = torch.library.Library("strange", "DEF")
library.define("twice(Tensor x) -> Tensor")
library.impl("twice", lambda x: 2 * x, "CPU")
torch.library.register_fake("strange::twice", torch.empty_like, lib=library)
class Strange(torch.nn.Module):
    def forward(self, x):
        return torch.ops.strange.twice(x)
sample = torch.zeros(2, 4)
torch.jit.trace(Strange(), (sample,)).save(sys.argv[1] + "/m.pt")
torch.export.save(torch.export.export(Strange(), (sample,)), sys.argv[1] + "/m.pt2")
"""


def test_operators_that_nobody_knows_here_are_named(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", STRANGE, str(tmp_path)], check=True, capture_output=True)
    declared = {"x": {"datatype": "FP32", "shape": [2, 4]}}
    for given in (config(tmp_path / "m.pt", inputs=declared), config(tmp_path / "m.pt2")):
        with pytest.raises(BadModelFile, match="strange") as caught:
            TorchEngine().load(given)
        assert "operators that this PyTorch does not have" in caught.value.hint
