"""Our own models behind the gateway of a whole `modelwright up`: two replicas, one of which dies again and again."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.clients import patient
from tests.e2e.running import Site, running
from tests.e2e.serving_worker import request

pytestmark = pytest.mark.e2e

MANIFEST = """
schema: 1
name: replicas
models:
  toy: {source: ./toy.json, engine: {kind: toy-tensor, options: {delay_ms: 20, load_ms: 1000}}, scale: {min: 2}}
endpoints:
  renamed: {variants: {only: {serve: toy}}}
"""
INFER = "/v2/models/renamed/infer"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    (folder / "toy.json").write_bytes(b'{"toy": 1, "columns": 4}')
    with running(MANIFEST, folder=folder) as site:
        yield site


def test_an_endpoint_may_have_another_name_than_its_model(site: Site) -> None:
    assert site.call("POST", INFER, request([[1, 2, 3, 4]])).status == 200
    assert site.call("GET", "/v2/models/renamed").json()["inputs"]
    assert site.call("GET", "/v2/models/renamed/ready").status == 200
    assert site.call("POST", "/v2/models/toy/infer", request([[1, 2, 3, 4]])).status == 404


def test_versions_are_the_workers_business(site: Site) -> None:
    assert site.call("GET", "/v2/models/renamed/versions/nine").status == 404
    answer = site.call("POST", "/v2/models/renamed/versions/nine/infer", request([[1, 2, 3, 4]]))
    assert (answer.status, "error" in answer.json()) == (404, True)


def test_readiness_needs_a_key_and_server_readiness_does_not(site: Site) -> None:
    nobody = {"Authorization": ""}
    assert site.call("GET", "/v2/models/renamed/ready", headers=nobody).status == 401
    patient(lambda: site.call("GET", "/v2/health/ready", headers=nobody).status == 200)


def test_both_replicas_work_and_one_may_die(site: Site) -> None:
    names = [part.name for part in site.watch().parts if part.kind == "serving"]
    assert len(names) == 2
    for name in names:
        statuses: Counter[int] = Counter()
        with ThreadPoolExecutor(8) as pool:
            calls = [pool.submit(site.call, "POST", INFER, request([[1, 2, 3, 4]])) for _ in range(200)]
            patient(lambda calls=calls: sum(call.done() for call in calls) >= 40)
            before = site.part(name)
            os.kill(before.pid, signal.SIGKILL)
            for call in calls:
                statuses[call.result().status] += 1
        assert statuses[200] >= 200 - 16
        assert statuses.keys() <= {200, 503}
        site.wait_for(name, "ready", restarts=before.restarts + 1)
        patient(lambda: site.call("GET", "/v2/health/ready").status == 200)
        assert site.call("POST", INFER, request([[1, 2, 3, 4]])).status == 200


def refuses(site: Site) -> bool:
    """Whether a call is refused at once; one that waits at a worker's door is given up."""
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=2)
    with contextlib.closing(connection), contextlib.suppress(TimeoutError):
        connection.request("POST", INFER, request([[1, 2, 3, 4]]), {"Authorization": f"Bearer {site.key}"})
        return connection.getresponse().status == 503
    return False


def test_a_model_without_a_worker_is_503_at_once_until_it_is_back(site: Site) -> None:
    parts = [part for part in site.watch().parts if part.kind == "serving"]
    os.kill(site.pid, signal.SIGSTOP)  # nobody starts them again while the test looks
    try:
        for part in parts:
            os.kill(part.pid, signal.SIGKILL)
        patient(lambda: site.call("GET", "/v2/models/renamed/ready").status == 503, waiting_for="both to be lost")
        patient(lambda: refuses(site), waiting_for="a call to be refused")
        answer = site.call("POST", INFER, request([[1, 2, 3, 4]]))
        assert answer.status == 503
        assert answer.headers["retry-after"] == "1"
        assert "error" in answer.json()
        assert site.call("GET", "/readyz").status == 200
    finally:
        os.kill(site.pid, signal.SIGCONT)
    for part in parts:
        site.wait_for(part.name, "ready", restarts=part.restarts + 1)
    patient(lambda: site.call("POST", INFER, request([[1, 2, 3, 4]])).status == 200)
    patient(lambda: site.call("GET", "/v2/health/ready").status == 200)
