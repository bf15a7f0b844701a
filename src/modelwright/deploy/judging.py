"""Whether a release on trial goes on: thresholds over what was counted while it was watched; pure, and asked often.

While it is watched only a clear breach ends it, since whoever looks often enough sees a bad moment in anything; when
the time is over the figures themselves decide. Too few calls are no pass.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from modelwright.core.deploying.steps import Watch
from modelwright.core.deploying.trials import Rules
from modelwright.core.experiments.intervals import share
from modelwright.core.experiments.observations import Observation
from modelwright.core.ports.deploying.rollout import Decide, Decision

_ROUNDING = 1e-9


def while_watched(rules: Rules) -> Decide:
    """Ends a trial early: too many errors, or figures that are bad even at their best."""

    def decide(observations: Sequence[Observation], *, candidate: str) -> Decision:
        seen = _of(observations, candidate)
        if rules.errors is not None and seen is not None and seen.failures > rules.errors:
            return Decision(action="roll_back", reason=f"{seen.failures} calls failed, and {rules.errors} may")
        return _by(rules, seen, surely=True) or Decision(action="hold", reason="it is being watched")

    return decide


def when_over(rules: Rules) -> Decide:
    """Passes or fails it, if enough was seen."""

    def decide(observations: Sequence[Observation], *, candidate: str) -> Decision:
        early = while_watched(rules)(observations, candidate=candidate)
        if early.action == "roll_back":
            return early
        seen = _of(observations, candidate)
        calls = seen.calls if seen is not None else 0
        if calls < rules.calls:
            return Decision(action="hold", reason=f"{calls} calls were seen, and {rules.calls} are needed")
        return _by(rules, seen, surely=False) or Decision(action="advance", reason=f"{calls} calls kept to the rules")

    return decide


def judged(watch: Watch, observations: Sequence[Observation], *, past: float) -> Decision | None:
    """What becomes of a trial after so many seconds; None: it has to be watched on."""
    rules = watch.rules
    decide = when_over(rules) if past >= watch.seconds else while_watched(rules)
    decision = decide(observations, candidate=watch.release)
    if decision.action != "hold":
        return decision
    if past < watch.seconds + rules.wait:
        return None
    return Decision(action=rules.on_no_data, reason=decision.reason)


def between(start: Sequence[Observation], now: Sequence[Observation]) -> list[Observation]:
    """What was counted meanwhile; a counter that went down has begun anew."""
    before = {one.variant: one for one in start}
    return [_less(one, before.get(one.variant)) for one in now]


def _less(now: Observation, start: Observation | None) -> Observation:
    if start is None or now.calls < start.calls or now.failures < start.failures:
        return now
    calls, failures = now.calls - start.calls, now.failures - start.failures
    return msgspec.structs.replace(now, calls=calls, failures=failures, failure_share=share(failures, calls))


def _by(rules: Rules, seen: Observation | None, *, surely: bool) -> Decision | None:
    if seen is None or seen.calls < rules.calls:
        return None
    failed, slow = seen.failure_share, seen.latency_p50_ms
    if rules.success_rate is not None and failed is not None:
        bad = (failed.low if surely else failed.value) > 1 - rules.success_rate + _ROUNDING
        if bad:
            told = f"{1 - failed.value:.2%} of {seen.calls} calls ended well, and {rules.success_rate:.2%} have to"
            return Decision(action="roll_back", reason=told)
    if rules.latency_ms is not None and slow is not None and (slow.low if surely else slow.value) > rules.latency_ms:
        told = f"half of the calls took more than {slow.value:.0f} ms, and {rules.latency_ms:g} ms are allowed"
        return Decision(action="roll_back", reason=told)
    return None


def _of(observations: Sequence[Observation], candidate: str) -> Observation | None:
    return next((one for one in observations if one.variant == candidate), None)
