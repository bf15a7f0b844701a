"""Text models under stress: a worker killed in mid-stream, a client that leaves, a flood, a broken engine."""

import concurrent.futures
import http.client
import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from modelwright.core.status import Busy
from tests.e2e.clients import ask, patient
from tests.e2e.running import Site, running

pytestmark = pytest.mark.e2e

MANIFEST = """
schema: 1
name: slow
models:
  echo:
    source: ./model.toy
    engine: {kind: toy-text, context: 4096, options: {delay: 0.01, break_on: 35}}
    batching: {max_sequences: 2, queue_rows: 4}
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "model.toy").write_bytes(b"toy")
    with running(MANIFEST, folder=tmp_path) as started:
        patient(
            lambda: started.call("GET", "/v2/health/ready").status == 200, waiting_for="the gateway to see the worker"
        )
        yield started


def _body(content: str, *, stream: bool = True) -> bytes:
    return json.dumps({"model": "echo", "stream": stream, "messages": [{"role": "user", "content": content}]}).encode()


def _opened(site: Site, content: str) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
    headers = {"Authorization": f"Bearer {site.key}"}
    connection.request("POST", "/v1/chat/completions", _body(content), headers)
    return connection, connection.getresponse()


def _said(site: Site, content: str) -> str | None:
    """The echo, or None while the worker is away, which is all that may keep it from answering."""
    reply = site.call("POST", "/v1/chat/completions", _body(content, stream=False))
    assert reply.status in {200, 503}, reply
    return reply.json()["choices"][0]["message"]["content"] if reply.status == 200 else None


def _busy(site: Site) -> Busy:
    return msgspec.json.decode(ask(site.runtime / "serving-echo-0.sock", "/status").body, type=Busy)


def _rows(site: Site, count: int) -> list[dict[str, Any]]:
    """The ledger once it holds so many rows, all of them settled."""
    patient(lambda: len(_settled(site)) >= count, waiting_for=f"{count} settled rows in the ledger")
    return _settled(site)


def _settled(site: Site) -> list[dict[str, Any]]:
    rows = json.loads(ask(site.runtime / "control.sock", "/ledger?limit=100").body)
    return [row for row in rows if row["outcome"] != "intent"]


def test_a_worker_killed_in_mid_stream_ends_the_stream_with_an_error_and_comes_back(site: Site) -> None:
    connection, answer = _opened(site, "x" * 3000)
    assert answer.status == 200
    first = answer.readline()
    assert first.startswith(b"data: ")
    os.kill(site.part("serving-echo-0").pid, signal.SIGKILL)
    rest = answer.read().decode()
    connection.close()
    assert "[DONE]" not in rest
    assert json.loads(rest.strip().splitlines()[-1].removeprefix("data: "))["error"]["code"] == "model_unavailable"
    site.wait_for("serving-echo-0", "ready", restarts=1)
    patient(lambda: _said(site, "well") == "well", waiting_for="the gateway to see the new worker")
    patient(
        lambda: {row["outcome"] for row in _settled(site)} == {"model_unavailable", "ok"},
        waiting_for="both outcomes in the ledger",
    )


def test_a_client_that_leaves_frees_the_engine(site: Site) -> None:
    for _ in range(5):
        connection, answer = _opened(site, "x" * 3000)
        answer.readline()
        answer.close()
        connection.close()
    patient(lambda: _busy(site).in_flight == 0, waiting_for="the engine to be free")
    rows = _rows(site, 5)
    assert {row["outcome"] for row in rows} == {"client_disconnect"}
    assert all(row["chunks"] >= 1 for row in rows)


def test_a_flood_is_bounded_and_the_rest_is_told_when_to_come_back(site: Site) -> None:
    def called(_: int) -> tuple[int, str]:
        reply = site.call("POST", "/v1/chat/completions", _body("0123456789" * 3, stream=False))
        return reply.status, reply.headers.get("retry-after", "")

    def asked() -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=60)
        connection.request("POST", "/v1/chat/completions", _body("x" * 3000), {"Authorization": f"Bearer {site.key}"})
        return connection

    many = [asked() for _ in range(6)]
    patient(lambda: _busy(site).in_flight == 6, waiting_for="two to run and four to wait")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        refused = list(pool.map(called, range(20)))
    assert {status for status, _ in refused} == {429}
    assert all(retry for _, retry in refused)
    for connection in many:
        connection.close()
    patient(lambda: called(0)[0] == 200, waiting_for="places")
    patient(
        lambda: (
            (Counter(row["outcome"] for row in _settled(site)) & Counter(client_disconnect=9, ok=9)).items()
            == {("client_disconnect", 6), ("ok", 1)}
        ),
        waiting_for="a row of each that was let in",
    )


def test_a_broken_engine_is_replaced(site: Site) -> None:
    broken = site.call("POST", "/v1/chat/completions", _body("ab#", stream=False))
    assert (broken.status, broken.headers["retry-after"]) == (503, "1")
    site.wait_for("serving-echo-0", "ready", restarts=1)
    patient(lambda: _said(site, "fine") == "fine", waiting_for="the gateway to see the new worker")
