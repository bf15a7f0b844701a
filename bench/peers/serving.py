"""Measures our serving worker, MLServer and LitServe in one interleaved run beside the raw engine loop.

Peers come from PyPI for the run, each into an environment of its own, and are tuned as their manuals say: no parallel
workers beside the one that computes, batches of up to 32 within 2 ms, metrics and request logs off. With the tiny model
every server has one processor and the load another; with the heavy one they share what there is, as when deployed.
Every engine has one thread. Requests are JSON, one row each. CPU time and memory are of all processes of a server.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import msgspec
import numpy as np

from bench.load.wrk import Load, wrk
from bench.process import LOAD_CPU, SERVER_CPU, children, cpu_seconds, free_port, resident_mb, running, scratch
from bench.serving import PATH, RawLoop, json_request, onnx_part
from bench.serving_models import FEATURES, heavy, tiny
from bench.worker import worker

MLSERVER, LITSERVE, ENGINE = "mlserver==1.7.1", "litserve==0.2.19", "onnxruntime==1.31.1"
HERE = Path(__file__).parent
ROUNDS, SECONDS = 3, 3.0
CONNECTIONS = (1, 32, 64)
READY = 60.0
"""Seconds that a server has for its first answer."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """One that runs."""

    name: str
    url: str
    body: bytes
    pid: int
    start: float
    """Seconds from its start to its first answer."""

    @property
    def processes(self) -> list[int]:
        """All of it."""
        found = [self.pid]
        for pid in found:
            found += children(pid)
        return found


@dataclass
class Seen:
    """The rounds of one server under one load."""

    loads: list[Load] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    """Microseconds per request."""


def main() -> None:
    """Print a table for each model."""
    x = np.random.default_rng(0).normal(size=(1, FEATURES)).astype(np.float32)
    with scratch() as folder:
        programs = {package: _installed(folder, package) for package in (MLSERVER, LITSERVE)}
        for title, model, cpu in (
            (f"tiny model ({FEATURES} numbers in, 10 out)", tiny(folder / "tiny.onnx"), SERVER_CPU),
            ("heavy model", heavy(folder / "heavy.onnx"), None),
        ):
            print(f"{title}; {', '.join(programs)}\n", flush=True)
            raw = RawLoop(model, x, cpu=cpu)
            with ExitStack() as stack:
                servers = [
                    stack.enter_context(_ours(folder, model, x, cpu=cpu)),
                    stack.enter_context(_mlserver(folder, model, x, python=programs[MLSERVER], cpu=cpu)),
                    stack.enter_context(_litserve(folder, model, x, python=programs[LITSERVE], cpu=cpu)),
                ]
                _print(servers, *_rounds(folder, servers, raw))


def _installed(folder: Path, package: str) -> Path:
    """The interpreter of an environment that goes away with the run."""
    home = folder / package.partition("=")[0]
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    subprocess.run([str(home / "bin/pip"), "install", "--quiet", package, ENGINE], check=True)
    return home / "bin/python"


@contextmanager
def _ours(folder: Path, model: Path, x: np.ndarray, *, cpu: int | None) -> Iterator[Server]:
    start = time.monotonic()
    with worker(folder, onnx_part(model), pinned=cpu is not None) as (port, pid):
        url = f"http://127.0.0.1:{port}{PATH}"
        yield _ready("modelwright", url, _v2(x), pid=pid, since=start)


@contextmanager
def _mlserver(folder: Path, model: Path, x: np.ndarray, *, python: Path, cpu: int | None) -> Iterator[Server]:
    home = folder / f"{model.stem}-mlserver"
    home.mkdir()
    ports = {name: free_port() for name in ("http_port", "grpc_port", "metrics_port")}
    settings = {"host": "127.0.0.1", "debug": False, "parallel_workers": 0, "metrics_endpoint": None, **ports}
    implementation = {"name": "m", "implementation": "mlserver_onnx.Onnx", "parameters": {"uri": str(model)}}
    batching = {"max_batch_size": 32, "max_batch_time": 0.002}
    (home / "settings.json").write_text(json.dumps(settings))
    (home / "model-settings.json").write_text(json.dumps({**implementation, **batching}))
    (home / "mlserver_onnx.py").write_text((HERE / "mlserver_onnx.py").read_text())
    start = time.monotonic()
    command = ["env", f"PYTHONPATH={home}", str(python.with_name("mlserver")), "start", str(home)]
    with running(command, cpu=cpu, log=home / "log") as process:
        url = f"http://127.0.0.1:{ports['http_port']}/v2/models/m/infer"
        yield _ready("MLServer", url, _v2(x), pid=process.pid, since=start)


@contextmanager
def _litserve(folder: Path, model: Path, x: np.ndarray, *, python: Path, cpu: int | None) -> Iterator[Server]:
    port, start = free_port(), time.monotonic()
    command = [str(python), str(HERE / "litserve_onnx.py"), str(model), str(port)]
    with running(command, cpu=cpu, log=folder / f"{model.stem}-litserve.log") as process:
        body = msgspec.json.encode({"x": [round(float(value), 4) for value in x.ravel()]})
        server = _ready("LitServe", f"http://127.0.0.1:{port}/predict", body, pid=process.pid, since=start)
        try:
            yield server
        finally:
            for pid in reversed(server.processes):  # ended by SIGTERM alone, it leaves some behind
                os.kill(pid, signal.SIGKILL)


def _v2(x: np.ndarray) -> bytes:
    return json_request(x).body


def _ready(name: str, url: str, body: bytes, *, pid: int, since: float) -> Server:
    """Once it has answered."""
    request = urllib.request.Request(url, body, {"content-type": "application/json"})  # noqa: S310 - loopback
    until = time.monotonic() + READY
    while True:
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - loopback
                answer.read()
            return Server(name=name, url=url, body=body, pid=pid, start=time.monotonic() - since)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


def _rounds(
    folder: Path, servers: Sequence[Server], raw: RawLoop
) -> tuple[dict[tuple[str, int], Seen], dict[int, float]]:
    """One after the other, again and again; and what the raw loop did beside them, by connections, in rows/s."""
    best: dict[int, list[float]] = {connections: [] for connections in CONNECTIONS}
    seen: dict[tuple[str, int], Seen] = {}
    for server in servers:
        _load(folder, server, connections=32, seconds=1.0)
    for _ in range(ROUNDS):
        for connections in CONNECTIONS:
            best[connections].append(raw.rate())
            for server in servers:
                processes = server.processes
                before = cpu_seconds(processes)
                load = _load(folder, server, connections=connections, seconds=SECONDS)
                found = seen.setdefault((server.name, connections), Seen())
                found.loads.append(load)
                found.cpu.append(1e6 * (cpu_seconds(processes) - before) / max(1, load.requests))
    return seen, {connections: median(rates) for connections, rates in best.items()}


def _load(folder: Path, server: Server, *, connections: int, seconds: float) -> Load:
    headers = {"content-type": "application/json"}
    return wrk(
        server.url,
        connections=connections,
        seconds=seconds,
        cpu=LOAD_CPU,
        folder=folder,
        body=server.body,
        headers=headers,
    )


def _print(servers: Sequence[Server], seen: dict[tuple[str, int], Seen], best: dict[int, float]) -> None:
    names = ("rows/s", "of raw best", "CPU µs", "x ours", "p50 ms", "p99 ms", "errors")
    print(f"\n{'':18} " + " ".join(f"{name:>11}" for name in names))
    for connections in CONNECTIONS:
        ours = median(seen[servers[0].name, connections].cpu)
        for server in servers:
            found = seen[server.name, connections]
            rate, cpu = median(load.rate for load in found.loads), median(found.cpu)
            p50, p99 = (median(getattr(load, name) for load in found.loads) for name in ("p50", "p99"))
            errors = sum(load.errors for load in found.loads)
            label = f"{server.name} c={connections}"
            print(
                f"{label:18} {rate:11.0f} {rate / best[connections]:11.2f} {cpu:11.0f} {cpu / ours:11.1f} "
                f"{p50:11.2f} {p99:11.2f} {errors:11}"
            )
    print()
    for server in servers:
        memory = sum(resident_mb(pid) for pid in server.processes)
        print(f"{server.name}: first answer after {server.start:.1f} s, {memory:.0f} MB after the load")
    print()
