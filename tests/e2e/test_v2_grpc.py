"""The V2 protocol over gRPC in front of a whole site: NVIDIA's and KServe's clients, streams, deadlines, a drain."""

from __future__ import annotations

import asyncio
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import msgspec
import numpy as np
import onnx
import pytest
import requests
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tritonclient.grpc import service_pb2 as service_messages
from tritonclient.utils import InferenceServerException

from modelwright.app.artifacts.digests import digest_of
from modelwright.core.status import Busy
from tests.e2e.clients import ask, patient
from tests.e2e.running import ROOT, Site, modelwright, running
from tests.e2e.serving_worker import request as json_request
from tests.making.onnx_models import double, identity

service_pb2: Any = service_messages  # its messages are made when it is imported, which no checker sees

pytestmark = pytest.mark.e2e
KSERVE = ROOT / ".venv" / "kserve-client"
"""Made by requirements/install-kserve.sh."""

MANIFEST = """
schema: 1
name: tensors
models:
  double: {source: ./double.onnx, labels: ./labels.txt, scale: {min: 2}, batching: {max_rows: 8, queue_rows: 64}}
  half: {source: ./half.onnx}
  words: {source: ./words.onnx}
  slow: {source: ./toy.json, engine: {kind: toy-tensor, options: {delay_ms: 300}}}
gateway: {grpc: "127.0.0.1:0", max_body: 1MiB}
"""


def prepared(folder: Path) -> Path:
    double(folder / "double.onnx")
    identity(folder / "half.onnx", onnx.TensorProto.FLOAT16)
    identity(folder / "words.onnx", onnx.TensorProto.STRING)
    (folder / "labels.txt").write_text("cat\ndog\n")
    (folder / "toy.json").write_bytes(b'{"toy": 1, "columns": 4}')
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(MANIFEST, folder=prepared(tmp_path_factory.mktemp("grpc"))) as site:
        with triton.InferenceServerClient(site.watch().grpc) as opened:
            client: Any = opened
            patient(client.is_server_ready, waiting_for="the gateway to see its workers")
        yield site


@pytest.fixture
def key(site: Site) -> dict[str, str]:
    return {"authorization": f"Bearer {site.key}"}


@pytest.fixture
def client(site: Site) -> Iterator[Any]:
    with triton.InferenceServerClient(site.watch().grpc) as client:
        yield client


@pytest.fixture
async def aio(site: Site) -> AsyncIterator[Any]:
    async with triton_aio.InferenceServerClient(site.watch().grpc) as client:
        yield client


def given(array: np.ndarray) -> Any:
    datatype = {"f4": "FP32", "f2": "FP16"}.get(array.dtype.str[1:], "BYTES")
    tensor = triton.InferInput("x", list(array.shape), datatype)
    tensor.set_data_from_numpy(array)
    return tensor


def some(rows: int = 3, columns: int = 4) -> np.ndarray:
    return np.random.default_rng(rows).normal(size=(rows, columns)).astype(np.float32)


def test_what_the_server_and_its_models_are(client: Any, key: dict[str, str]) -> None:
    assert client.is_server_live()
    assert {"binary_tensor_data", "classification"} <= set(client.get_server_metadata().extensions)
    assert client.is_model_ready("double", headers=key)
    assert client.is_model_ready("double", "1", headers=key)
    assert not client.is_model_ready("other", headers=key)
    metadata = client.get_model_metadata("double", headers=key, as_json=True)
    assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": ["-1", "4"]}]
    config = client.get_model_config("double", headers=key).config
    assert (config.max_batch_size, list(config.input[0].dims)) == (8, [4])
    assert config.input[0].data_type == 11  # TYPE_FP32


