"""A real serving worker: two engines, NVIDIA's client, readiness, bad files, drain, threads."""

import hashlib
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import psutil
import pytest
import tritonclient.http as triton

from modelwright.app.parts import ModelPart
from tests.e2e.clients import Hammer, patient
from tests.e2e.serving_worker import INFER, Worker, first_column, request, serving, toy
from tests.making.onnx_models import double, identity

pytestmark = pytest.mark.e2e


def onnx_part(path: Path, **more: Any) -> ModelPart:
    return ModelPart(model="m", engine="onnxruntime", wire="v2", path=str(path), **more)


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    folder = tmp_path_factory.mktemp("onnx")
    with serving(folder, onnx_part(double(folder / "double.onnx"))) as running:
        yield running


@pytest.fixture
def client(worker: Worker) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(f"127.0.0.1:{worker.port}") as made:
        yield made


def test_tritons_client_reads_health_and_metadata(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("m")
    assert client.is_model_ready("m", "1")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    metadata = client.get_model_metadata("m")
    assert metadata["platform"] == "onnxruntime_onnx"
    assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False, None])
def test_tritons_client_infers(
    client: triton.InferenceServerClient, *, binary_in: bool, binary_out: bool | None
) -> None:
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    given = triton.InferInput("x", [5, 4], "FP32")
    given.set_data_from_numpy(x, binary_data=binary_in)
    wanted = None if binary_out is None else [triton.InferRequestedOutput("y", binary_data=binary_out)]
    result = client.infer("m", [given], outputs=wanted, request_id="r7", timeout=10_000_000)
    y = result.as_numpy("y")
    assert y is not None
    np.testing.assert_allclose(y.astype(np.float32), 2 * x, rtol=1e-6)
    assert (result.as_numpy("total") is None) == (wanted is not None)
    assert result.get_response()["id"] == "r7"


def test_tritons_client_is_told_what_is_wrong(client: triton.InferenceServerClient) -> None:
    given = triton.InferInput("x", [1, 4], "FP64")
    given.set_data_from_numpy(np.zeros((1, 4)))
    with pytest.raises(triton.InferenceServerException, match="the model takes FP32") as caught:
        client.infer("m", [given])
    assert caught.value.status() == "400"


@pytest.mark.parametrize("rows", [33, 100, 256])
def test_request_of_more_rows_than_a_batch_comes_back_whole(worker: Worker, rows: int) -> None:
    x = [[float(row), 0, 0, 0] for row in range(rows)]
    assert first_column(worker.infer(x)) == [2 * row[0] for row in x]


def test_texts_go_through(tmp_path: Path) -> None:
    path = identity(tmp_path / "same.onnx", onnx.TensorProto.STRING)
    words = np.array([["eins", "zwei €"]], object)
    with serving(tmp_path, onnx_part(path)) as worker:
        given = triton.InferInput("x", [1, 2], "BYTES")
        given.set_data_from_numpy(words)
        with triton.InferenceServerClient(f"127.0.0.1:{worker.port}") as client:
            result = client.infer("m", [given]).as_numpy("y")
    assert result is not None
    assert [element.decode() for element in result.ravel()] == ["eins", "zwei €"]


def test_alive_at_once_ready_after_a_real_answer(tmp_path: Path) -> None:
    model = toy(tmp_path, load_ms=1500)
    with serving(tmp_path, model, ready=False) as worker:
        patient(lambda: worker.state == "starting")
        refused = worker.infer([[1, 2, 3, 4]])
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert "still loading" in refused.json()["error"]
        assert worker.call("GET", "/healthz").status == 200
        assert worker.call("GET", "/readyz").status == 503
        assert worker.call("GET", "/v2/health/ready").status == 503
        assert worker.busy().queued == 0
        worker.wait_for("ready")
        assert worker.call("GET", "/readyz").status == 200
        assert worker.metric("engine_runs_total") == 0, "what warmed it up was nobody's request"
        assert first_column(worker.infer([[1, 2, 3, 4]])) == [2]


def test_check_request_is_what_readiness_asks(tmp_path: Path) -> None:
    with serving(tmp_path, toy(tmp_path, poison=5.0), check=request([[5, 0, 0, 0]]).decode(), ready=False) as worker:
        notice = worker.wait_for("failed")
        assert notice.fatal
        assert "check request was not answered" in notice.detail
        assert "poison" in notice.detail
        assert worker.end() == 1


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda content: content[: len(content) // 2], "cannot be read as an ONNX model"),
        (lambda content: content[:0], "cannot be read as an ONNX model"),
        (lambda content: b"GGUF" + content, "cannot be read as an ONNX model"),
        (lambda content: content, "not sha256:00, which it had when"),
    ],
    ids=["truncated", "empty", "other format", "other digest"],
)
def test_file_that_cannot_be_used_is_a_fatal_notice(tmp_path: Path, spoil: Any, words: str) -> None:
    path = double(tmp_path / "double.onnx")
    content = spoil(path.read_bytes())
    path.write_bytes(content)
    digest = "sha256:00" if "sha256" in words else ""
    with serving(tmp_path, onnx_part(path), digest=digest, ready=False) as worker:
        notice = worker.wait_for("failed")
        assert notice.fatal
        assert str(path) in notice.detail
        assert words in notice.detail
        assert worker.end() == 1


def test_right_digest_is_accepted(tmp_path: Path) -> None:
    path = double(tmp_path / "double.onnx")
    digest = "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    with serving(tmp_path, onnx_part(path), digest=digest) as worker:
        metadata = worker.call("GET", "/v2/models/m").json()
        assert metadata["parameters"]["digest"] == digest


def test_drain_loses_no_request(tmp_path: Path) -> None:
    body = request([[1, 2, 3, 4]])
    with serving(tmp_path, toy(tmp_path, delay_ms=20), max_rows=2) as worker:
        with Hammer(worker.port, INFER, connections=16, body=body) as hammer:
            hammer.wait_for(100)
            worker.process.send_signal(signal.SIGTERM)
            assert worker.end() == 0
            hammer.join()
        assert hammer.lost == []
        assert hammer.answered >= 100


def test_threads_are_few_and_sleep_while_nothing_is_asked(tmp_path: Path) -> None:
    with serving(tmp_path, onnx_part(double(tmp_path / "double.onnx")), threads=2) as worker:
        for _ in range(20):
            worker.infer([[1, 2, 3, 4]] * 32)
        process = psutil.Process(worker.pid)
        before = sum(process.cpu_times()[:2])
        threading.Event().wait(1.0)
        assert sum(process.cpu_times()[:2]) - before <= 0.2, "a spinning pool takes the whole second"
        # the loop's own, the lines' writer, the loader's, the engine's two and numpy's pool
        assert process.num_threads() <= 8 + (psutil.cpu_count() or 1)


def test_unknown_option_is_refused_by_name(tmp_path: Path) -> None:
    part = onnx_part(double(tmp_path / "double.onnx"), options={"graf_optimization": "all"})
    with serving(tmp_path, part, ready=False) as worker:
        assert "did you mean 'graph_optimization'" in worker.wait_for("failed").detail
