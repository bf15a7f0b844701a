"""Measures a serving worker beside the raw engine loop, in one run: CPU per request, latency, batches, overload.

With the tiny model the worker has one processor and the load the other, and the raw loop runs on the worker's, with
the same session settings. With the heavy model, whose engine computes beside the event loop, nothing is pinned: worker
and load share what there is, as they do when deployed. The worker is asked directly over TCP, without a gateway.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from bench.load.open_loop import open_loop
from bench.load.wrk import Load, wrk
from bench.process import LOAD_CPU, SERVER_CPU, cpu_seconds, resident_mb, scratch
from bench.serving_models import FEATURES, heavy, tiny
from bench.worker import worker
from modelwright.adapters.engines.onnxruntime import OnnxRuntimeEngine
from modelwright.app.parts import ModelPart
from modelwright.core.ports.engines import EngineConfig

SECONDS = 5
PATH = "/v2/models/m/infer"
BATCHES = (1, 8, 32)
OVER = 2.0
"""Times the peak that the overload run sends."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One body and its headers."""

    body: bytes
    headers: dict[str, str]

    def raw(self) -> bytes:
        """As bytes on the wire."""
        lines = [f"POST {PATH} HTTP/1.1", "host: bench", f"content-length: {len(self.body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + self.body


def main() -> None:
    """Print the tables."""
    x = np.random.default_rng(0).normal(size=(1, FEATURES)).astype(np.float32)
    with scratch() as folder:
        _tiny(folder, x)
        _heavy(folder, x)


def _tiny(folder: Path, x: np.ndarray) -> None:
    path = tiny(folder / "tiny.onnx")
    print(f"tiny model ({FEATURES} numbers in, 10 out)\n")
    raw = RawLoop(path, x, cpu=SERVER_CPU)
    with worker(folder, onnx_part(path), pinned=True) as (port, pid):
        names = ("RPS", "CPU µs/request", "x raw loop", "p50 ms", "p99 ms", "errors")
        print(f"\n{'':14} {names[0]:>8} {names[1]:>15} {names[2]:>11} {names[3]:>8} {names[4]:>8} {names[5]:>7}")
        for name, request in (("JSON", json_request(x)), ("binary", _binary(x))):
            _load(folder, port, request, connections=8, seconds=1.0)
            for connections in (1, 64):
                before = cpu_seconds([pid])
                load = _load(folder, port, request, connections=connections)
                each = 1e6 * (cpu_seconds([pid]) - before) / load.requests
                print(
                    f"{f'{name} c={connections}':14} {load.rate:8.0f} {each:15.1f} {each / raw.cpu[1]:11.1f} "
                    f"{load.p50:8.3f} {load.p99:8.2f} {load.errors:7}"
                )
        print(f"\nworker: {resident_mb(pid):.0f} MB after the load\n")


def _heavy(folder: Path, x: np.ndarray) -> None:
    path = heavy(folder / "heavy.onnx")
    print("heavy model\n")
    raw = RawLoop(path, x, cpu=None)
    request = json_request(x)
    with worker(folder, onnx_part(path), pinned=False) as (port, _pid):
        _load(folder, port, request, connections=64, seconds=2.0)
        print(f"\n{'':14} {'rows/s':>8} {'of raw best':>12} {'p50 ms':>8} {'p99 ms':>8} {'errors':>7}")
        peak = 0.0
        for connections in (1, 32, 64, 200):
            best = raw.rate()
            load = _load(folder, port, request, connections=connections)
            peak = max(peak, load.rate)
            print(
                f"{f'c={connections}':14} {load.rate:8.0f} {load.rate / best:12.2f} {load.p50:8.1f} {load.p99:8.1f} "
                f"{load.errors:7}"
            )
        _overload(folder, port, request, peak=peak)


def _overload(folder: Path, port: int, request: Request, *, peak: float) -> None:
    """An open loop: requests come at their rate, whether or not the ones before were answered."""
    told = open_loop(port, rate=OVER * peak, seconds=SECONDS, request=request.raw(), folder=folder, cpu=None)
    answered, refused = told.counts.get(200, 0), told.counts.get(429, 0)
    goodput = answered / SECONDS
    print(f"\nopen loop at {OVER:g} x peak ({OVER * peak:.0f}/s) for {SECONDS:g} s")
    print(
        f"  answered 200: {answered} ({goodput:.0f}/s, {goodput / peak:.0%} of peak), p99 {told.within(200, 1):.0f} ms"
    )
    print(
        f"  answered 429: {refused}, p50 {told.within(429, 0):.1f} ms, p99 {told.within(429, 1):.1f} ms, "
        f"last {told.within(429, 2):.1f} ms"
    )
    print(f"  anything else: {told.rest(200, 429)}, {told.unsent} of them not sent for want of a connection")


class RawLoop:
    """The engine alone, called in one thread without any wire."""

    def __init__(self, path: Path, x: np.ndarray, *, cpu: int | None) -> None:
        """Measure and print it; `cpu`: the processor that it runs on, None for any."""
        self._engine = OnnxRuntimeEngine()
        self._engine.load(EngineConfig(model="m", path=str(path)))
        self._cpu = cpu
        self._batches = {rows: np.repeat(x, rows, axis=0) for rows in BATCHES}
        self.cpu = {rows: self._measured(rows)[0] for rows in BATCHES}
        """CPU µs per row, by rows per call."""
        for rows, cost in self.cpu.items():
            print(f"raw loop, {rows:2} rows per call: {cost:8.2f} CPU µs/row, {1e6 / cost:8.0f} rows/s")

    def rate(self) -> float:
        """Rows per second by the clock, in the best batch size: to be measured beside what it is compared with."""
        return self._measured(min(self.cpu, key=lambda rows: self.cpu[rows]))[1]

    def _measured(self, rows: int) -> tuple[float, float]:
        """CPU µs per row, rows per second."""
        x = self._batches[rows]
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, before if self._cpu is None else {self._cpu})
        try:
            for _ in range(20):
                self._engine.predict({"x": x})
            calls, start, cpu = 0, time.monotonic(), time.process_time()
            while time.monotonic() < start + 1.0:
                self._engine.predict({"x": x})
                calls += 1
            taken, used = time.monotonic() - start, time.process_time() - cpu
        finally:
            os.sched_setaffinity(0, before)
        return 1e6 * used / (calls * rows), calls * rows / taken


def _load(folder: Path, port: int, request: Request, *, connections: int, seconds: float = SECONDS) -> Load:
    return wrk(
        f"http://127.0.0.1:{port}{PATH}",
        connections=connections,
        seconds=seconds,
        cpu=LOAD_CPU,
        folder=folder,
        body=request.body,
        headers=request.headers,
    )


def json_request(x: np.ndarray) -> Request:
    """Rows as a V2 request."""
    data = [round(float(value), 4) for value in x.ravel()]
    content = {"inputs": [{"name": "x", "shape": list(x.shape), "datatype": "FP32", "data": data}]}
    return Request(body=msgspec.json.encode(content), headers={"content-type": "application/json"})


def _binary(x: np.ndarray) -> Request:
    item = {"name": "x", "shape": list(x.shape), "datatype": "FP32", "parameters": {"binary_data_size": x.nbytes}}
    head = msgspec.json.encode({"inputs": [item], "parameters": {"binary_data_output": True}})
    headers = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(head))}
    return Request(body=head + x.tobytes(), headers=headers)


def onnx_part(path: Path) -> ModelPart:
    """A file for ONNX Runtime."""
    return ModelPart(model="m", engine="onnxruntime", wire="v2", path=str(path))
