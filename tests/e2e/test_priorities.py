"""Requests that go before others: NVIDIA's client, a real worker that is busy, and the order of its answers."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import tritonclient.http as triton

from modelwright.app.parts import LevelsPart
from tests.e2e.clients import patient
from tests.e2e.serving_worker import Worker, serving, toy

pytestmark = pytest.mark.e2e
LOW = 12


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    folder = tmp_path_factory.mktemp("levels")
    levels = LevelsPart(count=2, default=2, patience=100, queue_rows={2: LOW})
    with serving(folder, toy(folder, delay_ms=60), max_rows=1, levels=levels) as running:
        yield running


def test_a_request_of_high_priority_goes_before_those_that_wait_longer(worker: Worker) -> None:
    ends: list[float] = []

    def ask(value: float, priority: int) -> None:
        given = triton.InferInput("x", [1, 4], "FP32")
        given.set_data_from_numpy(np.full((1, 4), value, np.float32))
        with triton.InferenceServerClient(f"127.0.0.1:{worker.port}") as client:
            result = client.infer("m", [given], priority=priority)
        found = result.as_numpy("total")
        assert found is not None
        ends.append(float(found[0]))

    low = [threading.Thread(target=ask, args=(1.0, 0)) for _ in range(LOW)]
    for thread in low:
        thread.start()
    patient(lambda: worker.busy().queued >= LOW // 2, waiting_for="the queue to fill")
    high = threading.Thread(target=ask, args=(2.0, 1))
    high.start()
    for thread in (*low, high):
        thread.join(timeout=60)
    assert len(ends) == LOW + 1
    assert ends.index(8.0) < LOW - 1


@pytest.mark.parametrize("priority", ["-1", "1.5", '"high"', "true"])
def test_priority_that_is_no_level_is_refused(worker: Worker, priority: str) -> None:
    inputs = '[{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]'
    body = f'{{"inputs": {inputs}, "parameters": {{"priority": {priority}}}}}'
    reply = worker.call("POST", "/v2/models/m/infer", body.encode())
    assert reply.status == 400
    assert "priority" in reply.json()["error"]
