"""A real gateway worker that is asked more than its processor can answer: what it cannot take is refused at once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from modelwright.core.contracts.guard import EndpointGuard, GuardSide
from tests.contracts.asgi_server import Wire
from tests.e2e.clients import patient
from tests.e2e.gateway_site import QUESTION, DevProvider, GatewayWorker, chat_endpoint, head_of, snapshot

pytestmark = pytest.mark.e2e
CLIENTS = 240
PROSE = "Whoever reads this text for numbers and names finds neither, but has to look at all of it. " * 80


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[GatewayWorker]:
    looked_at = chat_endpoint(guard=EndpointGuard(input=GuardSide(pii="mask", injection="flag")))
    with DevProvider() as provider, GatewayWorker(tmp_path, snapshot(provider.base_url, endpoints=(looked_at,))) as one:
        yield one


class Flood:
    """Clients that ask for much work without a pause, each on one connection."""

    def __init__(self, port: int) -> None:
        body = msgspec.json.encode({**QUESTION, "messages": [{"role": "user", "content": PROSE}]})
        self.seen: Counter[tuple[int, str]] = Counter()
        self.broken: list[str] = []
        self._port = port
        self._request = head_of(length=len(body)) + body
        self._enough = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join(60)

    def _call(self) -> None:
        try:
            with Wire(self._port) as wire:
                while not self._enough.is_set():
                    wire.send(self._request)
                    status, headers, answer = wire.answer()
                    code = msgspec.json.decode(answer)["error"]["code"] if status != 200 else ""
                    self.seen[status, code] += "x-request-id" in headers and (status == 200 or "retry-after" in headers)
        except (EOFError, OSError, ValueError) as error:
            self.broken.append(repr(error))


def turned_away(worker: GatewayWorker) -> float:
    (line,) = [line for line in worker.metrics().splitlines() if line.startswith("modelwright_turned_away_total ")]
    return float(line.split()[1])


def test_what_the_processor_cannot_answer_is_turned_away_and_what_it_takes_is_answered(worker: GatewayWorker) -> None:
    flood = Flood(worker.port)
    try:
        patient(lambda: flood.seen[429, "overloaded"] > 100, seconds=240, waiting_for="refusals")
        assert worker.get("/healthz").status == 200
    finally:
        flood.finish()
    assert not flood.broken
    assert set(flood.seen) == {(200, ""), (429, "overloaded")}
    refused = flood.seen[429, "overloaded"]
    patient(lambda: turned_away(worker) == refused, waiting_for=f"{refused} that were turned away: none was a call")
    patient(lambda: len(worker.outcomes()) >= flood.seen[200, ""], waiting_for="the rows")
    assert len(worker.outcomes()) == flood.seen[200, ""]
    patient(lambda: worker.busy().in_flight == 0)
    before = turned_away(worker)
    assert [worker.post().status for _ in range(20)] == [200] * 20
    assert turned_away(worker) == before
