"""Where a failed call goes next: the same place again, with another key, or the next variant; it waits for nothing."""

from __future__ import annotations

import msgspec

from modelwright.gateway.lanes import Lane, Route
from modelwright.gateway.routing.again import pause
from modelwright.gateway.routing.attempts import Failed


class Step(msgspec.Struct, frozen=True):
    """The next attempt."""

    lane: Lane
    wait: float = 0.0
    """Seconds before it."""


class Journey:
    """The attempts of one call; made when the first has failed."""

    def __init__(self, route: Route, lane: Lane | None) -> None:
        if lane is None:
            raise RuntimeError("a call failed before it had a route")
        self._rule = route.endpoint.retries
        self._lane = lane
        self._retries = 0
        """Made at the present lane."""
        self._others = [other for other in route.fallback if other is not lane]

    def next(self, failed: Failed, *, now: float, left: float, chance: float) -> Step | None:
        """The next attempt, None when there is none; `left` are the seconds until the call's deadline."""
        if failed.verdict == "never" or left <= 0:
            return None
        other = next((lane for lane in self._others if lane.admits(now)), None)
        return self._same_lane(failed, other, now=now, left=left, chance=chance) or self._other_lane(other)

    def _same_lane(self, failed: Failed, other: Lane | None, *, now: float, left: float, chance: float) -> Step | None:
        """Again here: at once with another key, or after a wait that is worth it when another lane is ready."""
        lane, rule = self._lane, self._rule
        ring = lane.standing.ring
        if failed.key_refused and ring.awake(now) and lane.admits(now):
            allowed, wait = max(rule.attempts, len(ring) - 1), 0.0
        elif failed.verdict == "again" and (other is None or lane.admits(now)):
            allowed, wait = rule.attempts, pause(rule, self._retries, chance=chance, retry_after=failed.retry_after)
        else:
            return None
        too_long = wait >= left or (other is not None and (failed.retry_after or 0.0) > rule.longest and wait > 0)
        if self._retries >= allowed or too_long or not lane.standing.budget.spend():
            return None
        self._retries += 1
        return Step(lane, wait)

    def _other_lane(self, other: Lane | None) -> Step | None:
        if other is None:
            return None
        self._others = self._others[self._others.index(other) + 1 :]
        self._lane = other
        self._retries = 0
        other.standing.budget.earn()
        return Step(other)
