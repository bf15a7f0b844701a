"""Every tensor format behind one `modelwright up`: the right numbers, and metadata that says how they are computed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnxruntime
import openvino
import psutil
import pytest
import tritonclient.http as triton
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from modelwright.app.artifacts.digests import digest_of, digest_of_folder
from tests.e2e.running import Site, modelwright, running
from tests.making import tflite_models
from tests.making.onnx_models import beside, double, product, weights_of
from tests.making.openvino_models import converted

pytestmark = pytest.mark.e2e

MANIFEST = """
schema: 1
name: engines
models:
  ir: {source: ./folder}
  onnx-on-openvino: {source: ./double.onnx, engine: {kind: openvino, threads: 2}}
  onnx: {source: ./double.onnx}
  onnx-beside: {source: ./beside.onnx}
  lite: {source: ./double.tflite}
  lite-int8: {source: ./dense.tflite}
  text: {source: ./double.onnx, engine: {kind: toy-text}}
"""
WEIGHTS = np.random.default_rng(3).integers(-100, 100, (3, 16)).astype(np.int8)
ROWS = np.random.default_rng(1).normal(size=(20, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    source = double(folder / "double.onnx")
    (folder / "folder").mkdir()
    converted(source, folder / "folder" / "model.xml")
    beside(product(folder / "product.onnx"), folder / "beside.onnx")
    tflite_models.double(folder / "double.tflite")
    tflite_models.dense(folder / "dense.tflite", np.int8, weights=WEIGHTS, scales=(0.05, 0.01, 0.1), zero=3)
    with running(MANIFEST, folder=folder) as site:
        yield site


def infer(site: Site, model: str, **inputs: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Outputs by name, by NVIDIA's client, as bytes."""
    given = []
    for name, array in inputs.items():
        kind = {"f4": "FP32", "i1": "INT8", "u1": "UINT8"}[array.dtype.str[1:]]
        given.append(triton.InferInput(name, list(array.shape), kind).set_data_from_numpy(array))
    with triton.InferenceServerClient(f"127.0.0.1:{site.port}") as client:
        result = client.infer(model, given, headers={"X-API-Key": site.key})
    return {output["name"]: np.asarray(result.as_numpy(output["name"])) for output in result.get_response()["outputs"]}


def metadata(site: Site, model: str) -> dict[str, Any]:
    return site.call("GET", f"/v2/models/{model}").json()


