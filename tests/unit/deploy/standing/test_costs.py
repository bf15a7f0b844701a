"""What a deploy does to the bill."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.deploying.observed import Observed
from modelwright.core.deploying.steps import Cost
from modelwright.core.deploying.trials import Rise
from modelwright.core.deploying.workloads import Desired
from modelwright.core.prices import UNIT
from modelwright.deploy.planning import planned
from modelwright.deploy.standing.costs import Rates, hourly, priced
from modelwright.deploy.telling import plan_lines
from tests.unit.deploy.test_planning import deployed, site

RATES = Rates(cpu=4 * UNIT // 100, memory=UNIT // 100, gpu=UNIT)


def _with(cpu: float = 0.0, memory: int = 0, gpu: int = 0, replicas: int = 1) -> Desired:
    desired = site()
    works = tuple(
        msgspec.structs.replace(one, cpu=cpu, memory=memory, gpu=gpu, replicas=replicas) if one.name == "web" else one
        for one in desired.workloads
    )
    return msgspec.structs.replace(desired, workloads=works)


def _plan(desired: Desired, seen: Observed, rates: Rates | None) -> tuple[Cost | None, list[str]]:
    plan = priced(planned(desired, seen, release="r2", rise=Rise()), desired, seen, rates=rates)
    return plan.cost, [line for line in plan_lines(plan) if line.startswith("cost")]


def test_a_plan_says_what_changes_and_what_nobody_knows() -> None:
    before, after = _with(cpu=1.0, memory=2 << 30), _with(cpu=1.0, memory=2 << 30, replicas=2)
    seen = deployed(before).observed
    cost, lines = _plan(after, seen, RATES)
    assert cost == Cost(before="0.06", after="0.12", currency="USD", unknown=("api", "gateway", "db"))
    assert lines == ["cost: 0.06 → 0.12 USD per hour, without what has no bound: api, gateway, db"]
    assert _plan(before, Observed(), RATES)[1] == [
        "cost: 0.06 USD per hour, without what has no bound: api, gateway, db"
    ]
    only_gpus = Rates(gpu=3 * UNIT, currency="EUR")
    assert _plan(_with(gpu=2), seen, only_gpus)[1] == ["cost: 0 → 6 EUR per hour"]
    assert _plan(_with(gpu=0), seen, only_gpus)[1] == ["cost: 0 EUR per hour, as before"]


def test_without_a_price_or_without_a_change_nothing_is_said() -> None:
    desired = _with(cpu=1.0)
    seen = deployed(desired).observed
    assert _plan(_with(cpu=2.0), seen, None) == (None, [])
    assert _plan(_with(cpu=2.0), seen, Rates()) == (None, [])
    plan = planned(desired, seen, release="r1", rise=Rise())
    assert priced(plan, desired, seen, rates=RATES).cost is None


@given(cpu=st.integers(0, 64), memory=st.integers(0, 64), gpu=st.integers(0, 8), replicas=st.integers(1, 9))
def test_as_many_instances_cost_as_many_times(cpu: int, memory: int, gpu: int, replicas: int) -> None:
    one = hourly(_with(cpu=float(cpu), memory=memory << 30, gpu=gpu), RATES)
    assert hourly(_with(cpu=float(cpu), memory=memory << 30, gpu=gpu, replicas=replicas), RATES) == one * replicas
