"""Closed and open loops over an endpoint that takes as long as the test says."""

import asyncio

from modelwright.app.bench.figures import Load, Sample
from modelwright.app.bench.load import MOST, UNSENT, under
from modelwright.app.system import SystemClock


class Endpoint:
    """Answers after a while, and counts."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.at_once = 0
        self.most_at_once = 0
        self.planned: list[float] = []

    async def send(self, planned: float) -> Sample:
        self.planned.append(planned)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(self._seconds)
        self.at_once -= 1
        return Sample(SystemClock.monotonic() - planned)


async def test_a_closed_loop_has_so_many_clients_at_once_and_waits_for_the_last_answers() -> None:
    endpoint = Endpoint(0.02)
    found = await under(Load(concurrency=3), endpoint.send, seconds=0.1, clock=SystemClock())
    assert (endpoint.most_at_once, endpoint.at_once) == (3, 0)
    assert found.requests == found.ok == len(endpoint.planned) >= 6


async def test_an_open_loop_sends_by_its_plan_whatever_the_answers_do() -> None:
    endpoint = Endpoint(0.05)
    found = await under(Load(rate=100), endpoint.send, seconds=0.2, clock=SystemClock())
    assert found.requests == 20
    gaps = [after - before for before, after in zip(endpoint.planned, endpoint.planned[1:], strict=False)]
    assert all(abs(gap - 0.01) < 1e-6 for gap in gaps)
    assert endpoint.most_at_once > 1
    assert found.seconds >= 0.2


async def test_an_open_loop_holds_only_so_many_requests() -> None:
    gate = asyncio.Event()
    held = 0

    async def send(_planned: float) -> Sample:
        nonlocal held
        held += 1
        if held == MOST:  # those that are not sent are passed over in a moment
            asyncio.get_running_loop().call_later(1.0, gate.set)
        await gate.wait()
        return Sample(0.0)

    found = await under(Load(rate=1e6), send, seconds=(MOST + 10) / 1e6, clock=SystemClock())
    assert (held, found.errors) == (MOST, {UNSENT: 10})
