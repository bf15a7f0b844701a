"""Measures the V2 protocol through the gateway, in one run: REST beside gRPC, and an image beside 64 numbers.

Every process of the site has one processor and the load the other. CPU is that of all processes that a call passes:
the gRPC door where there is one, the gateway, and the model's worker. Each pair of figures is taken in turns.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc.aio
import msgspec
import numpy as np
import onnx
from onnx import helper, numpy_helper

from bench.load.wrk import wrk
from bench.process import LOAD_CPU, Site, cpu_seconds, scratch, site
from bench.serving_models import CLASSES, FEATURES, tiny
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


def main() -> None:
    """Print the table."""
    with scratch() as folder:
        tiny(folder / "numbers.onnx")
        _glance(folder / "image.onnx")
        with site(MANIFEST, folder) as running:
            _measure(running, folder)


def _measure(running: Site, folder: Path) -> None:
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for _ in range(ROUNDS):
        for model in SHAPES:
            found.setdefault((model, "REST"), []).append(_rest(running, folder, model))
            found.setdefault((model, "gRPC"), []).append(_grpc(running, model))
    best = {key: min(values) for key, values in found.items()}
    base = {model: best[model, "REST"][0] for model in SHAPES}
    print(f"{'':16} {'calls/s':>8} {'CPU µs/call':>12} {'x REST':>8} {'x 64 numbers':>13}")
    for (model, wire), (cost, rate) in best.items():
        ratio = cost / best["numbers", wire][0]
        print(f"{f'{model} {wire}':16} {rate:8.0f} {cost:12.1f} {cost / base[model]:8.2f} {ratio:13.2f}")


def _rest(running: Site, folder: Path, model: str) -> tuple[float, float]:
    head, data = _binary(model)
    headers = {
        "authorization": f"Bearer {running.key}",
        "content-type": "application/octet-stream",
        "inference-header-content-length": str(len(head)),
    }
    pids = [*running.gateways, running.pid(f"serving-{model}-0")]
    url = f"{running.public}/v2/models/{model}/infer"

    def load(seconds: float) -> Any:
        return wrk(
            url,
            connections=CONNECTIONS,
            seconds=seconds,
            cpu=LOAD_CPU,
            folder=folder,
            body=head + data,
            headers=headers,
        )

    load(1.0)
    before = cpu_seconds(pids)
    told = load(SECONDS)
    return 1e6 * (cpu_seconds(pids) - before) / told.requests, told.rate


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
