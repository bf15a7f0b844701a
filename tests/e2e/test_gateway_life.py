"""The life of a real gateway worker: snapshots taken and refused, keys revoked, drains, memory and imports."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.contracts.asgi_server import Wire
from tests.e2e.clients import Hammer, patient
from tests.e2e.gateway_site import (
    CHAT,
    KEY,
    QUESTION,
    DevProvider,
    GatewayWorker,
    chat_endpoint,
    events,
    head_of,
    key,
    snapshot,
)

pytestmark = pytest.mark.e2e
HEAVY = (
    "sqlalchemy",
    "fastapi",
    "starlette",
    "pydantic",
    "numpy",
    "aiohttp",
    "alembic",
    "onnxruntime",
    "openvino",
    "typer",
)


@pytest.fixture(scope="module")
def provider() -> Iterator[DevProvider]:
    with DevProvider("--tokens", "40", "--delay", "10ms") as running:
        yield running


@pytest.fixture
def worker(provider: DevProvider, tmp_path: Path) -> Iterator[GatewayWorker]:
    provider.fails()
    with GatewayWorker(tmp_path, snapshot(provider.base_url)) as running:
        yield running


def test_a_revoked_key_is_dead_when_the_snapshot_says_so(worker: GatewayWorker) -> None:
    secret, known = key(7)
    assert worker.change(keys=(*worker.latest.keys, known)) == 2
    assert worker.post(secret=secret).status == 200
    worker.change(keys=worker.latest.keys[:-1])
    assert worker.post(secret=secret).status == 401
    worker.publish(msgspec.structs.replace(worker.latest, serial=9, keys=(*worker.latest.keys, known)))
    patient(lambda: worker.post(secret=secret).status == 200, waiting_for="the worker to look by itself")


def test_a_snapshot_that_cannot_be_used_is_refused_and_the_one_before_stays(worker: GatewayWorker) -> None:
    good = worker.latest
    bad = [
        msgspec.structs.replace(good, serial=5, endpoints=(chat_endpoint(provider="nobody"),)),
        msgspec.structs.replace(good, serial=5, split_salt="not hex"),
        msgspec.structs.replace(good, serial=5, v=99),
        msgspec.structs.replace(good, serial=0),
        msgspec.structs.replace(
            good, serial=5, providers=(msgspec.structs.replace(good.providers[0], kind="unknown"),)
        ),
    ]
    for content in [*map(msgspec.json.encode, bad), b"{", b"", b'{"v":1}']:
        part = worker.runtime / ".part"
        part.write_bytes(content)
        part.replace(worker.runtime / "snapshot.json")
        assert worker.own("POST", "/reload").json() == {"serial": 1}
        assert worker.post().status == 200
    patient(lambda: len(refusals(worker)) == len(bad) + 3)
    assert all(line["problem"] and line["level"] == "error" for line in refusals(worker))


def refusals(worker: GatewayWorker) -> list[dict[str, Any]]:
    return [line for line in worker.logged() if line["event"] == "snapshot_refused"]


def test_a_snapshot_of_another_manifest_is_not_taken(worker: GatewayWorker) -> None:
    worker.publish(msgspec.structs.replace(worker.latest, serial=5, manifest="sha256:of-an-earlier-run", endpoints=()))
    assert worker.own("POST", "/reload").json() == {"serial": 1}
    assert worker.post().status == 200


def test_before_its_first_snapshot_a_worker_answers_503(provider: DevProvider, tmp_path: Path) -> None:
    with GatewayWorker(tmp_path, snapshot(provider.base_url)) as worker:
        worker.stop()
        (worker.runtime / "snapshot.json").rename(worker.runtime / "later.json")
        starting = threading.Thread(target=worker.start)
        starting.start()
        patient(lambda: worker.get("/readyz").status == 503)
        assert worker.get("/healthz").status == 200
        answer = worker.post()
        assert (answer.status, answer.json()["error"]["code"]) == (503, "model_unavailable")
        (worker.runtime / "later.json").rename(worker.runtime / "snapshot.json")
        starting.join()
        assert worker.post().status == 200


def test_a_call_under_way_ends_under_the_snapshot_it_began_with(worker: GatewayWorker) -> None:
    with worker.streaming() as wire:
        assert wire.head()[0] == 200
        worker.change(endpoints=(), keys=())
        assert worker.post().status == 401
        assert events(b"".join(wire.chunks()))[-1] == "[DONE]"


def test_a_drain_finishes_streams_and_loses_nothing(worker: GatewayWorker) -> None:
    body = json.dumps(QUESTION).encode()
    with worker.streaming() as wire, Hammer(worker.port, CHAT, body=body, connections=4, **{"X-API-Key": KEY}) as crowd:
        _, headers = wire.head()
        crowd.wait_for(50)
        stopping = threading.Thread(target=worker.stop)
        stopping.start()
        assert events(b"".join(wire.chunks()))[-1] == "[DONE]"
        stopping.join()
        # The test holds the listening socket open, so what connects later waits; nobody who was taken in is lost.
        worker.start()
        crowd.wait_for(crowd.answered + 20)
    assert crowd.lost == []
    assert worker.row(headers["x-modelwright-call"]).outcome == "ok"
    assert {row.outcome for row in worker.outcomes()} == {"ok"}


def test_what_passes_the_grace_is_cut_and_told(tmp_path: Path) -> None:
    with (
        DevProvider("--tokens", "100000", "--delay", "20ms") as endless,
        GatewayWorker(tmp_path, snapshot(endless.base_url), grace=1.0) as worker,
        worker.streaming() as wire,
    ):
        _, headers = wire.head()
        assert worker.stop() == 0, "though the answer would take half an hour"
        assert b"[DONE]" not in wire.until_closed()
        row = worker.row(headers["x-modelwright-call"])
        assert (row.outcome, row.error) == ("failed", "draining")
        patient(lambda: endless.requests[0]["client_gone"])


def test_while_draining_a_worker_is_not_ready(provider: DevProvider, worker: GatewayWorker) -> None:
    provider.fails("hold@3")
    with worker.streaming() as wire, Wire(worker.port) as other:
        wire.head()
        stopping = threading.Thread(target=worker.stop)
        stopping.start()
        found, headers, body = _ready(other)
        while found == 200:
            found, headers, body = _ready(other)
        assert (found, headers["connection"]) == (503, "close")
        assert json.loads(body)["reason"] == "draining"
        provider.release()
        stopping.join()


def test_every_request_has_a_line_with_its_call(worker: GatewayWorker) -> None:
    call = worker.post(x_request_id="line-1").headers["x-modelwright-call"]
    worker.ask("GET", "/nothing")
    patient(lambda: len([line for line in worker.logged() if line["event"] == "request_finished"]) >= 3)
    lines = [line for line in worker.logged() if line["event"] == "request_finished"]
    (line,) = [line for line in lines if line["request_id"] == "line-1"]
    assert (line["part"], line["level"], line["path"], line["status"]) == ("gateway-0", "info", CHAT, 200)
    assert (line["call"]["call"], line["call"]["outcome"], line["client"]) == (call, "ok", "127.0.0.1")
    (other,) = [line for line in lines if line["status"] == 404]
    assert (other["path"], other["error"], other["level"]) == ("_other", "unknown_path", "warning")
    assert "3 plus 4" not in worker.log.read_text()


def test_an_idle_worker_is_small_and_loads_nothing_heavy(worker: GatewayWorker) -> None:
    worker.post()
    assert worker.busy().memory_mb < 80
    code = "import sys, modelwright.app.workers.gateway; print([n for n in sys.argv[1:] if n in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code, *HEAVY], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_memory_does_not_grow_with_calls(worker: GatewayWorker) -> None:
    def many(count: int) -> None:
        for _ in range(count):
            with Wire(worker.port) as wire:
                for _ in range(50):
                    body = json.dumps(QUESTION).encode()
                    wire.send(head_of(length=len(body)) + body)
                    assert wire.answer()[0] == 200

    many(20)
    weights = [worker.busy().memory_mb]
    for _ in range(3):
        many(20)
        weights.append(worker.busy().memory_mb)
    assert min(later - earlier for earlier, later in pairwise(weights)) < 1, weights
    assert weights[-1] - weights[0] < 10, weights


def _ready(wire: Wire) -> tuple[int, dict[str, str], bytes]:
    wire.send(b"GET /readyz HTTP/1.1\r\nhost: t\r\n\r\n")
    return wire.answer()
