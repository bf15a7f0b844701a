"""What an edge has passed on, counted by release from the first question on."""

from __future__ import annotations

from typing import Any

from modelwright.adapters.targets.kept import Look, Memory, Passed
from modelwright.adapters.targets.watching import KeptWatcher
from modelwright.core.deploying.edges import Answered


def answered(release: str, at: float, status: int = 200, *, whole: bool = True, total_ms: float = 10.0) -> Answered:
    return Answered(route="all", release=release, at=at, status=status, whole=whole, first_ms=5.0, total_ms=total_ms)


class Keeper:
    """Tells what has ended by now."""

    def __init__(self) -> None:
        self.now = 100.0
        self.passed: list[Answered] = []

    async def __call__(self, question: Any, answer: Any) -> Any:
        if isinstance(question, Look):
            return Memory(salt="s", now=self.now)
        assert isinstance(question, Passed)
        return tuple(one for one in self.passed if one.at >= question.since)


async def test_nothing_from_before_counts_and_nothing_twice() -> None:
    keeper = Keeper()
    keeper.passed = [answered("r1", 99.0)]
    watcher = KeptWatcher(keeper)
    assert list(await watcher.seen()) == []
    keeper.passed += [answered("r1", 101.0), answered("r2", 102.0, 503), answered("", 103.0)]
    for _ in range(2):
        assert {one.variant: (one.calls, one.failures) for one in await watcher.seen()} == {"r1": (1, 0), "r2": (1, 1)}
    keeper.passed.append(answered("r2", 104.0))
    assert {one.variant: one.calls for one in await watcher.seen()} == {"r1": 1, "r2": 2}


async def test_what_the_client_did_speaks_against_nobody() -> None:
    keeper = Keeper()
    watcher = KeptWatcher(keeper)
    await watcher.seen()
    statuses = ((404, True), (0, True), (0, False), (200, False), (500, True), (200, True))
    keeper.passed = [
        answered("r2", 101.0 + number, status, whole=whole) for number, (status, whole) in enumerate(statuses)
    ]
    (seen,) = await watcher.seen()
    assert (seen.calls, seen.failures) == (6, 3)
    assert seen.latency_p50_ms is not None
    assert seen.latency_p50_ms.value == 10.0
