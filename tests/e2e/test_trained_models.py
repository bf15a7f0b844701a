"""The page on formats, made true: its programs train and write models, its manifests serve them, answers are equal."""

import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from numpy.typing import NDArray

from tests.e2e.running import ROOT, Reply, Site, running
from tests.making.trained_models import irises, patients, tumours

pytestmark = pytest.mark.e2e

PAGE = (ROOT / "docs" / "reference" / "formats.md").read_text("utf-8")
Matrix = NDArray[Any]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def manifest() -> str:
    """The models of all manifests of the page in one."""
    models = [block.partition("models:\n")[2] for block in blocks("yaml") if block.startswith("schema:")]
    return "schema: 1\nname: formats\nmodels:\n" + "".join(models)


@pytest.fixture(scope="module")
def trained() -> dict[str, Any]:
    """What the page's programs have made, by name."""
    return {}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, trained: dict[str, Any]) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("formats")
    before = Path.cwd()
    os.chdir(folder)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch deprecates TorchScript
            for program in blocks("python"):
                if program.startswith("# weights.py"):
                    Path("weights.py").write_text(program)
                    continue
                exec(compile(program, "formats.md", "exec"), trained)  # noqa: S102 - the page's programs are ours
    finally:
        os.chdir(before)
    with running(manifest(), folder=folder) as site:
        yield site


def infer(site: Site, model: str, x: Matrix, *, binary: bool = True, name: str = "x") -> dict[str, Matrix]:
    """What the model says to `x`, by NVIDIA's client through the gateway."""
    kinds = {"float32": "FP32", "float64": "FP64"}
    given = triton.InferInput(name, list(x.shape), kinds[x.dtype.name])
    given.set_data_from_numpy(x, binary_data=binary)
    with triton.InferenceServerClient(f"127.0.0.1:{site.port}") as client:
        result = client.infer(model, [given], headers={"X-API-Key": site.key})
    outputs = [output["name"] for output in result.get_response()["outputs"]]
    return {name: array for name in outputs if (array := result.as_numpy(name)) is not None}


def refused(site: Site, model: str, body: str) -> Reply:
    return site.call("POST", f"/v2/models/{model}/infer", body.encode())


@pytest.mark.parametrize("binary", [True, False])
def test_xgboost_answers_as_in_training(site: Site, trained: dict[str, Any], *, binary: bool) -> None:
    x = tumours()[0][:100].astype(np.float32)
    answers = infer(site, "tumours", x, binary=binary)
    assert list(answers) == ["label", "probabilities"]
    np.testing.assert_array_equal(answers["label"], trained["tumours"].predict(x))
    np.testing.assert_allclose(answers["probabilities"], trained["tumours"].predict_proba(x), rtol=1e-6)


@pytest.mark.parametrize("binary", [True, False])
def test_lightgbm_answers_as_in_training(site: Site, trained: dict[str, Any], *, binary: bool) -> None:
    x = patients()[0][:100]
    answers = infer(site, "progress", x, binary=binary)
    np.testing.assert_allclose(answers["prediction"], trained["progress"].predict(x), rtol=1e-6)


@pytest.mark.parametrize("binary", [True, False])
def test_scikit_learn_by_onnx_answers_as_in_training(site: Site, trained: dict[str, Any], *, binary: bool) -> None:
    x = irises()[0]
    answers = infer(site, "flowers", x, binary=binary)
    np.testing.assert_array_equal(answers["label"], trained["flowers"].predict(x))
    np.testing.assert_allclose(answers["probabilities"], trained["flowers"].predict_proba(x), atol=1e-6)


@pytest.mark.parametrize("binary", [True, False])
def test_scikit_learn_by_skops_answers_as_in_training(site: Site, trained: dict[str, Any], *, binary: bool) -> None:
    x = irises()[0]
    answers = infer(site, "splines", x, binary=binary)
    np.testing.assert_allclose(answers["prediction"], trained["splines"].predict(x), rtol=1e-9)


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("model", ["exported", "scripted"])
def test_pytorch_answers_as_in_training(site: Site, trained: dict[str, Any], model: str, *, binary: bool) -> None:
    images = np.random.default_rng(0).random((50, 64), np.float32)
    with trained["torch"].inference_mode():
        expected = trained["network"](trained["torch"].from_numpy(images)).numpy()
    answers = infer(site, model, images, binary=binary, name="input")
    np.testing.assert_allclose(answers["output"], expected, rtol=1e-6, atol=1e-6)
    told = site.call("GET", f"/v2/models/{model}").json()
    assert told["parameters"]["precision"] == "f32"
    assert told["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, 64]}]


def test_weights_in_safetensors_are_computed_with_by_a_class(site: Site, trained: dict[str, Any]) -> None:
    images = np.random.default_rng(0).random((50, 64), np.float32)
    with trained["torch"].inference_mode():
        expected = trained["network"](trained["torch"].from_numpy(images)).numpy()
    answers = infer(site, "weights", images, name="image")
    np.testing.assert_allclose(answers["digit"], expected, rtol=1e-4, atol=1e-5)


def test_a_missing_value_is_nan(site: Site, trained: dict[str, Any]) -> None:
    x = tumours()[0][:8].astype(np.float32)
    x[:, ::2] = np.nan
    expected = trained["tumours"].predict_proba(x)
    np.testing.assert_allclose(infer(site, "tumours", x)["probabilities"], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("model", "datatype", "shape"),
    [
        ("tumours", "FP32", [1, 29]),
        ("tumours", "FP64", [1, 30]),
        ("progress", "FP64", [10]),
        ("progress", "FP32", [1, 10]),
    ],
)
def test_a_wrong_shape_or_type_is_refused_before_the_library_sees_it(
    site: Site, model: str, datatype: str, shape: list[int]
) -> None:
    data = [0.0] * int(np.prod(shape))
    body = f'{{"inputs": [{{"name": "x", "datatype": "{datatype}", "shape": {shape}, "data": {data}}}]}}'
    reply = refused(site, model, body)
    assert reply.status == 400
    assert "input 'x'" in reply.json()["error"]


def test_metadata_tells_what_the_files_hold(site: Site) -> None:
    told = {name: site.call("GET", f"/v2/models/{name}").json() for name in ("tumours", "progress")}
    assert [told[name]["platform"] for name in told] == ["xgboost", "lightgbm"]
    assert told["tumours"]["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 30]}]
    assert told["progress"]["outputs"] == [{"name": "prediction", "datatype": "FP64", "shape": [-1]}]
    assert [told[name]["parameters"]["precision"] for name in told] == ["f32", "f64"]
