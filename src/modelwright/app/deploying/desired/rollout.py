"""The manifest's rollout as a plan takes it."""

from __future__ import annotations

from modelwright.app.deploying.sections.rollout import RolloutSection
from modelwright.core.deploying.trials import ALL, Rise, Rules
from modelwright.core.quantities import parse_duration


def rise_of(rollout: RolloutSection) -> Rise:
    """Percents and seconds."""
    gates = rollout.gates
    rules = Rules(
        success_rate=float(gates.success_rate[:-1]) / 100 if gates.success_rate else None,
        latency_ms=parse_duration(gates.latency) * 1000 if gates.latency else None,
        errors=gates.errors,
        calls=gates.calls,
        wait=parse_duration(gates.wait),
        on_no_data=rollout.on_no_data,
    )
    steps = tuple(int(step[:-1]) for step in rollout.steps) or (ALL,)
    return Rise(steps=steps, pause=parse_duration(rollout.pause), rules=rules)
