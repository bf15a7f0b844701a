"""Measures the V2 protocol through the gateway, in one run: REST beside gRPC, and an image beside 64 numbers.

Every process of the site has one processor and the load the other. CPU is that of all processes that a call passes:
the gRPC door where there is one, the gateway, and the model's worker. All figures are taken in turns. A worker is
asked directly as well, and beside both stands what bare servers need to move the same bytes.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import grpc.aio
import msgspec
import numpy as np
import onnx
from onnx import helper, numpy_helper

from bench.bare_chain import bare_chain, bare_server
from bench.load.wrk import Load, wrk
from bench.process import LOAD_CPU, Site, cpu_seconds, scratch, site
from bench.serving import onnx_part
from bench.serving_models import CLASSES, FEATURES, tiny
from bench.worker import worker
from modelwright.adapters.grpc.messages import SERVICE, message

SECONDS = 3.0
ROUNDS = 3
CONNECTIONS = 16
SHAPES: dict[str, tuple[int, ...]] = {"numbers": (1, FEATURES), "image": (1, 3, 224, 224)}
MANIFEST = """
schema: 1
name: bench
models:
  numbers: {source: ./numbers.onnx}
  image: {source: ./image.onnx}
gateway: {grpc: "127.0.0.1:0"}
"""


class Asked(NamedTuple):
    """Where one kind of request goes."""

    url: str
    pids: list[int]
    headers: dict[str, str]


def main() -> None:
    """Print the tables."""
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        tiny(folder / "numbers.onnx")
        _glance(folder / "image.onnx")
        running = stack.enter_context(site(MANIFEST, folder))
        chain = Asked(*stack.enter_context(bare_chain(folder)), {})
        alone = Asked(*stack.enter_context(bare_server(folder)), {})
        asked = {(model, "bare chain"): chain for model in SHAPES} | {(model, "bare server"): alone for model in SHAPES}
        key = {"authorization": f"Bearer {running.key}"}
        for model in SHAPES:
            pids = [*running.gateways, running.pid(f"serving-{model}-0")]
            asked[model, "REST"] = Asked(f"{running.public}/v2/models/{model}/infer", pids, key)
            own = folder / model
            own.mkdir()
            port, pid = stack.enter_context(worker(own, onnx_part(folder / f"{model}.onnx"), pinned=True))
            asked[model, "worker"] = Asked(f"http://127.0.0.1:{port}/v2/models/m/infer", [pid], {})
        _measure(running, asked, folder=folder)


def _measure(running: Site, asked: dict[tuple[str, str], Asked], *, folder: Path) -> None:
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for _ in range(ROUNDS):
        for (model, way), where in asked.items():
            found.setdefault((model, way), []).append(_rest(where, model, folder=folder))
        for model in SHAPES:
            found.setdefault((model, "gRPC"), []).append(_grpc(running, model))
    best = {key: min(values) for key, values in found.items()}
    _table(best, ("REST", "gRPC", "bare chain"))
    print()
    _table(best, ("worker", "bare server"))


def _table(best: dict[tuple[str, str], tuple[float, float]], ways: tuple[str, ...]) -> None:
    """The first of the ways is what the others are compared with, the last is the floor."""
    print(f"{'':20} {'calls/s':>8} {'CPU µs/call':>12} {f'x {ways[0]}':>9} {'x 64 numbers':>13} {'x floor':>8}")
    for model in SHAPES:
        for way in ways:
            cost, rate = best[model, way]
            first, numbers, floor = (best[key][0] for key in ((model, ways[0]), ("numbers", way), (model, ways[-1])))
            name = f"{model} {way}"
            print(f"{name:20} {rate:8.0f} {cost:12.1f} {cost / first:9.2f} {cost / numbers:13.2f} {cost / floor:8.2f}")
    numbers, *bare = (best[key][0] for key in (("numbers", ways[0]), *((model, ways[-1]) for model in SHAPES)))
    least = 1 + (bare[1] - bare[0]) / numbers
    print(f"an image by {ways[0]} whose bytes cost no more than they do there: {least:.2f} x 64 numbers")


def _rest(asked: Asked, model: str, *, folder: Path) -> tuple[float, float]:
    head, data = _binary(model)
    headers = {
        **asked.headers,
        "content-type": "application/octet-stream",
        "inference-header-content-length": str(len(head)),
    }

    def load(seconds: float) -> Load:
        return wrk(
            asked.url,
            connections=CONNECTIONS,
            seconds=seconds,
            cpu=LOAD_CPU,
            folder=folder,
            body=head + data,
            headers=headers,
        )

    load(1.0)
    before = cpu_seconds(asked.pids)
    told = load(SECONDS)
    return 1e6 * (cpu_seconds(asked.pids) - before) / told.requests, told.rate


def _grpc(running: Site, model: str) -> tuple[float, float]:
    data = _binary(model)[1]
    asked = message("ModelInferRequest")(model_name=model, raw_input_contents=[data])
    asked.inputs.add(name="x", datatype="FP32", shape=SHAPES[model])
    pids = [running.pid("grpc-0"), *running.gateways, running.pid(f"serving-{model}-0")]
    before_affinity = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {LOAD_CPU})
    try:
        return asyncio.run(_calls(running, asked.SerializeToString(), pids))
    finally:
        os.sched_setaffinity(0, before_affinity)


async def _calls(running: Site, content: bytes, pids: Sequence[int]) -> tuple[float, float]:
    metadata = (("authorization", f"Bearer {running.key}"),)
    done = 0
    async with grpc.aio.insecure_channel(running.grpc) as channel:
        call: Any = channel.unary_unary(f"/{SERVICE}/ModelInfer")

        async def client(until: float) -> None:
            nonlocal done
            while time.monotonic() < until:
                await call(content, metadata=metadata)
                done += 1

        async def load(seconds: float) -> None:
            until = time.monotonic() + seconds
            await asyncio.gather(*(client(until) for _ in range(CONNECTIONS)))

        await load(0.5)
        before, done = cpu_seconds(pids), 0
        await load(SECONDS)
        return 1e6 * (cpu_seconds(pids) - before) / done, done / SECONDS


def _binary(model: str) -> tuple[bytes, bytes]:
    """The JSON part and the bytes of a request."""
    x = np.random.default_rng(0).normal(size=SHAPES[model]).astype(np.float32)
    item = {"name": "x", "shape": x.shape, "datatype": "FP32", "parameters": {"binary_data_size": x.nbytes}}
    return msgspec.json.encode({"inputs": [item], "parameters": {"binary_data_output": True}}), x.tobytes()


def _glance(path: Path) -> None:
    """Takes an image, looks at its first ten numbers only: what is measured is the way there and back."""
    constants = {
        "flat": np.array([-1, 3 * 224 * 224], np.int64),
        "first": np.array([0], np.int64),
        "last": np.array([CLASSES], np.int64),
        "axis": np.array([1], np.int64),
    }
    nodes = [
        helper.make_node("Reshape", ["x", "flat"], ["f"]),
        helper.make_node("Slice", ["f", "first", "last", "axis"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "bench",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 3, 224, 224])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", CLASSES])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
