"""Measures CPU per call of several sites in turns, so that a machine's moods meet all of them alike."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from bench.gateway.calls import calls
from bench.process import SERVER_CPU, Site, pin, with_cpu


class Cost(NamedTuple):
    """Medians over the rounds."""

    cpu: float
    """Microseconds per call, of all gateway workers."""
    rate: float
    """Calls per second."""
    errors: int


def in_rounds(
    folder: Path, sites: Mapping[str, Site], *, connections: int, rounds: int = 3, seconds: int = 3
) -> dict[str, Cost]:
    """What a call costs at each site; all gateway workers are on one processor."""
    found: dict[str, list[Cost]] = {name: [] for name in sites}
    for one in sites.values():
        for pid in one.gateways:
            pin(pid, SERVER_CPU)
        calls(folder, one.public, one.key, connections=connections, seconds=1)  # warm
    for _ in range(rounds):
        for name, one in sites.items():
            load, cpu = with_cpu(
                lambda one=one: calls(folder, one.public, one.key, connections=connections, seconds=seconds),
                one.gateways,
            )
            found[name].append(Cost(1e6 * cpu / load.requests, load.rate, load.errors))
    return {name: _median(costs) for name, costs in found.items()}


def _median(costs: list[Cost]) -> Cost:
    return Cost(
        statistics.median(cost.cpu for cost in costs),
        statistics.median(cost.rate for cost in costs),
        sum(cost.errors for cost in costs),
    )
