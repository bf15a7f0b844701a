"""Tensor models behind a whole `modelwright up`: NVIDIA's client through the gateway, a killed worker, bad files."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np
import pytest
import tritonclient.http as triton

from tests.e2e.clients import patient
from tests.e2e.running import Reply, Site, modelwright, running
from tests.e2e.serving_worker import first_column, request
from tests.making.onnx_models import double

pytestmark = pytest.mark.e2e

PIXELS = 3 * 224 * 224
MANIFEST = """
schema: 1
name: tensors
models:
  double: {source: ./double.onnx, batching: {max_rows: 8, queue_rows: 64}}
  picture: {source: ./picture.onnx}
  slow: {source: ./toy.json, engine: {kind: toy-tensor, options: {delay_ms: 100, crash: 99, load_ms: 1500}}}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    double(folder / "double.onnx")
    double(folder / "picture.onnx", columns=PIXELS)
    (folder / "toy.json").write_bytes(b'{"toy": 1, "columns": 4}')
    with running(MANIFEST, folder=folder) as site:
        yield site


def infer(site: Site, model: str, rows: list[list[float]]) -> Reply:
    return site.call("POST", f"/v2/models/{model}/infer", request(rows))


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_tritons_client_infers_through_the_gateway(site: Site, *, binary_in: bool, binary_out: bool) -> None:
    x = np.random.default_rng(1).normal(size=(20, 4)).astype(np.float32)
    given = triton.InferInput("x", [20, 4], "FP32")
    given.set_data_from_numpy(x, binary_data=binary_in)
    wanted = [triton.InferRequestedOutput("y", binary_data=binary_out)]
    with triton.InferenceServerClient(f"127.0.0.1:{site.port}") as client:
        result = client.infer("double", [given], outputs=wanted, headers={"X-API-Key": site.key})
    y = result.as_numpy("y")
    assert y is not None
    np.testing.assert_allclose(y.astype(np.float32), 2 * x, rtol=1e-6)


@pytest.mark.parametrize("rows", [1, 2])
def test_pictures_go_through_wherever_their_bytes_begin(site: Site, rows: int) -> None:
    x = np.random.default_rng(2).normal(size=(rows, PIXELS)).astype(np.float32)
    given = triton.InferInput("x", [rows, PIXELS], "FP32")
    given.set_data_from_numpy(x)
    wanted = [triton.InferRequestedOutput("y"), triton.InferRequestedOutput("total", binary_data=False)]
    with triton.InferenceServerClient(f"127.0.0.1:{site.port}") as client:
        for length in range(1, 9):  # of the JSON part, which stands before them
            result = client.infer(
                "picture", [given], outputs=wanted, headers={"X-API-Key": site.key}, request_id="r" * length
            )
            np.testing.assert_array_equal(result.as_numpy("y"), 2 * x)
            total = result.as_numpy("total")
            assert total is not None
            np.testing.assert_allclose(total.astype(np.float32), x.sum(axis=1), rtol=1e-2, atol=0.1)


def test_tritons_client_reads_health_and_metadata_through_the_gateway(site: Site) -> None:
    headers = {"X-API-Key": site.key}
    with triton.InferenceServerClient(f"127.0.0.1:{site.port}") as client:
        assert client.is_server_live()
        patient(client.is_server_ready, waiting_for="the gateway to see its workers")
        assert client.is_model_ready("double", headers=headers)
        metadata = client.get_model_metadata("double", headers=headers)
        assert metadata["name"] == "double"
        assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]


@pytest.mark.parametrize(
    ("rows", "words"),
    [([[1, 2, 3]], "has size 3 in dimension 1"), ([[1, 2, 3, 4]] * 65, "has 65 rows, at most 64")],
)
def test_error_of_the_worker_reaches_the_client(site: Site, rows: list[list[float]], words: str) -> None:
    reply = infer(site, "double", rows)
    assert reply.status == 400
    assert words in reply.json()["error"]
    assert reply.headers["x-modelwright-call"]


class Calling:
    """Eight clients that call one model, one request after the other, for as long as the block lasts."""

    def __init__(self, site: Site, model: str) -> None:
        self.replies: list[Reply] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._call, args=(site, model)) for _ in range(8)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _call(self, site: Site, model: str) -> None:
        while not self._stop.is_set():
            self.replies.append(infer(site, model, [[1, 2, 3, 4]]))


def test_killed_worker_costs_what_was_in_flight_and_comes_back(site: Site) -> None:
    before = site.part("serving-slow-0")
    with Calling(site, "slow") as calling:
        patient(lambda: len(calling.replies) >= 8)
        os.kill(before.pid, signal.SIGKILL)
        after = site.wait_for("serving-slow-0", "ready", restarts=before.restarts + 1)
        patient(lambda: calling.replies[-1].status == 200, waiting_for="an answer after the restart")
    assert after.pid != before.pid
    refused = [reply for reply in calling.replies if reply.status != 200]
    assert {reply.status for reply in refused} == {503}
    for reply in refused:
        assert int(reply.headers["retry-after"]) >= 1
        assert set(reply.json()) == {"error"}


def test_readiness_is_false_while_a_worker_is_away(site: Site) -> None:
    before = site.part("serving-slow-0")
    os.kill(before.pid, signal.SIGKILL)
    patient(lambda: _ready(site) == 503, waiting_for="readiness to go")
    site.wait_for("serving-slow-0", "ready", restarts=before.restarts + 1)
    patient(lambda: _ready(site) == 200, waiting_for="readiness to come")


def test_crash_by_one_request_is_survived(site: Site) -> None:
    before = site.part("serving-slow-0")
    assert infer(site, "slow", [[99, 0, 0, 0]]).status == 503
    site.wait_for("serving-slow-0", "ready", restarts=before.restarts + 1)
    patient(lambda: infer(site, "slow", [[1, 0, 0, 0]]).status == 200, waiting_for="an answer after the crash")
    assert first_column(infer(site, "double", [[5, 0, 0, 0]])) == [10]


def _ready(site: Site) -> int:
    return site.call("GET", "/v2/models/slow/ready").status


def test_a_model_that_its_engine_refuses_is_named_with_the_exit_status_of_a_bad_file(tmp_path: Path) -> None:
    path = double(tmp_path / "double.onnx")
    path.write_bytes(path.read_bytes().replace(b"ReduceSum", b"ReduceSun"))
    manifest = tmp_path / "modelwright.yaml"
    manifest.write_text(
        "schema: 1\nname: broken\nmodels:\n  double: {source: ./double.onnx, engine: {kind: onnxruntime}}\n"
    )
    found = modelwright("up", "-f", str(manifest), "--port", "0", "--admin-port", "0")
    assert found.returncode == 6
    said = found.stdout + found.stderr
    assert str(path) in said
    assert "cannot be read as an ONNX model" in said
    assert "export the file again" in said
