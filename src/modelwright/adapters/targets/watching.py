"""Counts how calls end that releases have answered, by what the edge of an environment has passed on."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from modelwright.adapters.targets.kept import Ask, Look, Memory, Passed
from modelwright.core.deploying.edges import Answered
from modelwright.core.experiments.observations import Observation, Seen, observe

_MOST = 100_000
"""Calls that are remembered; what came before them is not counted any more, of all releases alike."""
_REFUSED, _FAILED = 400, 500
"""Statuses from which on the client was wrong, and from which on the release."""


class KeptWatcher:
    """A Watcher: from its first question on."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._since = 0.0
        self._rows: deque[Seen] = deque(maxlen=_MOST)

    async def seen(self) -> Sequence[Observation]:
        if not self._since:
            self._since = (await self._ask(Look(), Memory)).now
        found = await self._ask(Passed(since=self._since), tuple[Answered, ...])
        fresh = [one for one in found if one.at > self._since and one.release]
        self._rows += [_row(one) for one in fresh]
        self._since = max((one.at for one in fresh), default=self._since)
        return observe(self._rows)


def _row(one: Answered) -> Seen:
    return Seen(variant=one.release, outcome=_outcome(one), latency_ms=one.total_ms, first_token_ms=one.first_ms)


def _outcome(one: Answered) -> str:
    if not one.whole or one.status >= _FAILED:
        return "failed"
    if not one.status:
        return "client_disconnect"
    return "refused" if one.status >= _REFUSED else "ok"
