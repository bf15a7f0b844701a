"""What an hour of a deploy costs, by what its workloads ask for and the prices of the target; pure."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

import msgspec

from modelwright.core.deploying.observed import Observed
from modelwright.core.deploying.steps import Cost, Plan
from modelwright.core.deploying.workloads import Desired, Workload
from modelwright.core.prices import money
from modelwright.deploy.homes import description

_GIB = 1 << 30


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """For an hour, in units of a currency; 0: it costs nothing, or is not known."""

    cpu: int = 0
    """Of a processor."""
    memory: int = 0
    """Of a GiB."""
    gpu: int = 0
    """Of a GPU."""
    currency: str = "USD"


def priced(plan: Plan, desired: Desired, observed: Observed, *, rates: Rates | None) -> Plan:
    """The plan, with what it does to the bill; as it is where nobody has named a price, or nothing is done."""
    if rates is None or not plan.steps or not (rates.cpu or rates.memory or rates.gpu):
        return plan
    known = description(observed, observed.current)
    cost = Cost(
        before=money(hourly(known, rates)) if known is not None else "",
        after=money(hourly(desired, rates)),
        currency=rates.currency,
        unknown=tuple(one.name for one in desired.workloads if not _is_known(one, rates)),
    )
    return msgspec.structs.replace(plan, cost=cost)


def hourly(desired: Desired, rates: Rates) -> int:
    """Units. Whoever has no bound, and of whom nobody knows what he takes, counts as nothing."""
    return sum(_hourly(one, rates) * (1 if one.lasting else one.replicas) for one in desired.workloads)


def _hourly(workload: Workload, rates: Rates) -> int:
    amount = (
        Decimal(str(workload.cpu)) * rates.cpu
        + Decimal(workload.memory) / _GIB * rates.memory
        + Decimal(workload.gpu) * rates.gpu
    )
    return int(amount.to_integral_value(ROUND_HALF_EVEN))


def _is_known(workload: Workload, rates: Rates) -> bool:
    return not (rates.cpu and not workload.cpu) and not (rates.memory and not workload.memory)
