"""A serving worker among poison, floods, clients that leave, crashes and hostile requests."""

import contextlib
import http.client
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelwright.adapters.engines.toy_tensor import CRASH_STATUS
from modelwright.app.parts import ModelPart
from modelwright.core.wire.v2 import ITEM_BYTES
from tests.e2e.clients import patient
from tests.e2e.running import Reply
from tests.e2e.serving_worker import INFER, Worker, first_column, request, serving, toy
from tests.making.onnx_models import double, pick

pytestmark = pytest.mark.e2e
POISON = 13.0


def row(value: float) -> list[list[float]]:
    return [[value, 0, 0, 0]]


def behind_a_slow_batch(worker: Worker, values: list[float]) -> tuple[list[Reply], bool]:
    """Send all, one after the other, while the engine is busy; their answers, and whether they waited together."""
    with contextlib.ExitStack() as stack:
        first, *others = (stack.enter_context(contextlib.closing(_opened(worker))) for _ in range(len(values) + 1))
        first.request("POST", INFER, request(row(-1) * 32))
        patient(lambda: worker.busy().in_flight == 1)
        for connection, value in zip(others, values, strict=True):
            connection.request("POST", INFER, request(row(value)))
        seen = [worker.busy()]
        while seen[-1].queued < len(values) and seen[-1].in_flight:
            seen.append(worker.busy())
        assert first_column(_answer(first)) == [-2] * 32
        return [_answer(connection) for connection in others], seen[-1].queued == len(values)


def _opened(worker: Worker) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection("127.0.0.1", worker.port, timeout=60)
    connection.connect()
    return connection


