"""A process that lets one engine work, then rest, and tells what its threads did: `python -m … KIND PATH THREADS`."""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import psutil

from modelwright.app.plugins import tensor_engine
from modelwright.core.ports.engines import EngineConfig

COLUMNS = 512
ROWS = 256
WORK = 0.4
"""Seconds of processor time."""
REST = 0.5


def main(kind: str, path: str, threads: int) -> dict[str, float]:
    """How many threads did a tenth of the work or more, how many worked at once, and the processor time of the rest."""
    engine = tensor_engine(kind)
    name = engine.load(EngineConfig(model="m", path=path, threads=threads)).inputs[0].name
    x = np.random.default_rng(1).normal(size=(ROWS, COLUMNS)).astype(np.float32)
    this = psutil.Process()
    for _ in range(3):
        engine.predict({name: x})
    before, start, began = _times(this), _total(this), time.perf_counter()
    while _total(this) - start < WORK:
        engine.predict({name: x})
    took = time.perf_counter() - began
    worked = {thread: used - before.get(thread, 0.0) for thread, used in _times(this).items()}
    all_of_it = sum(worked.values())
    resting = _total(this)
    time.sleep(REST)
    return {
        "busy": sum(used >= all_of_it / 10 for used in worked.values()),
        "at_once": (resting - start) / took,
        "resting": _total(this) - resting,
    }


def _times(process: psutil.Process) -> dict[int, float]:
    return {thread.id: thread.user_time + thread.system_time for thread in process.threads()}


def _total(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