def test_kserves_client_over_both_wires(site: Site) -> None:
    """In a process of its own, which finds the client's libraries; ours do not."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "e2e" / "kserve_calls.py"), site.public, site.watch().grpc],
        env={**os.environ, "PYTHONPATH": str(KSERVE), "MODELWRIGHT_TEST_KEY": site.key},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    told = msgspec.json.decode(done.stdout)
    outputs = {"y": [2, 4, 6, 8, 1, -2, 0, 16], "total": [10, 7.5]}
    answer = {"model": "double", "id": "mine", "outputs": outputs}
    for wire in ("rest", "grpc"):
        found = told[wire]
        assert [found[name] for name in ("live", "ready", "double", "other")] == [True, True, True, False], wire
        assert found["json"] == found["binary"] == answer, wire
        assert found["words"]["outputs"] == {"y": ["é", "two words"]}, wire
        assert "has size 3 in dimension 1" in found["wrong"], wire
    assert "401" in told["rest"]["stranger"]
    assert told["grpc"]["stranger"].startswith("UNAUTHENTICATED")
    assert told["grpc"]["wrong"].startswith("INVALID_ARGUMENT")


@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
def test_numbers_go_and_come_as_bytes(client: Any, key: dict[str, str], compression: str | None) -> None:
    x = some(20)
    result = client.infer(
        "double", [given(x)], request_id="mine", headers=key, compression_algorithm=compression, priority=3
    )
    np.testing.assert_array_equal(result.as_numpy("y"), 2 * x)
    np.testing.assert_allclose(result.as_numpy("total"), x.sum(axis=1), rtol=1e-5, atol=1e-6)
    assert result.get_response().id == "mine"


def test_other_types_and_classes(client: Any, key: dict[str, str]) -> None:
    half = np.array([[0.5, -2]], np.float16)
    np.testing.assert_array_equal(client.infer("half", [given(half)], headers=key).as_numpy("y"), half)
    words = np.array([["é".encode(), b"two words"]], object)
    np.testing.assert_array_equal(client.infer("words", [given(words)], headers=key).as_numpy("y"), words)
    wish = triton.InferRequestedOutput("y", class_count=2)
    result = client.infer("double", [given(np.array([[1, 9, 5, 7]], np.float32))], outputs=[wish], headers=key)
    assert result.as_numpy("y").tolist() == [[b"18.000000:1:dog", b"14.000000:3"]]
    assert result.as_numpy("total") is None


def test_typed_contents_are_read(client: Any, key: dict[str, str]) -> None:
    asked = service_pb2.ModelInferRequest(model_name="double")
    tensor = asked.inputs.add(name="x", datatype="FP32", shape=[1, 4])
    tensor.contents.fp32_contents.extend([1, 2, 3, 4])
    told = client._client_stub.ModelInfer(asked, metadata=tuple(key.items()))
    assert told.raw_output_contents[0] == np.array([2, 4, 6, 8], "<f4").tobytes()


def test_answers_name_the_artifact(site: Site, client: Any, key: dict[str, str]) -> None:
    digest = digest_of(site.manifest.parent / "double.onnx")
    told = client.infer("double", [given(some())], headers=key, parameters={"artifact": True}).get_response()
    assert told.parameters["artifact"].string_param == digest
    with grpc.insecure_channel(site.watch().grpc) as channel:
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        request = service_pb2.ModelInferRequest(model_name="double", raw_input_contents=[some().tobytes()])
        request.inputs.add(name="x", datatype="FP32", shape=[3, 4])
        _, call = infer.with_call(request.SerializeToString(), metadata=tuple(key.items()))
    assert dict(call.trailing_metadata())["x-modelwright-artifact"] == digest


def test_statistics_are_those_of_both_wires(site: Site, client: Any, key: dict[str, str]) -> None:
    (before,) = client.get_inference_statistics("double", headers=key).model_stats
    client.infer("double", [given(some(2))], headers=key)
    assert site.call("POST", "/v2/models/double/infer", json_request([[1, 2, 3, 4]])).status == 200
    (after,) = client.get_inference_statistics("double", headers=key).model_stats
    assert after.inference_count - before.inference_count == 3
    assert after.inference_stats.success.count - before.inference_stats.success.count == 2
    names = [one.name for one in client.get_inference_statistics(headers=key).model_stats]
    assert names == ["double", "half", "slow", "words"]


@pytest.mark.parametrize(
    ("model", "rows", "columns", "code"),
    [
        ("double", 1, 3, "INVALID_ARGUMENT"),
        ("double", 65, 4, "INVALID_ARGUMENT"),
        ("other", 1, 4, "NOT_FOUND"),
    ],
)
def test_errors_have_the_words_of_rest(
    site: Site, client: Any, key: dict[str, str], model: str, rows: int, columns: int, code: str
) -> None:
    x = some(rows, columns)
    with pytest.raises(InferenceServerException) as caught:
        client.infer(model, [given(x)], headers=key)
    assert caught.value.status() == f"StatusCode.{code}"
    reply = site.call("POST", f"/v2/models/{model}/infer", json_request(x.tolist()))
    assert caught.value.message() == reply.json()["error"]


def test_a_stranger_is_told_so_and_a_key_may_stand_in_either_place(site: Site, client: Any) -> None:
    for headers in ({}, {"authorization": "Bearer wrong"}):
        with pytest.raises(InferenceServerException) as caught:
            client.infer("double", [given(some())], headers=headers)
        assert caught.value.status() == "StatusCode.UNAUTHENTICATED"
    assert client.infer("double", [given(some())], headers={"x-api-key": site.key}).as_numpy("y") is not None


def test_a_message_past_the_bound_is_refused(client: Any, key: dict[str, str]) -> None:
    with pytest.raises(InferenceServerException) as caught:
        client.infer("double", [given(some(100_000))], headers=key)
    assert caught.value.status() == "StatusCode.RESOURCE_EXHAUSTED"


def test_a_deadline_ends_the_call_at_the_worker_too(site: Site, client: Any, key: dict[str, str]) -> None:
    started = threading.Barrier(4)

    def call() -> None:
        started.wait()
        with pytest.raises(InferenceServerException, match="Deadline Exceeded"):
            client.infer("slow", [given(some(1))], headers=key, client_timeout=0.15)

    before = client.get_inference_statistics("slow", headers=key).model_stats[0].execution_count
    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    started.wait()
    for thread in threads:
        thread.join()
    patient(lambda: site.part("serving-slow-0").state == "ready")
    client.infer("slow", [given(some(1))], headers=key)
    after = client.get_inference_statistics("slow", headers=key).model_stats[0].execution_count
    assert after - before <= 3  # one was in the engine, perhaps joined by a second; the others were never computed


def test_a_stream_of_the_synchronous_client(client: Any, key: dict[str, str]) -> None:
    told: queue.Queue[tuple[Any, Any]] = queue.Queue()
    client.start_stream(callback=lambda result, error: told.put((result, error)), headers=key)
    for number in range(30):
        columns = 3 if number == 7 else 4
        client.async_stream_infer("double", [given(some(2, columns))], request_id=str(number))
    found = [told.get(timeout=30) for _ in range(30)]
    client.stop_stream()
    assert [at for at, (_, error) in enumerate(found) if error] == [7]
    assert "has size 3 in dimension 1" in str(found[7][1])
    assert [result.get_response().id for result, error in found if not error] == [
        str(number) for number in range(30) if number != 7
    ]


async def test_the_asynchronous_client_and_its_streams(aio: Any, key: dict[str, str]) -> None:
    arrays = [some(rows) for rows in range(1, 9)]
    results = await asyncio.gather(*(aio.infer("double", [given(array)], headers=key) for array in arrays))
    for array, result in zip(arrays, results, strict=True):
        np.testing.assert_array_equal(result.as_numpy("y"), 2 * array)

    async def requests() -> AsyncIterator[dict[str, Any]]:
        for array in arrays:
            yield {"model_name": "double", "inputs": [given(array)]}

    told = [piece async for piece in aio.stream_infer(requests(), headers=key)]
    for array, (result, error) in zip(arrays, told, strict=True):
        assert error is None
        np.testing.assert_array_equal(result.as_numpy("y"), 2 * array)


def test_calls_are_in_the_ledger_and_the_metrics(site: Site, client: Any, key: dict[str, str]) -> None:
    def count(name: str) -> float:
        lines = requests.get(f"{site.admin}/metrics", timeout=10).text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    calls = 'modelwright_calls_total{endpoint="double"'
    before = count(calls)
    client.infer("double", [given(some())], headers=key)
    patient(lambda: count(calls) == before + 1, waiting_for="the call in the metrics")
    assert count('modelwright_grpc_calls_total{code="OK",method="ModelInfer"}') >= 1


def test_an_admins_key_unloads_and_loads_models(site: Site, client: Any, key: dict[str, str]) -> None:
    with pytest.raises(InferenceServerException) as caught:
        client.get_model_repository_index(headers=key)
    assert caught.value.status() == "StatusCode.PERMISSION_DENIED"
    made = modelwright("keys", "create", "ops", "--role", "admin", "--json", "-f", str(site.manifest))
    admin = {"authorization": f"Bearer {msgspec.json.decode(made.stdout)['key']}"}

    def state() -> dict[str, str]:
        return {model.name: model.state for model in client.get_model_repository_index(headers=admin).models}

    patient(lambda: _answers(state), waiting_for="the key to be known")
    assert state()["half"] == "READY"
    client.unload_model("half", headers=admin)
    assert state()["half"] != "READY"
    patient(lambda: not client.is_model_ready("half", headers=key), waiting_for="the model to go")
    client.load_model("half", headers=admin)
    patient(lambda: client.is_model_ready("half", headers=key), waiting_for="the model to come")
    with pytest.raises(InferenceServerException) as caught:
        client.load_model("half", headers=admin, config='{"name": "half"}')
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"


def _answers(question: Callable[[], object]) -> bool:
    try:
        question()
    except InferenceServerException:
        return False
    return True


def test_a_killed_door_comes_back_at_its_port(site: Site, key: dict[str, str]) -> None:
    before, address = site.part("grpc-0"), site.watch().grpc
    os.kill(before.pid, signal.SIGKILL)
    after = site.wait_for("grpc-0", "ready", restarts=before.restarts + 1)
    assert (after.pid != before.pid, site.watch().grpc) == (True, address)
    with triton.InferenceServerClient(address) as opened:
        client: Any = opened
        patient(client.is_server_live, waiting_for="the door")
        np.testing.assert_array_equal(client.infer("double", [given(some())], headers=key).as_numpy("y"), 2 * some())


def test_a_site_that_stops_answers_what_has_come(tmp_path: Path) -> None:
    with running(MANIFEST.replace("delay_ms: 300", "delay_ms: 2000"), folder=prepared(tmp_path)) as site:
        key = {"authorization": f"Bearer {site.key}"}
        results: list[Any] = []
        with triton.InferenceServerClient(site.watch().grpc) as opened:
            client: Any = opened
            patient(client.is_server_ready, waiting_for="the gateway to see its workers")
            calls = [
                threading.Thread(target=lambda: results.append(client.infer("slow", [given(some(1))], headers=key)))
                for _ in range(4)
            ]
            for call in calls:
                call.start()
            patient(lambda: _in_flight(site) == 4, waiting_for="the calls to be under way")
            assert site.stop() == 0
            for call in calls:
                call.join()
        assert len(results) == 4


def _in_flight(site: Site) -> int:
    answer = ask(site.runtime / "grpc-0.sock", "/status")
    return msgspec.json.decode(answer.body, type=Busy).in_flight
