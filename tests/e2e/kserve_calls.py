"""A program of its own that calls a running site by KServe's client over both wires, and prints what it got as JSON.

usage: kserve_calls.py URL GRPC_ADDRESS; the key is in MODELWRIGHT_TEST_KEY. It judges nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from importlib import import_module
from typing import Any

import numpy as np

kserve: Any = import_module("kserve")  # installed beside the lock, where type checkers need not look
X = np.array([[1, 2, 3, 4], [0.5, -1, 0, 8]], np.float32)


def asked(array: np.ndarray, *, binary: bool, model: str = "double", name: str = "x") -> Any:
    datatype = "BYTES" if array.dtype == object else "FP32"
    tensor = kserve.InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array, binary_data=binary)
    wish = {"binary_data_output": True} if binary else {}
    return kserve.InferRequest(model_name=model, infer_inputs=[tensor], request_id="mine", parameters=wish)


def told(answer: Any) -> dict[str, Any]:
    outputs = {output.name: output.as_numpy() for output in answer.outputs}
    values = {
        name: [one.decode() if isinstance(one, bytes) else one for one in array.ravel().tolist()]
        for name, array in outputs.items()
    }
    return {"model": answer.model_name, "id": answer.id, "outputs": values}


async def refused(call: Any) -> str:
    try:
        await call
    except Exception as error:  # noqa: BLE001 - each client has its own
        found: Any = error
        return f"{found.code().name}: {found.details()}" if hasattr(found, "code") else str(found)
    return "nothing"


async def over_rest(url: str, key: str) -> dict[str, Any]:
    config = kserve.RESTConfig(protocol="v2", timeout=30)
    words = np.array([["é".encode(), b"two words"]], object)

    def headers() -> dict[str, str]:
        return {"authorization": f"Bearer {key}"}

    async with kserve.InferenceRESTClient(config) as client:
        return {
            "live": await client.is_server_live(url),
            "ready": await client.is_server_ready(url),
            "double": await client.is_model_ready(url, "double", headers=headers()),
            "other": await client.is_model_ready(url, "other", headers=headers()),
            "json": told(await client.infer(url, asked(X, binary=False), model_name="double", headers=headers())),
            "binary": told(await client.infer(url, asked(X, binary=True), model_name="double", headers=headers())),
            "words": told(
                await client.infer(url, asked(words, binary=True, model="words"), model_name="words", headers=headers())
            ),
            "wrong": await refused(
                client.infer(url, asked(X[:, :3], binary=True), model_name="double", headers=headers())
            ),
            "stranger": await refused(client.infer(url, asked(X, binary=True), model_name="double")),
        }


async def over_grpc(address: str, key: str) -> dict[str, Any]:
    headers = (("authorization", f"Bearer {key}"),)
    words = np.array([["é".encode(), b"two words"]], object)
    async with kserve.InferenceGRPCClient(address, timeout=30) as client:
        return {
            "live": await client.is_server_live(),
            "ready": await client.is_server_ready(),
            "double": await client.is_model_ready("double", headers=headers),
            "other": await client.is_model_ready("other", headers=headers),
            "json": told(await client.infer(asked(X, binary=False), headers=headers)),
            "binary": told(await client.infer(asked(X, binary=True), headers=headers)),
            "words": told(await client.infer(asked(words, binary=True, model="words"), headers=headers)),
            "wrong": await refused(client.infer(asked(X[:, :3], binary=True), headers=headers)),
            "stranger": await refused(client.infer(asked(X, binary=True))),
        }


async def main(url: str, address: str) -> None:
    key = os.environ["MODELWRIGHT_TEST_KEY"]
    print(json.dumps({"rest": await over_rest(url, key), "grpc": await over_grpc(address, key)}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