@pytest.mark.parametrize("model", ["ir", "onnx-on-openvino", "onnx", "lite"])
def test_numbers_are_those_of_numpy(site: Site, model: str) -> None:
    outputs = infer(site, model, x=ROWS)
    np.testing.assert_allclose(outputs["y"], 2 * ROWS, rtol=1e-6)
    np.testing.assert_allclose(outputs["total"], ROWS.sum(axis=1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("model", ["onnx", "onnx-beside", "ir", "onnx-on-openvino", "lite"])
def test_numbers_are_the_librarys_own(site: Site, model: str) -> None:
    outputs = infer(site, model, x=ROWS)
    own = by_the_library_alone(site.manifest.parent, model)
    assert outputs.keys() == own.keys()
    for name, array in own.items():
        np.testing.assert_allclose(outputs[name], array, rtol=1e-6, atol=1e-6)


def by_the_library_alone(folder: Path, model: str) -> dict[str, NDArray[Any]]:
    """What the runtime makes of ROWS without anything of ours around it."""
    match model:
        case "onnx" | "onnx-beside":
            session = onnxruntime.InferenceSession(folder / {"onnx": "double.onnx"}.get(model, "beside.onnx"))
            names = [output.name for output in session.get_outputs()]
            return dict(zip(names, map(np.asarray, session.run(names, {"x": ROWS})), strict=True))
        case "ir" | "onnx-on-openvino":
            file = folder / ("double.onnx" if model == "onnx-on-openvino" else "folder/model.xml")
            compiled = openvino.Core().compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
            return {port.get_any_name(): array for port, array in compiled(ROWS).items()}
        case _:
            return run_lite(folder / "double.tflite", ROWS)


def run_lite(path: Path, x: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Outputs by name, by LiteRT alone."""
    runtime = Interpreter(model_path=str(path), num_threads=1)
    runtime.resize_tensor_input(0, x.shape)
    runtime.allocate_tensors()
    runtime.set_tensor(0, x)
    runtime.invoke()
    return {output["name"]: runtime.get_tensor(output["index"]) for output in runtime.get_output_details()}


def test_weights_in_a_file_of_their_own_are_read_and_are_part_of_the_artifact(site: Site) -> None:
    folder = site.manifest.parent
    expected = ROWS @ weights_of(folder / "product.onnx")
    np.testing.assert_allclose(infer(site, "onnx-beside", x=ROWS)["y"], expected, rtol=1e-5, atol=1e-6)
    files = {name: digest_of(folder / name) for name in ("beside.onnx", "beside.onnx.data")}
    assert metadata(site, "onnx-beside")["parameters"]["digest"] == digest_of_folder(files)


def test_whole_numbers_are_the_runtimes_own(site: Site) -> None:
    x = np.random.default_rng(2).integers(-128, 128, (20, 16)).astype(np.int8)
    own = run_lite(site.manifest.parent / "dense.tflite", x)
    np.testing.assert_array_equal(infer(site, "lite-int8", x=x)["y"], own["y"])
    told = metadata(site, "lite-int8")["parameters"]
    assert (told["precision"], told["x.zero_point"], round(told["x.scale"], 6)) == ("int8", 3, 0.05)


@pytest.mark.parametrize(
    ("model", "platform", "engine"),
    [
        ("ir", "openvino", "openvino"),
        ("onnx", "onnxruntime_onnx", "onnxruntime"),
        ("lite", "tensorflow_lite", "tflite"),
    ],
)
def test_metadata_says_engine_and_precision(site: Site, model: str, platform: str, engine: str) -> None:
    found = metadata(site, model)
    assert found["platform"] == platform
    assert found["parameters"]["engine"] == engine
    assert found["parameters"]["precision"] == "f32"
    assert found["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]


def test_workers_have_one_budget_of_threads(site: Site) -> None:
    for model, threads in (("onnx-on-openvino", "2"), ("lite", "1")):
        variables = psutil.Process(site.part(f"serving-{model}-0").pid).environ()
        assert (variables["OMP_NUM_THREADS"], variables["OPENBLAS_NUM_THREADS"]) == (threads, threads)
        assert variables["OMP_WAIT_POLICY"] == "PASSIVE"


@pytest.mark.parametrize("stream", [False, True])
def test_answers_of_every_wire_name_the_artifact(site: Site, *, stream: bool) -> None:
    digest = digest_of(site.manifest.parent / "double.onnx")
    body = {"model": "text", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2, "stream": stream}
    tensors = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]}
    for path, sent in (
        ("/v1/chat/completions", body),
        ("/v1/messages", body),
        ("/v2/models/onnx/infer", {**tensors, "parameters": {"artifact": True}}),
    ):
        reply = site.call("POST", path, msgspec.json.encode(sent))
        assert (reply.status, reply.headers["x-modelwright-artifact"]) == (200, digest), reply
    assert reply.json()["parameters"] == {"artifact": digest}
    assert metadata(site, "onnx")["parameters"]["digest"] == digest


def test_a_provider_that_is_not_there_is_a_clear_error_and_no_other_is_taken(tmp_path: Path) -> None:
    double(tmp_path / "model.onnx")
    manifest = tmp_path / "modelwright.yaml"
    manifest.write_text(
        "schema: 1\nname: gpu\nmodels:\n  m: {source: ./model.onnx, engine: {device: 'cuda:0'}}\n", "utf-8"
    )
    found = modelwright("up", "-f", str(manifest), "--port", "0", "--admin-port", "0")
    said = found.stdout + found.stderr
    assert found.returncode != 0
    assert "this ONNX Runtime has no CUDAExecutionProvider" in said
    assert "onnxruntime-gpu" in said


def test_truncated_weights_are_named_before_anything_starts(tmp_path: Path) -> None:
    path = converted(double(tmp_path / "double.onnx"), tmp_path / "model.xml")
    path.with_suffix(".bin").write_bytes(b"")
    manifest = tmp_path / "modelwright.yaml"
    manifest.write_text("schema: 1\nname: broken\nmodels:\n  ir: {source: ./model.xml}\n")
    for command in (["check"], ["up", "--port", "0", "--admin-port", "0"]):
        found = modelwright(*command, "-f", str(manifest))
        assert found.returncode == 3
        said = " ".join((found.stdout + found.stderr).split())
        assert "modelwright.yaml:4:" in said
        assert "'./model.xml' is damaged: " in said
        assert "and model.bin has 0 bytes" in said
        assert "Download or copy it again" in said
