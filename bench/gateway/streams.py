"""Measures many streams at once through one gateway worker, beside nginx and beside none, in one run.

The upstream is `dev-provider`, on the load's processor. A gap is the time between two reads of one stream's bytes.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from bench.gateway.sites import GUARD, PATH, limited, made, manifest, proxy
from bench.load.streams import BETWEEN
from bench.process import (
    LOAD_CPU,
    SERVER_CPU,
    children,
    free_port,
    modelwright,
    pin,
    resident_mb,
    running,
    scratch,
    site,
    wait_for,
    with_cpu,
)


class Shape(NamedTuple):
    """How many streams of how many tokens, and how fast they come."""

    streams: int
    tokens: int
    delay: str


class Way(NamedTuple):
    """One way to the upstream: its address, the key for it, and the processes that are measured."""

    url: str
    key: str
    pids: Sequence[int]


SHAPES = (Shape(500, 200, "20ms"), Shape(1000, 150, "50ms"))
SETTLED = 1.5
"""Seconds after the last stream began at which memory is read."""


def main() -> None:
    """Print a table for each shape."""
    for shape in SHAPES:
        with scratch() as folder:
            _measure(folder, shape)


def _measure(folder: Path, shape: Shape) -> None:
    up, door = free_port(), free_port()
    command = modelwright("dev-provider", "--port", str(up), "--tokens", str(shape.tokens), "--delay", shape.delay)
    with ExitStack() as stack:
        stack.enter_context(running(command, cpu=LOAD_CPU, log=folder / "provider.log"))
        nginx = stack.enter_context(proxy(folder, "streams", port=door, to=up))
        ours = stack.enter_context(site(manifest(up), made(folder / "plain")))
        guarded = stack.enter_context(site(limited(up, endpoint=GUARD), made(folder / "guarded")))
        wait_for(f"http://127.0.0.1:{up}/healthz")
        for pid in (*ours.gateways, *guarded.gateways):
            pin(pid, SERVER_CPU)
        ways = {
            "direct": Way(f"http://127.0.0.1:{up}", "none", ()),
            "nginx": Way(f"http://127.0.0.1:{door}", "none", children(nginx.pid)),
            "modelwright": Way(ours.public, ours.key, ours.gateways),
            "+ limits, budget, guards": Way(guarded.public, guarded.key, guarded.gateways),
        }
        _table(shape, ways)


def _table(shape: Shape, ways: Mapping[str, Way]) -> None:
    print(
        f"| {shape.streams} streams, {shape.delay} per token | tokens/s each | CPU µs per chunk | × nginx | "
        "first ms p50/p99 | gap ms p50/p99 | whole | KiB per stream |"
    )
    print("|---|---|---|---|---|---|---|---|")
    baseline = 0.0
    for name, way in ways.items():
        before = sum(map(resident_mb, way.pids))
        (told, held), cpu = with_cpu(lambda way=way: _load(way, shape), way.pids)
        each = 1e6 * cpu / (shape.streams * shape.tokens)  # of the upstream: a guard joins what it held
        baseline = each if name == "nginx" else baseline
        memory = f"{1024 * (held - before) / shape.streams:.0f}" if way.pids else ""
        print(
            f"| {name} | {told['rate']:.1f} | {f'{each:.1f}' if way.pids else ''} | "
            f"{f'{each / baseline:.2f}' if baseline else ''} | {told['first_p50']:.0f}/{told['first_p99']:.0f} | "
            f"{told['gap_p50']:.0f}/{told['gap_p99']:.0f} | {told['whole']:.0f} | {memory} |",
            flush=True,
        )
    print()


def _load(way: Way, shape: Shape) -> tuple[dict[str, float], float]:
    """What the clients saw, and megabytes while all streams ran."""
    arguments = [way.url + PATH, way.key, str(shape.streams), str(shape.tokens)]
    command = ["taskset", "-c", str(LOAD_CPU), sys.executable, "-m", "bench.load.streams", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(shape.streams * BETWEEN + SETTLED)
    held = sum(map(resident_mb, way.pids))
    out, _ = process.communicate(timeout=180)
    return json.loads(out), held
