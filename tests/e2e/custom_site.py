"""A site of classes of the user's own for tests: the guide's ten lines, and some that fail in every way."""

import http.client
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from modelwright.core.status import Busy
from tests.e2e.clients import ask, patient
from tests.e2e.running import ROOT, Reply, Site, running

GUIDE = (ROOT / "docs" / "guide" / "custom-model.md").read_text("utf-8")
FAULTS = """
import asyncio
import os
import time
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
from PIL import Image

from modelwright import File, Tensor, Unprocessable


class Faulty:
    seen = []

    def predict(self, how: str, seconds: float = 0.0) -> Any:
        Faulty.seen.append(how)
        time.sleep(seconds)
        if how == "fail":
            raise ValueError("the password is 1234")
        if how == "refuse":
            raise Unprocessable("not this one", param="how")
        if how == "exit":
            raise SystemExit(0)
        if how == "abort":
            os.abort()
        return {"seen": len(Faulty.seen), "secret": os.environ.get("TOKEN"), "pid": os.getpid()}


class Holder:
    def predict(self, name: str) -> str | None:
        return os.environ.get(name)


class Slow:
    closed = 0
    made = 0

    async def predict(self) -> dict[str, int]:
        return {"closed": Slow.closed, "made": Slow.made}

    async def predict_stream(self, pieces: int = 1000000, size: int = 1, fail: int = -1) -> AsyncIterator[str]:
        try:
            for number in range(pieces):
                if number == fail:
                    raise ValueError("the password is 1234")
                Slow.made += 1
                yield str(number) * size
                await asyncio.sleep(0.001)
        finally:
            Slow.closed += 1


class Picky:
    inputs = {"x": Tensor("FP32", -1, 4)}
    outputs = {"y": Tensor("FP32", -1, 4)}

    def predict(self, x):
        time.sleep(0.02)
        if (x == 99).any():
            raise ValueError("the password is 1234")
        return {"y": x * 2}


class Stuck(Picky):
    def predict(self, x):
        time.sleep(3600 if (x == 99).any() else 0)
        return x


class Divide:
    inputs = {"x": Tensor("FP32", -1, 4)}
    outputs = {"quotient": Tensor("FP32", -1, 4)}

    def predict(self, x):
        if (x == 99).any():
            raise ValueError("the password is 1234")
        return x / float(os.environ["DIVISOR"])


class Picture:
    def predict(self, photo: Image.Image, sound: bytes = b"", attached: File | None = None) -> dict[str, Any]:
        return {"size": photo.size, "sound": len(sound), "name": attached.name if attached else None}


class Blob:
    def predict(self, size: int, until: str = "", leaves: str = "") -> File:
        while until and not os.path.exists(until):
            time.sleep(0.01)
        if leaves:
            open(leaves, "w").close()
        return File(bytes(size), content_type="audio/wav")
"""
MANIFEST = """
schema: 1
name: own
models:
GUIDED
  faulty: {engine: {kind: "python:faults:Faulty"}}
  hanging: {engine: {kind: "python:faults:Faulty", timeout: 1s}}
  slow: {engine: {kind: "python:faults:Slow"}}
  holder:
    engine:
      kind: "python:faults:Holder"
      env: {MODE: fast, AUTHORIZATION: "Bearer ${secret:HELD}", BOTH: "${secret:TOKEN}"}
  picky: {engine: {kind: "python:faults:Picky"}, batching: {max_rows: 32}}
  picture: {engine: {kind: "python:faults:Picture"}}
  blob: {engine: {kind: "python:faults:Blob"}, batching: {queue_rows: 4}}
  divide: {engine: {kind: "python:faults:Divide", env: {DIVISOR: "4"}}}
  double: {source: ./toy.json, engine: {kind: toy-tensor}}
  half:
    pipeline:
      steps: {divide: {model: divide}, double: {model: double, inputs: {x: divide.quotient}}}
  stuck: {engine: {kind: "python:faults:Stuck", timeout: 1s}}
  edited: {engine: {kind: "python:edited:Model"}}
  toy: {source: ./toy.json, engine: {kind: toy-tensor}}
providers:
  elsewhere: {kind: openai, keys: ["${secret:TOKEN}"]}
"""


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


@contextmanager
def custom_site(folder: Path) -> Iterator[Site]:
    """All of its models are ready."""
    (folder / "models.py").write_text(block("python"))
    (folder / "faults.py").write_text(FAULTS)
    (folder / "edited.py").write_text("class Model:\n    def predict(self) -> int:\n        return 1\n")
    (folder / "toy.json").write_text('{"toy": 1, "columns": 4}')
    manifest = MANIFEST.replace("GUIDED\n", block("yaml").partition("models:\n")[2])
    with running(manifest, folder=folder, env={"TOKEN": "sk-canary", "HELD": "held-canary"}) as started:
        patient(lambda: started.call("GET", "/v2/health/ready").status == 200)
        yield started


def predict(site: Site, model: str, body: Any, **headers: str) -> Reply:
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return site.call("POST", f"/predict/{model}", content, headers={k.replace("_", "-"): v for k, v in headers.items()})


def error(reply: Reply) -> dict[str, Any]:
    return reply.json()["error"]


def opened(site: Site, model: str, body: Any, **headers: str) -> http.client.HTTPConnection:
    """A request that was sent, and whose answer nobody has read yet."""
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
    sent = {"X-API-Key": site.key, **headers}
    connection.request("POST", f"/predict/{model}", msgspec.json.encode(body), sent)
    return connection


def busy(site: Site, model: str) -> Busy:
    return msgspec.json.decode(ask(site.runtime / f"serving-{model}-0.sock", "/status").body, type=Busy)