def _answer(connection: http.client.HTTPConnection) -> Reply:
    answer = connection.getresponse()
    return Reply(answer.status, dict(answer.getheaders()), answer.read())


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A worker whose every batch takes 20 ms and 20 more for each row, and fails when it holds the poison."""
    folder = tmp_path_factory.mktemp("toy")
    with serving(folder, toy(folder, delay_ms=20, delay_ms_per_row=20, poison=POISON)) as worker:
        yield worker


@pytest.mark.parametrize("place", range(8))
def test_poison_fails_alone_in_every_place_of_a_batch(slow: Worker, place: int) -> None:
    values = [float(value) for value in range(20, 28)]
    values[place] = POISON
    while True:  # a machine that stands still for long lets the engine have them one by one
        patient(lambda: slow.busy().in_flight == 0)
        before = slow.metric("split_batches_total")
        replies, together = behind_a_slow_batch(slow, values)
        if together:
            break
    patient(lambda: slow.metric("split_batches_total") == before + 1, waiting_for="one batch that was split")
    for value, reply in zip(values, replies, strict=True):
        if value == POISON:
            assert reply.status == 500
            assert "poison" in reply.json()["error"]
        else:
            assert first_column(reply) == [2 * value]


WRONG: list[tuple[dict[str, Any], int, str]] = [
    ({"datatype": "FP64"}, 400, "has datatype 'FP64' (the model takes FP32"),
    ({"datatype": "INT32"}, 400, "has datatype 'INT32' (the model takes FP32"),
    ({"datatype": "BYTES", "data": ["a"] * 4}, 400, "has datatype 'BYTES' (the model takes FP32"),
    ({"shape": [-1, 4]}, 400, "has size -1 in dimension 0"),
    ({"shape": [-1, -4]}, 400, "has size -1 in dimension 0"),
    ({"shape": [2, 4]}, 400, "has data of 4 elements, but states shape [2, 4]"),
    ({"shape": [4]}, 400, "has 1 dimension ("),
    ({"shape": [1, 2**62]}, 400, "in dimension 1"),
    ({"shape": [2**62, 4]}, 413, "by its shape"),
]
"""What is wrong with one row of four, and what is said of it."""


def test_a_wrong_type_or_a_lying_shape_is_refused_beside_good_ones_that_wait(slow: Worker) -> None:
    rows, left = slow.metric("rows_total"), slow.metric("split_batches_total")
    with ThreadPoolExecutor(8) as threads:
        first = threads.submit(slow.infer, row(-1) * 32)
        patient(lambda: slow.busy().in_flight == 1)
        good = [threads.submit(slow.infer, row(value)) for value in (20, 21, 22)]
        patient(lambda: slow.busy().queued == 3 or first.done())
        for wrong, status, words in WRONG:
            tensor = {"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]} | wrong
            reply = slow.call("POST", INFER, msgspec.json.encode({"inputs": [tensor]}))
            assert reply.status == status, (wrong, reply)
            assert words in reply.json()["error"]
        assert [first_column(reply.result()) for reply in good] == [[40], [42], [44]]
        assert first_column(first.result()) == [-2] * 32
    assert slow.metric("rows_total") == rows + 35, "nothing that was refused came to the engine"
    assert slow.metric("split_batches_total") == left, "none of it was in a batch"


def test_poison_of_a_real_engine_fails_alone(tmp_path: Path) -> None:
    part = ModelPart(model="m", engine="onnxruntime", wire="v2", path=str(pick(tmp_path / "pick.onnx")))

    def ask(index: int) -> Reply:
        data = {"name": "index", "shape": [1], "datatype": "INT64", "data": [index]}
        return worker.call("POST", INFER, msgspec.json.encode({"inputs": [data]}))

    with serving(tmp_path, part) as worker, ThreadPoolExecutor(16) as threads:
        indices = [7 if number % 16 == 3 else number % 3 for number in range(320)]
        replies = list(threads.map(ask, indices))
        patient(lambda: worker.busy().in_flight == 0)
    for index, reply in zip(indices, replies, strict=True):
        if index == 7:
            assert reply.status == 422
            assert "the model refuses these values" in reply.json()["error"]
        else:
            assert reply.json()["outputs"][0]["data"] == [10 * (index + 1), 10 * (index + 1) + 1]


def test_flood_is_bounded_and_every_request_is_answered(tmp_path: Path) -> None:
    with serving(tmp_path, toy(tmp_path, delay_ms=500), max_rows=4, queue_rows=8) as worker:
        with ThreadPoolExecutor(64) as threads:
            replies = list(threads.map(lambda value: worker.infer(row(value)), range(64)))
        statuses = Counter(reply.status for reply in replies)
        assert set(statuses) == {200, 429}
        assert statuses[200] >= 8
        assert worker.metric("overloaded_total") == statuses[429]
        for reply in replies:
            assert reply.status == 200 or int(reply.headers["retry-after"]) >= 1
        assert first_column(worker.infer(row(1))) == [2]


def test_memory_that_may_wait_is_bounded(tmp_path: Path) -> None:
    body = request([[0.0] * 4] * 200)
    with serving(tmp_path, toy(tmp_path, delay_ms=400), queue_bytes=3 * len(body)) as worker:
        with ThreadPoolExecutor(32) as threads:
            replies = list(threads.map(lambda _: worker.call("POST", INFER, body), range(32)))
        assert {reply.status for reply in replies} == {200, 429}


def test_requests_of_clients_that_left_are_not_computed(tmp_path: Path) -> None:
    with serving(tmp_path, toy(tmp_path, delay_ms_per_row=80)) as worker, ThreadPoolExecutor(1) as threads:
        before = worker.metric("rows_total")
        first = threads.submit(worker.infer, row(1) * 32)
        patient(lambda: worker.busy().in_flight == 1)
        leaving = [_sent(worker, row(2)) for _ in range(100)]
        patient(lambda: worker.busy().in_flight == 101)
        for connection in leaving:
            connection.close()
        patient(lambda: worker.busy().in_flight <= 1)
        assert first_column(first.result()) == [2] * 32
        assert first_column(worker.infer(row(3))) == [6]
        patient(lambda: worker.metric("rows_total") == before + 33, waiting_for="the rows of two requests")
        patient(lambda: worker.metric("abandoned_total") == 100)


def _sent(worker: Worker, rows: list[list[float]]) -> socket.socket:
    body = request(rows)
    connection = socket.create_connection(("127.0.0.1", worker.port))
    # leave by a reset: a client that only ends its own side is believed to listen for another half second
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.sendall(
        b"POST %b HTTP/1.1\r\nHost: m\r\nContent-Length: %d\r\n\r\n" % (INFER.encode(), len(body)) + body
    )
    return connection


def test_half_a_request_holds_nobody_up(tmp_path: Path) -> None:
    with serving(tmp_path, toy(tmp_path)) as worker:
        halves = [socket.create_connection(("127.0.0.1", worker.port)) for _ in range(20)]
        for connection in halves:
            connection.sendall(b"POST /v2/models/m/infer HTTP/1.1\r\nHost: m\r\nContent-Length: 500\r\n\r\n{")
        assert first_column(worker.infer(row(3))) == [6]
        for connection in halves:
            connection.close()
        patient(lambda: worker.busy().in_flight == 0)
        assert first_column(worker.infer(row(3))) == [6]


def test_health_answers_while_the_engine_computes(slow: Worker) -> None:
    with ThreadPoolExecutor(1) as threads:
        working = threads.submit(slow.infer, row(1) * 100)
        patient(lambda: slow.busy().in_flight == 1)
        assert slow.call("GET", "/healthz").status == 200
        assert slow.call("GET", "/metrics").status == 200
        assert not working.done()
        assert first_column(working.result()) == [2] * 100


def test_native_crash_ends_the_process_and_says_so(tmp_path: Path) -> None:
    with serving(tmp_path, toy(tmp_path, crash=99.0)) as worker:
        with pytest.raises((http.client.HTTPException, OSError)):
            worker.infer(row(99))
        assert worker.end() == CRASH_STATUS


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    folder = tmp_path_factory.mktemp("onnx")
    part = ModelPart(model="m", engine="onnxruntime", wire="v2", path=str(double(folder / "double.onnx")))
    with serving(folder, part) as worker:
        yield worker


numbers = st.one_of(st.integers(-3, 6), st.integers(), st.sampled_from([2**31, 2**32, 2**63, -(2**63), 2**64]))
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, st.floats(), st.text(max_size=4)),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=10,
)
tensors = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["x", "x", "x", "y", ""]),
        "shape": st.lists(numbers, max_size=4) | st.just([1, 4]),
        "datatype": st.sampled_from([*ITEM_BYTES, "BYTES", "FP32", "FP32", "TF32"]),
    },
    optional={
        "data": st.lists(numbers | st.floats(), max_size=8) | anything,
        "parameters": st.fixed_dictionaries({"binary_data_size": numbers}) | anything,
    },
)
hostile = st.fixed_dictionaries(
    {"inputs": st.lists(tensors, max_size=3) | anything},
    optional={"outputs": anything, "parameters": anything, "id": anything},
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(hostile, st.none() | st.binary(max_size=40))
def test_hostile_request_is_refused_and_the_worker_lives(real: Worker, content: Any, rest: bytes | None) -> None:
    head = msgspec.json.encode(content)
    headers = {} if rest is None else {"Inference_Header_Content_Length": str(len(head))}
    reply = real.call("POST", INFER, head + (rest or b""), **headers)
    assert reply.status in (200, 400, 413, 422), (reply, content)
    if reply.status != 200:
        assert set(reply.json()) == {"error"}
        assert len(reply.body) < 2000


@settings(max_examples=100)
@given(st.binary(max_size=300))
def test_any_bytes_as_body_are_refused(real: Worker, body: bytes) -> None:
    assert real.call("POST", INFER, body).status == 400


def test_worker_is_unharmed_by_all_this(real: Worker) -> None:
    assert first_column(real.infer(row(2))) == [4]
    assert real.process.poll() is None
    patient(lambda: real.busy().in_flight == 0)


@pytest.mark.parametrize(
    "lines",
    [
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v2/models/m/infer HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST /v2/models/m/infer HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"\x00\x01\x02\x03\r\n\r\n",
        b"POST /v2/models/m/infer HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /v2/models/%00%ff HTTP/1.1\r\nHost: m\r\n\r\n",
    ],
)
def test_broken_http_disturbs_nobody(real: Worker, lines: bytes) -> None:
    with socket.create_connection(("127.0.0.1", real.port), timeout=60) as connection:
        connection.sendall(lines)
        connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            connection.recv(4096)
    assert first_column(real.infer(row(2))) == [4]


def test_many_connections_at_once(real: Worker) -> None:
    wrong: list[Reply] = []

    def work(number: int) -> None:
        for step in range(20):
            value = float(100 * number + step)
            reply = real.infer(row(value))
            if reply.status != 200 or reply.json()["outputs"][0]["data"][0] != 2 * value:
                wrong.append(reply)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
