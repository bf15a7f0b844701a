"""Clients of the V2 wire in front of a whole site: NVIDIA's over REST, one call at a time, several at once, asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.utils import InferenceServerException

from tests.e2e.clients import patient
from tests.e2e.running import Site, running
from tests.making.onnx_models import double, identity

pytestmark = pytest.mark.e2e

MANIFEST = """
schema: 1
name: tensors
models:
  double: {source: ./double.onnx, labels: ./labels.txt, scale: {min: 2}, batching: {max_rows: 8, queue_rows: 64}}
  half: {source: ./half.onnx}
  words: {source: ./words.onnx}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("v2")
    double(folder / "double.onnx")
    identity(folder / "half.onnx", onnx.TensorProto.FLOAT16)
    identity(folder / "words.onnx", onnx.TensorProto.STRING, dims=("n", "m"))
    (folder / "labels.txt").write_text("cat\ndog\nfox\n")
    with running(MANIFEST, folder=folder) as site:
        yield site


@pytest.fixture
def client(site: Site) -> Iterator[Any]:
    """NVIDIA's, with the key."""
    with triton.InferenceServerClient(f"127.0.0.1:{site.port}", concurrency=4) as client:
        client.register_plugin(WithKey(site.key))
        patient(client.is_server_ready, waiting_for="the gateway to see its workers")
        yield client


class WithKey:
    """What the client calls before each request."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: Any) -> None:
        request.headers["authorization"] = f"Bearer {self._key}"


def given(array: np.ndarray, *, name: str = "x", binary: bool = True) -> Any:
    types = {"f4": "FP32", "f2": "FP16", "O": "BYTES"}
    datatype = types["O" if array.dtype.kind == "O" else array.dtype.str[1:]]
    tensor = triton.InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array, binary_data=binary)
    return tensor


def some(rows: int = 3, columns: int = 4) -> np.ndarray:
    return np.random.default_rng(rows).normal(size=(rows, columns)).astype(np.float32)


@pytest.mark.parametrize("binary", [True, False])
def test_best_classes_come_with_their_names(client: Any, *, binary: bool) -> None:
    x = np.array([[1, 9, 5, 7], [4, 3, 2, 8]], np.float32)
    wish = triton.InferRequestedOutput("y", binary_data=binary, class_count=3)
    y = client.infer("double", [given(x)], outputs=[wish]).as_numpy("y")
    assert [[text.decode() if isinstance(text, bytes) else text for text in row] for row in y] == [
        ["18.000000:1:dog", "14.000000:3", "10.000000:2:fox"],
        ["16.000000:3", "8.000000:0:cat", "6.000000:1:dog"],
    ]


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compressed_requests_are_read(client: Any, algorithm: str) -> None:
    x = some(20)
    result = client.infer("double", [given(x)], request_compression_algorithm=algorithm, request_id="mine")
    np.testing.assert_array_equal(result.as_numpy("y"), 2 * x)
    assert result.get_response()["id"] == "mine"


def test_half_precision_and_texts_pass(client: Any) -> None:
    half = np.array([[0.5, -2]], np.float16)
    np.testing.assert_array_equal(client.infer("half", [given(half)]).as_numpy("y"), half)
    words = np.array([["é".encode(), b""], [b"a", b"two words"]], object)
    np.testing.assert_array_equal(client.infer("words", [given(words)]).as_numpy("y"), words)


def test_one_tensors_bytes_alone_are_a_request(site: Site) -> None:
    x = some(2)
    reply = site.call("POST", "/v2/models/double/infer", x.tobytes(), headers={"Inference-Header-Content-Length": "0"})
    assert reply.status == 200
    head = int(reply.headers["inference-header-content-length"])
    assert reply.body[head:] == (2 * x).tobytes() + (x.sum(axis=1, dtype=np.float32)).tobytes()


def test_configuration_and_statistics_over_both_replicas(client: Any) -> None:
    config = client.get_model_config("double")
    assert config["max_batch_size"] == 8
    assert config["input"][0]["data_type"] == "TYPE_FP32"
    before = client.get_inference_statistics("double")["model_stats"][0]
    for waiting in [client.async_infer("double", [given(some(2))]) for _ in range(10)]:
        waiting.get_result()
    (after,) = client.get_inference_statistics("double", "1")["model_stats"]
    assert after["inference_count"] - before["inference_count"] == 20
    told, known = after["inference_stats"], before["inference_stats"]
    assert told["success"]["count"] - known["success"]["count"] == 10
    assert told["compute_infer"]["ns"] > known["compute_infer"]["ns"]
    assert sum(batch["compute_infer"]["count"] for batch in after["batch_stats"]) == after["execution_count"]
    assert [one["name"] for one in client.get_inference_statistics()["model_stats"]] == ["double", "half", "words"]


def test_errors_are_the_clients_exceptions(client: Any) -> None:
    with pytest.raises(InferenceServerException, match="has size 3 in dimension 1"):
        client.infer("double", [given(some(2, 3))])
    with pytest.raises(InferenceServerException, match="endpoint 'other' is not served"):
        client.get_model_config("other")


async def test_the_asynchronous_client(site: Site) -> None:
    headers = {"Authorization": f"Bearer {site.key}"}
    async with triton_aio.InferenceServerClient(f"127.0.0.1:{site.port}") as client:
        arrays = [some(rows) for rows in range(1, 9)]
        results = await asyncio.gather(*(client.infer("double", [given(array)], headers=headers) for array in arrays))
        for array, result in zip(arrays, results, strict=True):
            np.testing.assert_array_equal(result.as_numpy("y"), 2 * array)
        assert (await client.get_model_metadata("double", headers=headers))["versions"] == ["1"]
