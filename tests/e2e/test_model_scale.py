"""Replicas that follow what is asked of them, and models that their first call starts and idleness ends."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.clients import Hammer, patient
from tests.e2e.running import Site, alive, running
from tests.e2e.test_up import INFER

pytestmark = pytest.mark.e2e
TEXT = """
schema: 1
name: toys
models:
  busy:
    source: ./sums.json
    engine: {kind: toy-tensor, options: {delay_ms: 20}}
    batching: {max_rows: 1}
    scale: {min: 1, max: 3, on: {in_flight: 2}, idle: 2s}
  sleepy:
    source: ./sums.json
    engine: {kind: toy-tensor, options: {load_ms: 300}}
    scale: {min: 0, idle: 1s}
  broken: {source: ./cut-short.json, engine: {kind: toy-tensor}, scale: {min: 0}}
gateway: {workers: 2}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("scale")
    (folder / "sums.json").write_text('{"toy": 1, "columns": 4}')
    (folder / "cut-short.json").write_text('{"toy": 1, "col')
    with running(TEXT, folder=folder) as found:
        yield found


def ready(site: Site, model: str) -> list[int]:
    """Processes of a model."""
    parts = [part for part in site.watch().parts if part.name.startswith(f"serving-{model}")]
    return [part.pid for part in parts if part.state == "ready"]


def infer(site: Site, model: str) -> int:
    return site.call("POST", f"/v2/models/{model}/infer", INFER).status


def test_replicas_follow_the_calls_and_nobody_loses_one(site: Site) -> None:
    assert len(ready(site, "busy")) == 1
    key = f"Bearer {site.key}"
    with Hammer(site.port, "/v2/models/busy/infer", connections=12, body=INFER, authorization=key) as hammer:
        patient(lambda: len(ready(site, "busy")) == 3, waiting_for="three replicas")
        pids = ready(site, "busy")
        hammer.wait_for(hammer.answered + 100)
    assert not hammer.lost
    patient(lambda: len(ready(site, "busy")) == 1, waiting_for="the others to go")
    patient(lambda: sum(alive(pid) for pid in pids) == 1, waiting_for="their processes to end")
    assert infer(site, "busy") == 200


def test_many_first_calls_start_one_process_and_idleness_ends_it(site: Site) -> None:
    assert ready(site, "sleepy") == []
    details = {part.detail for part in site.watch().parts if part.name == "serving-sleepy"}
    assert details == {"asleep; its first call starts it"}
    for _ in range(2):
        together = threading.Barrier(16)

        def call(together: threading.Barrier = together) -> int:
            together.wait()
            return infer(site, "sleepy")

        with ThreadPoolExecutor(16) as threads:
            assert {answer.result() for answer in [threads.submit(call) for _ in range(16)]} == {200}
        (pid,) = ready(site, "sleepy")
        patient(lambda: ready(site, "sleepy") == [], waiting_for="it to go to sleep")
        patient(lambda pid=pid: not alive(pid), waiting_for="its process to end")
    assert site.call("GET", "/v2/health/ready").status == 200, "who sleeps is no fault"


def test_calls_while_a_model_goes_to_sleep_are_answered(site: Site) -> None:
    """One call after the other, each about when the process of the one before ends."""
    for number in range(3):
        assert infer(site, "sleepy") == 200
        patient(lambda: not ready(site, "sleepy"), waiting_for="its end to begin")
        threading.Event().wait(0.1 * number)
    assert infer(site, "sleepy") == 200


def test_a_model_that_cannot_be_started_answers_503_and_rests(site: Site) -> None:
    assert infer(site, "broken") == 503
    patient(lambda: any("could not be started" in part.detail for part in site.watch().parts))
    assert infer(site, "broken") == 503, "at once: nobody tries it again yet"
    assert infer(site, "sleepy") == 200, "its neighbours go on"
