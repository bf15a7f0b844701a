"""The ledger of a real gateway worker: true after kill -9 at any moment, and no call without it."""

from __future__ import annotations

import fcntl
import json
import resource
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

import pytest

from modelwright.core.contracts.ledger import LedgerRow
from tests.contracts.asgi_server import Wire
from tests.e2e.clients import patient
from tests.e2e.gateway_site import QUESTION, DevProvider, GatewayWorker, events, head_of, snapshot

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def provider() -> Iterator[DevProvider]:
    with DevProvider("--tokens", "20", "--delay", "5ms") as running:
        yield running


@pytest.fixture
def worker(provider: DevProvider, tmp_path: Path) -> Iterator[GatewayWorker]:
    provider.fails()
    with GatewayWorker(tmp_path, snapshot(provider.base_url)) as running:
        yield running


class Crowd:
    """Clients that call without a pause, half of them streaming, and note each call that was answered to its end."""

    def __init__(self, worker: GatewayWorker, clients: int) -> None:
        self.acknowledged: set[str] = set()
        self._worker = worker
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(clients)
        for number in range(clients):
            self._pool.submit(self._call, stream=bool(number % 2))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    def finish(self) -> None:
        """Until every client has stopped."""
        self._stop.set()
        self._pool.shutdown()

    def _call(self, *, stream: bool) -> None:
        body = json.dumps({**QUESTION, "stream": stream}).encode()
        while not self._stop.is_set():
            try:
                with Wire(self._worker.port) as wire:
                    while not self._stop.is_set():
                        wire.send(head_of(length=len(body)) + body)
                        status, headers, answer = wire.answer()
                        if status == 200 and (not stream or events(answer)[-1] == "[DONE]"):
                            self.acknowledged.add(headers["x-modelwright-call"])
            except (EOFError, OSError, ValueError):
                continue


def by_call(lines: list[LedgerRow]) -> dict[str, list[LedgerRow]]:
    found: dict[str, list[LedgerRow]] = {}
    for line in lines:
        found.setdefault(line.call, []).append(line)
    return found


def test_no_acknowledged_call_is_lost_when_the_worker_is_killed(provider: DevProvider, worker: GatewayWorker) -> None:
    clients = 12
    with Crowd(worker, clients) as crowd:
        for round_ in range(6):
            target = len(crowd.acknowledged) + 60
            patient(lambda target=target: len(crowd.acknowledged) >= target, waiting_for=f"{target} answers")
            worker.kill()
            torn = [line for line in _raw_lines(worker) if not line.endswith(b"}")]
            assert len(torn) <= round_ + 1
            worker.start()
    patient(lambda: worker.busy().in_flight == 0)
    rows = by_call(worker.lines())
    unresolved = {call for call, lines in rows.items() if lines[-1].outcome == "intent"}
    assert crowd.acknowledged <= {call for call, lines in rows.items() if lines[-1].outcome == "ok"}
    assert len(unresolved) <= clients * 6
    assert all(Counter(line.outcome == "intent" for line in lines)[False] <= 1 for lines in rows.values())
    dispatched = [call for call, lines in rows.items() if any(line.outcome == "intent" for line in lines)]
    assert provider.seen()["received"] <= len(dispatched)
    assert len(dispatched) - provider.seen()["received"] <= clients * 6


def test_sums_equal_the_upstreams_when_nothing_breaks(provider: DevProvider, worker: GatewayWorker) -> None:
    with Crowd(worker, 8) as crowd:
        patient(lambda: len(crowd.acknowledged) >= 200, waiting_for="200 answers")
    patient(lambda: worker.busy().in_flight == 0)
    outcomes = worker.outcomes()
    assert provider.seen()["received"] == len(outcomes) == len({row.call for row in outcomes})
    served = [row for row in outcomes if row.outcome == "ok"]
    assert sum(row.output_tokens or 0 for row in served) == 20 * len(served)


def test_the_outcome_is_written_before_the_last_byte_goes_out(worker: GatewayWorker) -> None:
    for _ in range(30):
        call = worker.post().headers["x-modelwright-call"]
        assert worker.lines()[-1].call == call
        assert worker.lines()[-1].outcome == "ok"
        with worker.streaming() as wire:
            _, headers = wire.head()
            for chunk in wire.chunks():
                if b"[DONE]" in chunk:
                    assert worker.lines()[-1].call == headers["x-modelwright-call"]
                    assert worker.lines()[-1].outcome == "ok"


def test_a_file_is_locked_as_long_as_its_writer_lives(worker: GatewayWorker) -> None:
    worker.post()
    (path,) = worker.spool.glob("*.jsonl")
    assert path.name.startswith(f"gateway-0-{worker.process.pid}-")
    assert path.stat().st_mode & 0o777 == 0o600
    with path.open("rb") as file:
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        worker.kill()
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_without_a_ledger_nothing_is_dispatched(provider: DevProvider, tmp_path: Path) -> None:
    provider.fails()
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "spool").write_text("in the way")
    with GatewayWorker(tmp_path, snapshot(provider.base_url)) as worker:
        for stream in (False, True):
            answer = worker.post({**QUESTION, "stream": stream})
            assert (answer.status, answer.json()["error"]["code"]) == (503, "ledger_unavailable")
            assert "retry-after" in answer.headers
        assert provider.seen()["received"] == 0
        assert "modelwright_ledger_intent_failures_total 2.0" in worker.metrics()
        (tmp_path / "state" / "spool").unlink()
        answer = worker.post()
        assert answer.status == 200
        patient(lambda: len(worker.outcomes()) == 3, waiting_for="the refusals' rows too")
        assert sorted(row.outcome for row in worker.outcomes()) == ["ok", "refused", "refused"]


def test_a_full_disk_refuses_new_calls_and_keeps_the_outcomes_of_those_under_way(
    provider: DevProvider, worker: GatewayWorker
) -> None:
    provider.fails("hold@3x1")
    with worker.streaming() as wire:
        _, headers = wire.head()
        (path,) = worker.spool.glob("*.jsonl")
        # Every further byte of a file fails, as on a full disk: rows of 300 bytes do not fit into 100 more.
        limit = path.stat().st_size + 100
        resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        assert worker.post().status == 503
        provider.release()
        assert events(b"".join(wire.chunks()))[-1] == "[DONE]"
    assert provider.seen()["received"] == 1
    patient(lambda: "modelwright_ledger_waiting 2.0" in worker.metrics(), waiting_for="two rows that wait")
    assert path.read_bytes().endswith(b"\n")
    resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert worker.row(headers["x-modelwright-call"]).outcome == "ok"
    assert worker.post().status == 200
    patient(lambda: "modelwright_ledger_waiting 0.0" in worker.metrics(), waiting_for="every row to be written")
    assert "modelwright_ledger_outcome_failures_total 2.0" in worker.metrics()


def test_a_spool_that_is_deleted_under_the_worker_is_begun_again(worker: GatewayWorker) -> None:
    worker.post()
    for path in worker.spool.glob("*.jsonl"):
        path.unlink()
    patient(lambda: any("deleted" in line.get("message", "") for line in worker.logged()))
    call = worker.post().headers["x-modelwright-call"]
    assert worker.row(call).outcome == "ok"


def _raw_lines(worker: GatewayWorker) -> list[bytes]:
    return [line for path in worker.spool.glob("*.jsonl") for line in path.read_bytes().split(b"\n") if line]
